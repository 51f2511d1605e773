"""How far a road patch can move the curvature that the driver desires: bounds along a road, attacks beneath them."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from attacks.threat import RoadPatchThreat
from defenses.bounds import Backward, BoundedModel, Method, Perturbation
from defenses.driver_bounds.attack import extremes
from defenses.driver_bounds.curvature import FIRST_ROW, DesiredCurvature, LinearPlan
from defenses.driver_bounds.small import SmallCurvature, SmallDriver, is_small, load_small_driver
from defenses.driver_bounds.threats import CellThreat, FrameThreat, PixelThreat, threats
from lkas.driver import load_driver
from lkas.frames import pack_yuv
from lkas.network import SKY_ROWS, DriverNet, fuse, parse
from lkas.perception import Perception
from lkas.pilot import Pilot
from scenarios.build import scene_of, start_of, vehicle_of
from scenarios.metrics import CAR_WIDTH_M
from scenarios.schema import Scenario
from simulator.camera import CAMERAS
from simulator.embedded import EmbeddedWorld
from simulator.errors import InvalidInput
from simulator.patch_operator import patch_operator
from simulator.renderer import Renderer
from simulator.roads.ahead import CAMERA_FOOT_M
from simulator.surface.layer import SurfaceLayer
from simulator.world import Observation

REACTION_S = 1.0
"""A driver who watches has taken over after this time."""

USUAL_PER_M = 1e-3
"""Curvatures are numbers of this size."""

EFFORT = 1e8
"""For the intervals of one layer: with it the shipped driver is bounded within half a minute on one core."""

STEEREST_PER_M = 0.2
"""No car turns more tightly: bounds that allow for more on both sides say nothing."""


@dataclass(frozen=True)
class Place:
    """The driver at one place of a road, and the patch that lies ahead of it.

    Attributes:
        s_m: of the car along the road.
        speed_mps: of the car.
        room_m: from a car in the middle of its lane to the line.
        frames: what the driver saw, the last frame last, each ``(1, 3, 256 - FIRST_ROW, 512)`` in [0, 1].
        hidden: ``(1, hidden size)`` its memory before the second of them.
        model: from hidden and frames to the desired curvature.
        pixels: the threat that every pixel of the patch in the last frame changes by itself.
        cells: the threat that the patch's cells change.
    """

    s_m: float
    speed_mps: float
    room_m: float
    frames: tuple[Tensor, ...]
    hidden: Tensor
    model: DesiredCurvature | SmallCurvature
    pixels: PixelThreat
    cells: CellThreat

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Of the model."""
        return (self.hidden, *self.frames)

    @cached_property
    def bounded(self) -> BoundedModel:
        """The model, captured."""
        return BoundedModel.of(self.model, *self.inputs)

    @property
    def harmless_per_m(self) -> float:
        """A change of curvature that keeps the car in its lane until somebody has taken over."""
        return 2 * self.room_m / (self.speed_mps * REACTION_S) ** 2


@dataclass(frozen=True)
class CurvatureBound:
    """What was proved, and what attacks reached.

    Attributes:
        s_m: of the car along the road.
        threat: ``pixels`` or ``cells``.
        radius: the budget, in brightness.
        clean_per_m: desired without a patch.
        lower_per_m: proved.
        upper_per_m: proved.
        harmless_per_m: see ``Place``.
        attacked_per_m: least and greatest that attacks reached; None where there were none.
        seconds: that the bound took.
    """

    s_m: float
    threat: str
    radius: float
    clean_per_m: float
    lower_per_m: float
    upper_per_m: float
    harmless_per_m: float
    attacked_per_m: tuple[float, float] | None
    seconds: float

    @property
    def harmless(self) -> bool:
        """It is proved that the patch does not drive the car out of its lane before somebody has taken over."""
        change = max(self.upper_per_m - self.clean_per_m, self.clean_per_m - self.lower_per_m)
        return change <= self.harmless_per_m

    @property
    def vacuous(self) -> bool:
        """More is allowed for than any car could do."""
        return self.lower_per_m < -STEEREST_PER_M and self.upper_per_m > STEEREST_PER_M

    @property
    def violated(self) -> bool:
        """An attack has left the bounds, which must never be."""
        low, high = self.attacked_per_m or (math.inf, -math.inf)
        return low < self.lower_per_m or high > self.upper_per_m


def load_network(name: str) -> DriverNet | SmallDriver:
    """A driver by the name of its weights, their file, or ``small``."""
    if name == "small":
        return load_small_driver()
    if name.endswith(".safetensors") and is_small(Path(name)):
        return load_small_driver(Path(name))
    return load_driver(name)


def places(
    scenario: Scenario,
    network: DriverNet | SmallDriver,
    patch: RoadPatchThreat,
    every_m: float,
    frames: int = 1,
) -> Iterator[Place]:
    """Drive along a scenario's road, and look at a patch ahead of the car again and again.

    Args:
        scenario: in the embedded world; its attack is left out.
        network: a driver's, as trained.
        patch: where it lies ahead of the camera's foot, how long and wide it is, and how large its cells are.
        every_m: from place to place.
        frames: how many frames the driver sees with a patch in them, one after the other.

    Raises:
        InvalidInput: the world is another one.
    """
    if scenario.world.type != "embedded":
        raise InvalidInput(f"{scenario.name}: bounds need the embedded world, not {scenario.world.type!r}")
    driver = network if isinstance(network, SmallDriver) else fuse(network)
    vehicle, scene = vehicle_of(scenario), scene_of(scenario)
    camera = CAMERAS["model"]
    world = EmbeddedWorld([scene], [start_of(scenario)], vehicle, [camera], ahead=False)
    renderer, pilot = Renderer([scene], camera), Pilot(vehicle)
    lane_m = scene.road.ego_lane.left_m - scene.road.ego_lane.right_m
    seen: list[tuple[Tensor, Tensor]] = []  # pictures, and the memory before each
    hidden = driver.initial_hidden(1)
    observation, next_m = world.reset(0), -math.inf
    with torch.no_grad():
        for _ in range(scenario.steps):
            picture = observation.frames["model"]
            seen = [*seen, (_rgb(picture), hidden)][-frames - 1 :]
            now = pack_yuv(picture, SKY_ROWS)
            before = now if len(seen) == 1 else pack_yuv(seen[-2][0])
            output, hidden = driver.look(before, now, hidden)
            s_m = float(observation.truth.s_m[0])
            if len(seen) > frames and s_m >= next_m and _fits(scene.road.length_m, s_m, patch):
                next_m = s_m + every_m
                rows, columns = patch.shape
                layer = SurfaceLayer(
                    torch.zeros(1, 1, rows, columns),
                    s_m + CAMERA_FOOT_M + patch.ahead_m,
                    patch.lateral_m,
                    patch.length_m,
                    patch.width_m,
                )
                (operator,) = patch_operator(renderer, layer, observation.state, observation.truth.s_m)
                plan = LinearPlan.of(_planning(copy.deepcopy(pilot), observation), output)
                yield Place(
                    s_m,
                    float(observation.state.speed_mps[0]),
                    0.5 * (float(np.interp(s_m, scene.road.s_m, lane_m)) - CAR_WIDTH_M),
                    tuple(picture for picture, _ in seen),
                    seen[1][1],
                    SmallCurvature(driver, plan)
                    if isinstance(driver, SmallDriver)
                    else DesiredCurvature(driver, plan),
                    *threats(operator),
                )
            decision = pilot(parse(output.to(observation.state.speed_mps.dtype)), observation)
            observation = world.step(decision.command)
            if bool(observation.truth.finished.all()):
                return


def bound(
    place: Place,
    threat: str,
    radius: float,
    method: Method | None = None,
    attacks: int = 0,
    steps: int = 10,
    generator: torch.Generator | None = None,
) -> CurvatureBound:
    """Bound the desired curvature at one place, and attack it.

    Args:
        place: where.
        threat: ``pixels`` or ``cells``.
        radius: the budget, in brightness, of every frame in which the patch is.
        method: ``Backward(effort=EFFORT)`` by default.
        attacks: how many, of the last frame.
        steps: of each attack.
        generator: draws where attacks start; needed where there are any.

    Raises:
        InvalidInput: the cells of several frames are asked for.
    """
    if threat == "cells" and len(place.frames) > 2:
        raise InvalidInput(
            "cells are bounded in one frame: in every frame the camera sees them from elsewhere"
        )
    family: FrameThreat = place.pixels if threat == "pixels" else place.cells
    with torch.no_grad():
        clean = float(place.model(*place.inputs))
        began = time.perf_counter()
        perturbations: dict[int | str, Perturbation] = {
            index: family.perturbation(radius) for index in range(2, len(place.inputs))
        }
        found = place.bounded.bounds(place.inputs, perturbations, method or Backward(effort=EFFORT))
        seconds = time.perf_counter() - began
        found = found.outward(USUAL_PER_M)
    attacked = None
    if attacks:
        assert generator is not None
        *earlier, last = place.inputs

        def curvature(frames: Tensor) -> Tensor:
            others = (x.expand(len(frames), *x.shape[1:]) for x in earlier)
            value: Tensor = place.model(*others, frames)
            return value[:, 0]

        attacked = extremes(curvature, last, family, radius, attacks, steps, generator)
    return CurvatureBound(
        place.s_m,
        threat,
        radius,
        clean,
        float(found.lower),
        float(found.upper),
        place.harmless_per_m,
        attacked,
        seconds,
    )


def _planning(pilot: Pilot, observation: Observation) -> Callable[[Perception], Tensor]:
    """What a pilot would desire in this frame."""
    return lambda perception: pilot(perception, observation).desired_curvature_per_m


def _rgb(picture: Tensor) -> Tensor:
    """``(1, H, W, 3)`` bytes as what the driver looks at of it, ``(1, 3, H - FIRST_ROW, W)`` in [0, 1]."""
    return picture[:, FIRST_ROW:].permute(0, 3, 1, 2).float().contiguous() / 255


def _fits(road_m: float, s_m: float, patch: RoadPatchThreat) -> bool:
    return s_m + CAMERA_FOOT_M + patch.ahead_m + patch.length_m <= road_m
