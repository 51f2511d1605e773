"""Is an assistant fit for the closed loop? Every rule of the contract that can be tried is tried.

Two short drives, into a left and into a right curve, are recorded with the ground-truth assistant. The assistant
under test is shown them again and again: alone, together, after other drives, with the truth scrambled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from lkas.ground_truth import GroundTruthAssistant
from lkas.perception import Assistant, Decision, Perception
from simulator.camera import CAMERAS
from simulator.embedded import EmbeddedWorld, Start
from simulator.roads.layout import LaneLayout
from simulator.roads.segments import Arc, Line, build_road
from simulator.scene import Scene
from simulator.world import DISTANCES_M, GroundTruth, Observation, VehicleState

FRAMES = 24
SPEED_MPS = 15.0
TOLERANCE = 1e-4
"""How much an answer may depend on which other worlds are in the batch."""

STEERED_RAD = 0.05
"""What counts as steering; holding the curves takes about 0.5 rad at the steering wheel."""

POINTS = len(DISTANCES_M)
SHAPES: dict[str, tuple[int, ...]] = {
    "path_y_m": (POINTS,),
    "path_std_m": (POINTS,),
    "lane_y_m": (4, POINTS),
    "lane_std_m": (4, POINTS),
    "lane_prob": (4,),
    "lead_distance_m": (),
    "lead_std_m": (),
    "lead_prob": (),
    "pose": (6,),
}
"""Shape of each attribute of a Perception, without the batch."""


@dataclass(frozen=True)
class Finding:
    """The result of one check; ``fault`` is None if there is nothing to complain about."""

    check: str
    fault: str | None


class Fault(Exception):
    """What a check found wrong, for the author of the assistant."""


Make = Callable[[], Assistant]


def check_assistant(make: Make, reads_truth: bool) -> Iterator[Finding]:
    """Try an assistant.

    Args:
        make: gives a new one each time.
        reads_truth: whether it may look at ``observation.truth``.

    Yields:
        One finding a check. After a fault in one of the first three the others would tell nothing, and are left
        out.
    """
    context: dict[str, Any] = {}

    def cameras() -> None:
        context["cameras"] = check_cameras(make())

    def answers() -> None:
        context["drive"] = record(context["cameras"])
        context["answer"] = show(make(), context["drive"])

    def form() -> None:
        for observation, decision in zip(context["drive"], context["answer"], strict=True):
            check_decision(decision, len(observation.state))

    first = [("names its cameras", cameras), ("answers", answers), ("shapes, types and ranges", form)]
    for name, check in first:
        finding = attempt(name, check)
        yield finding
        if finding.fault:
            return
    drive, answer = context["drive"], context["answer"]
    yield attempt("leaves what it is shown unchanged", lambda: check_unchanged(make(), drive))
    yield attempt("answers the same every time", lambda: check_repeats(make, drive, answer))
    yield attempt("forgets when it is reset", lambda: check_forgets(make(), drive, answer))
    yield attempt("does not care who else is in the batch", lambda: check_company(make, drive, answer))
    if not reads_truth:
        yield attempt("does not look at the truth", lambda: check_blind(make(), drive, answer))
    yield attempt("steers the right way", lambda: check_steering(answer))


def attempt(name: str, check: Callable[[], None]) -> Finding:
    """Run a check; whatever an assistant raises is a finding too."""
    try:
        check()
    except Fault as fault:
        return Finding(name, str(fault))
    except Exception as error:
        return Finding(name, f"it raised {type(error).__name__}: {error}")
    return Finding(name, None)


def record(cameras: Sequence[str]) -> list[Observation]:
    """What two cars see that drive into a left and into a right curve."""
    layout = LaneLayout.two_way()
    scenes = [
        Scene(build_road(f"curve of {radius_m:g} m", [Line(5.0), Arc(60.0, radius_m)], layout), seed=seed)
        for seed, radius_m in enumerate((80.0, -80.0))
    ]
    world = EmbeddedWorld(scenes, Start(speed_mps=SPEED_MPS), cameras=[CAMERAS[name] for name in cameras])
    driver = GroundTruthAssistant()
    driver.reset(world.size)
    observations = [world.reset(0)]
    while len(observations) < FRAMES:
        observations.append(world.step(driver(observations[-1]).command))
    world.close()
    return observations


def show(assistant: Assistant, observations: Sequence[Observation]) -> list[Decision]:
    """Reset an assistant and show it a drive."""
    assistant.reset(len(observations[0].state))
    with torch.no_grad():
        return [assistant(observation) for observation in observations]


def check_cameras(assistant: Assistant) -> tuple[str, ...]:
    """Its ``cameras`` are a tuple of names of `simulator.camera.CAMERAS`."""
    cameras = assistant.cameras
    if not isinstance(cameras, tuple) or not all(isinstance(name, str) for name in cameras):
        raise Fault(f"'cameras' must be a tuple of names, not {cameras!r}")
    for name in cameras:
        if name not in CAMERAS:
            raise Fault(f"there is no camera {name!r}; there are {', '.join(CAMERAS)}")
    return cameras


def check_decision(decision: object, size: int) -> None:
    """Shapes, types, finite numbers, probabilities in [0, 1], positive standard deviations."""
    if not isinstance(decision, Decision):
        raise Fault(f"a call must give a lkas.perception.Decision, not {type(decision).__name__}")
    check_tensor("command.steering_rad", decision.command.steering_rad, (size,))
    check_tensor("command.acceleration_mps2", decision.command.acceleration_mps2, (size,))
    check_tensor("desired_curvature_per_m", decision.desired_curvature_per_m, (size,))
    if not isinstance(decision.saturated, Tensor) or decision.saturated.dtype != torch.bool:
        raise Fault("saturated must be a tensor of bool")
    check_shape("saturated", decision.saturated, (size,))
    if not isinstance(decision.perception, Perception):
        raise Fault(
            f"perception must be a lkas.perception.Perception, not {type(decision.perception).__name__}"
        )
    for name, shape in SHAPES.items():
        value = getattr(decision.perception, name)
        check_tensor(f"perception.{name}", value, (size, *shape))
        if name.endswith("_prob") and not ((value >= 0) & (value <= 1)).all():
            raise Fault(
                f"perception.{name} must lie in [0, 1], but has {value.min():.4g} to {value.max():.4g}"
            )
        if "_std_" in name and not (value > 0).all():
            raise Fault(f"perception.{name} must be positive, but has {value.min():.4g}")
    for name, value in decision.info.items():
        if not isinstance(value, Tensor) or value.shape[:1] != (size,):
            raise Fault(f"info[{name!r}] must be a tensor with the batch of {size} first")


def check_tensor(name: str, value: object, shape: tuple[int, ...]) -> None:
    """A tensor of floats, of that shape, all finite."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise Fault(f"{name} must be a tensor of floats, not {kind}")
    check_shape(name, value, shape)
    if not torch.isfinite(value).all():
        raise Fault(f"{name} holds numbers that are not finite")


def check_shape(name: str, value: Tensor, shape: tuple[int, ...]) -> None:
    """A tensor of that shape."""
    if value.shape != shape:
        raise Fault(f"{name} has the shape {tuple(value.shape)}, but must have {shape} (the batch first)")


def check_unchanged(assistant: Assistant, drive: Sequence[Observation]) -> None:
    """What it is shown belongs to the world, and is recorded after it has decided."""
    before = [{name: value.clone() for name, value in tensors(observation)} for observation in drive]
    show(assistant, drive)
    for observation, kept in zip(drive, before, strict=True):
        for name, value in tensors(observation):
            if not torch.equal(value.nan_to_num(), kept[name].nan_to_num()):
                raise Fault(f"it writes into observation.{name}; work on a copy")


def check_repeats(make: Make, drive: Sequence[Observation], answer: Sequence[Decision]) -> None:
    """A second one, made in the same way, says the same to the bit."""
    difference = largest_difference(answer, show(make(), drive))
    if difference > 0:
        raise Fault(
            f"a second one, shown the same, answers differently by {difference:.3g}; draw random numbers from a "
            "generator that is seeded when it is made, and use deterministic operations"
        )


def check_forgets(assistant: Assistant, drive: Sequence[Observation], answer: Sequence[Decision]) -> None:
    """After a reset nothing of an earlier drive is left, of whatever size it was."""
    show(assistant, [part(observation, [1]) for observation in reversed(drive)])
    difference = largest_difference(answer, show(assistant, drive))
    if difference > 0:
        raise Fault(
            f"after another drive and reset() it answers differently by {difference:.3g}; reset all memory"
        )


def check_company(make: Make, drive: Sequence[Observation], answer: Sequence[Decision]) -> None:
    """A world is answered alike alone, and in another order."""
    for worlds, when in (([0], "alone"), ([1, 0], "in another order")):
        other = show(make(), [part(observation, worlds) for observation in drive])
        difference = max(
            relative_difference(value[worlds], changed)
            for one, two in zip(answer, other, strict=True)
            for value, changed in zip(outputs(one), outputs(two), strict=True)
        )
        if difference > TOLERANCE:
            raise Fault(
                f"a world that is shown {when} is answered differently by {difference:.3g}; no operation may mix the "
                "worlds of a batch (batch normalisation must be in evaluation mode)"
            )


def check_blind(assistant: Assistant, drive: Sequence[Observation], answer: Sequence[Decision]) -> None:
    """Scrambling the truth changes nothing."""
    generator = torch.Generator().manual_seed(0)

    def scrambled(truth: GroundTruth) -> GroundTruth:
        values = {field.name: getattr(truth, field.name) for field in fields(truth)}
        return GroundTruth(
            **{
                name: ~value
                if value.dtype == torch.bool
                else torch.randn(value.shape, generator=generator).to(value)
                for name, value in values.items()
            }
        )

    lied_to = show(
        assistant, [replace(observation, truth=scrambled(observation.truth)) for observation in drive]
    )
    if largest_difference(answer, lied_to) > 0:
        raise Fault("its answer depends on observation.truth, which only the ground_truth assistant may read")


def check_steering(answer: Sequence[Decision]) -> None:
    """Positive is to the left, for steering and for lateral positions alike."""
    left, right = answer[-1].command.steering_rad.tolist()
    if not left > STEERED_RAD > -STEERED_RAD > right:
        raise Fault(
            f"in a left curve it steers {left:+.3f} rad, in a right one {right:+.3f} rad; steering and lateral "
            "positions are positive to the left"
        )


def part(observation: Observation, worlds: list[int]) -> Observation:
    """Some worlds of a batch."""

    def pick(values: VehicleState | GroundTruth) -> dict[str, Tensor]:
        return {field.name: getattr(values, field.name)[worlds].clone() for field in fields(values)}

    return Observation(
        observation.time_s,
        {name: frames[worlds].clone() for name, frames in observation.frames.items()},
        VehicleState(**pick(observation.state)),
        GroundTruth(**pick(observation.truth)),
        {name: value[worlds].clone() for name, value in observation.info.items()},
    )


def tensors(observation: Observation) -> Iterator[tuple[str, Tensor]]:
    """Everything that an observation holds, by name."""
    for group in ("state", "truth"):
        values = getattr(observation, group)
        yield from ((f"{group}.{field.name}", getattr(values, field.name)) for field in fields(values))
    for group in ("frames", "info"):
        yield from ((f"{group}[{name!r}]", value) for name, value in getattr(observation, group).items())


def outputs(decision: Decision) -> list[Tensor]:
    """Everything that an assistant decides."""
    seen = decision.perception
    return [
        decision.command.steering_rad,
        decision.command.acceleration_mps2,
        decision.desired_curvature_per_m,
        *(getattr(seen, name) for name in SHAPES),
    ]


def largest_difference(one: Sequence[Decision], other: Sequence[Decision]) -> float:
    """Largest absolute difference of two answers."""
    return max(
        float((a - b).abs().max())
        for first, second in zip(one, other, strict=True)
        for a, b in zip(outputs(first), outputs(second), strict=True)
    )


def relative_difference(one: Tensor, other: Tensor) -> float:
    """Largest difference, relative to one or to the size of the value."""
    return float(((one - other).abs() / one.abs().clamp_min(1.0)).max())
