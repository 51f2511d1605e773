"""Runner: scenarios in, driving, recordings and verdicts out.

Scenarios that differ only in their roads, looks, seeds and criteria are stepped together in one world, which keeps two
cores busy. The order in which they were given is the order in which they come out, and the same list gives the same
bytes. Alone and in a batch a drive is the same to a tenth of a millimetre.
"""

from __future__ import annotations

import functools
import math
import operator
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from attacks.target import unwatched
from lkas.ground_truth import GroundTruthAssistant
from lkas.perception import Assistant
from lkas.pilot import Pilot
from lkas.safety import EmergencyBraking, WatchedAssistant
from scenarios.build import cameras_of, check_buildable, fingerprints, scene_of, start_of, vehicle_of
from scenarios.channels import road_channels
from scenarios.cores import threads
from scenarios.factories import Setting
from scenarios.files import to_yaml
from scenarios.loop import drive_worlds
from scenarios.metrics import MetricValue
from scenarios.plugins.patches import LaidPatches, appearance, patch_channels
from scenarios.plugins.rehearsals import run_attack
from scenarios.plugins.sight import patch_similarity
from scenarios.registry import plugin, plugins
from scenarios.schema import Criterion, RecordSpec, Scenario
from scenarios.store import Store, content_hash, environment, file_hash, write_json
from simulator.recording import Channel, Recorder, Recording
from simulator.roads.road import Road
from simulator.world import CAMERA_PERIOD_S, InvalidInput, World

Watch = Callable[[int, Recording], None]
"""Shown every instant as soon as it is driven: the index of its scenario, and a recording of that instant alone."""

LARGEST_BATCH = 16
"""More worlds at once gain nothing on a few cores and hold a road's surface in memory each."""


@dataclass(frozen=True)
class Judgement:
    """A criterion and whether it was met."""

    criterion: Criterion
    value: MetricValue
    met: bool

    @classmethod
    def of(cls, criterion: Criterion, value: MetricValue) -> Judgement:
        """Judge; a figure that is not valid meets nothing."""
        above = criterion.min is None or value.value >= criterion.min
        below = criterion.max is None or value.value <= criterion.max
        return cls(criterion, value, value.valid and above and below)


@dataclass(frozen=True)
class Outcome:
    """What one scenario came to.

    Attributes:
        scenario: as it was run.
        recording: all that happened.
        metrics: every installed metric by name.
        judgements: one for every criterion.
        timing: seconds of computing, and how much faster than real time; not reproducible, and kept apart.
    """

    scenario: Scenario
    recording: Recording
    metrics: dict[str, MetricValue]
    judgements: tuple[Judgement, ...]
    timing: dict[str, float]

    @property
    def met(self) -> bool:
        """Whether every criterion was met that is not optional."""
        return all(judgement.met or judgement.criterion.optional for judgement in self.judgements)

    def to_json(self) -> dict[str, Any]:
        """As in ``metrics.json``."""
        return {
            "scenario": self.scenario.name,
            "seed": self.scenario.seed,
            "met": self.met,
            "metrics": {name: value.to_json() for name, value in self.metrics.items()},
            "criteria": [
                {**judgement.criterion.model_dump(), "value": judgement.value.to_json(), "met": judgement.met}
                for judgement in self.judgements
            ],
        }

    def save(self, store: Store) -> str:
        """Put it into a store; returns the folder."""
        place = store.place(f"{self.scenario.name}-{self.scenario.seed}", scenario_hash(self.scenario))
        with store.writing(place) as folder:
            (folder / "scenario.yaml").write_text(to_yaml(self.scenario), encoding="utf-8")
            self.recording.save(folder / "recording.zip")
            write_json(folder / "metrics.json", self.to_json())
            write_json(folder / "timing.json", self.timing)
            write_json(folder / "environment.json", environment())
        return str(place)


def scenario_hash(scenario: Scenario) -> str:
    """Hash of all that a scenario's result depends on; files count by their content, not by where they lie."""
    data = scenario.model_dump(mode="json", exclude={"description"})
    for place in scenario.named_files:
        holder = functools.reduce(operator.getitem, place[:-1], data)
        if holder.get(place[-1]) is not None:
            holder[place[-1]] = file_hash(Path(holder[place[-1]]))
    return content_hash({**data, "fingerprints": fingerprints(scenario)})


def run(
    scenarios: Sequence[Scenario],
    progress: Callable[[int], None] = unwatched,
    attacking: Callable[[int], None] = unwatched,
    store: Store | None = None,
) -> list[Outcome]:
    """Run scenarios, as many as possible together.

    Args:
        scenarios: what to run; equal ones are run as often as they are given.
        progress: told how many steps of single scenarios were made since the last call.
        attacking: told how many iterations of attacks were made since the last call.
        store: where patches are kept, and looked for before they are made; none are where None.

    Returns:
        One outcome each, in the same order.
    """
    outcomes = dict(run_all(scenarios, progress, attacking, store))
    return [outcomes[index] for index in range(len(scenarios))]


def run_all(
    scenarios: Sequence[Scenario],
    progress: Callable[[int], None] = unwatched,
    attacking: Callable[[int], None] = unwatched,
    store: Store | None = None,
    watch: Watch | None = None,
) -> Iterator[tuple[int, Outcome]]:
    """Like ``run``, but every outcome is handed over as soon as it is there, so that nobody has to hold them all.

    Args:
        scenarios: see ``run``. progress: see ``run``. attacking: see ``run``. store: see ``run``.
        watch: looks on while they are driven.

    Yields:
        The index of a scenario and its outcome; what was driven together comes together.
    """
    for indices in batches(scenarios):
        batch = [scenarios[index] for index in indices]
        look = None if watch is None else functools.partial(_numbered, watch, indices)
        yield from zip(indices, run_batch(batch, progress, attacking, store, look), strict=True)


def _numbered(watch: Watch, indices: Sequence[int], world: int, instant: Recording) -> None:
    watch(indices[world], instant)


def batches(scenarios: Sequence[Scenario]) -> list[list[int]]:
    """Indices of scenarios that one world can step together."""
    groups: dict[str, list[int]] = {}
    for index, scenario in enumerate(scenarios):
        alike = scenario.model_dump(
            mode="json",
            include={"duration_s", "world", "camera", "assistant", "attack", "defenses", "safety", "record"},
        )
        plant = scenario.ego.plant and scenario.ego.plant.model_dump(mode="json")
        groups.setdefault(content_hash([alike, scenario.ego.vehicle, plant]), []).append(index)
    result = []
    for indices in groups.values():
        size = min(plugin("worlds", scenarios[indices[0]].world.type).max_batch, LARGEST_BATCH)
        result += [indices[start : start + size] for start in range(0, len(indices), size)]
    return result


def run_batch(
    scenarios: Sequence[Scenario],
    progress: Callable[[int], None],
    attacking: Callable[[int], None],
    store: Store | None,
    watch: Watch | None,
) -> list[Outcome]:
    """Run scenarios that one world can step together; ``watch`` is told their places among these."""
    first = scenarios[0]
    began = time.perf_counter()
    assistant = make_assistant(scenarios)
    cameras = dict.fromkeys(assistant.cameras)
    if first.record.wide_frames:
        cameras["wide"] = None
    for scenario in scenarios:
        check_buildable(scenario, scenario.name)
    scenes = [scene_of(scenario) for scenario in scenarios]
    attacks = [
        run_attack(scenario, scene, lambda rehearsed: make_assistant([rehearsed]), attacking, store)
        for scenario, scene in zip(scenarios, scenes, strict=True)
    ]
    attacked = time.perf_counter()
    patches = appearance(scenarios, attacks)
    starts = [start_of(scenario) for scenario in scenarios]
    layers = patches.at(0) if patches else []
    seen = cameras_of(first, cameras)
    setting = Setting(scenes, starts, vehicle_of(first), seen, layers, first.ego.plant)
    world: World = plugin("worlds", first.world.type).load()(first.world, setting)
    built = time.perf_counter()
    try:
        # a single world has too little work for two threads: they would mostly wait for each other
        count = 1 if len(scenarios) == 1 else torch.get_num_threads()
        with torch.no_grad(), threads(count):
            benign = drive_benign(world, assistant, scenarios) if patches else None
            similarity = patch_similarity(world, patches.patches) if patches else None
            show = patches_of(world, patches) if patches else unwatched
            constants = [
                (
                    {
                        **road_channels(scene.road),
                        **patch_channels(attack),
                        **({"benign/offset_m": benign[index]} if benign else {}),
                        **({"patch/similarity": similarity[index]} if similarity else {}),
                    },
                    {
                        **facts(scenario, scene.road),
                        **({"time_zero_s": patches.zero_frames[index] * CAMERA_PERIOD_S} if patches else {}),
                    },
                )
                for index, (scenario, scene, attack) in enumerate(
                    zip(scenarios, scenes, attacks, strict=True)
                )
            ]
            look = None if watch is None else functools.partial(_show_instant, watch, constants)
            drive = drive_worlds(
                world, watched(assistant, scenarios, patches), scenarios, progress, show, look
            )
    finally:
        world.close()
    driven = time.perf_counter()
    recordings = [
        drive.recorder.recording(index, channels, meta, drive.ends_s[index])
        for index, (channels, meta) in enumerate(constants)
    ]
    simulated_s = sum(recording.duration_s for recording in recordings)
    timing = {
        "worlds_stepped_together": float(len(scenarios)),
        "attack_s": attacked - began,
        "build_s": built - attacked,
        "drive_s": driven - built,
        "real_time_factor": simulated_s / (driven - built),
    }
    outcomes = []
    for scenario, recording in zip(scenarios, recordings, strict=True):
        values = measure(recording)
        judgements = tuple(
            Judgement.of(criterion, values[criterion.metric]) for criterion in scenario.criteria
        )
        outcomes.append(Outcome(scenario, recording, values, judgements, timing))
    return outcomes


def _show_instant(
    watch: Watch,
    constants: Sequence[tuple[Mapping[str, Channel], Mapping[str, Any]]],
    recorder: Recorder,
    time_s: float,
) -> None:
    """Show what has just happened in N worlds, each with what does not change in it."""
    for index, (channels, meta) in enumerate(constants):
        watch(index, recorder.recording(index, channels, meta, time_s, time_s))


def measure(recording: Recording) -> dict[str, MetricValue]:
    """Every installed metric of a recording; one that fails is invalid, and said on standard error."""
    values = {}
    for name, found in plugins("metrics").items():
        try:
            value = found.load()(recording)
            if not isinstance(value, MetricValue):
                raise TypeError(f"it gave a {type(value).__name__}, not a MetricValue")
        except Exception as error:  # whatever a stranger's metric does, the drive is not lost
            print(f"metric {name} failed: {type(error).__name__}: {error}", file=sys.stderr)
            value = MetricValue.invalid("1")
        values[name] = value
    return values


def drive_benign(world: World, assistant: Assistant, scenarios: Sequence[Scenario]) -> list[Channel] | None:
    """Drive without the patches, for comparison.

    Returns:
        Each car's offset from its lane; None where a world cannot do without what it was given.
    """
    if not hasattr(world, "layers"):
        return None
    world.layers = ()
    quiet = [scenario.model_copy(update={"record": RecordSpec(model_frames=False)}) for scenario in scenarios]
    drive = drive_worlds(world, assistant, quiet, unwatched)
    recordings = [
        drive.recorder.recording(index, {}, {}, drive.ends_s[index]) for index in range(len(scenarios))
    ]
    return [recording.channels["truth/offset_m"] for recording in recordings]


def patches_of(world: World, patches: LaidPatches) -> Callable[[int], None]:
    """Lays on the roads of a world, before every frame, what is there in it.

    Raises:
        InvalidInput: something appears late, but the world's roads cannot change.
    """
    if not hasattr(world, "layers"):
        if any(patches.frames):
            raise InvalidInput(
                "attack.appears: the roads of this world cannot change while it is driven in; set it to from_start"
            )
        return unwatched

    def show(frame: int) -> None:
        world.layers = patches.at(frame)

    return show


def watched(assistant: Assistant, scenarios: Sequence[Scenario], patches: LaidPatches | None) -> Assistant:
    """The assistant with what scenarios, alike but for roads and seeds, let step in beside it."""
    first, safety = scenarios[0], scenarios[0].safety
    person = safety.person
    if person is None and not safety.emergency_braking:
        return assistant
    takeover_s, after_warning_s = [math.inf] * len(scenarios), math.inf
    if person is not None and person.notices == "warning":
        after_warning_s = person.reaction_s
    elif person is not None and patches is not None:
        takeover_s = [frame * CAMERA_PERIOD_S + person.reaction_s for frame in patches.zero_frames]
    braking = EmergencyBraking() if safety.emergency_braking else None
    by_hand = GroundTruthAssistant(Pilot(vehicle_of(first), first.world.latency_s))
    return WatchedAssistant(assistant, braking, by_hand, takeover_s, after_warning_s)


def make_assistant(scenarios: Sequence[Scenario]) -> Assistant:
    """The assistant that scenarios, alike but for roads and seeds, name, behind their defenses."""
    first = scenarios[0]
    factory = plugin("assistants", first.assistant.type).load()
    assistant: Assistant = factory(first.assistant, vehicle_of(first), first.world.latency_s)
    seeds = [scenario.seed for scenario in scenarios]
    # the first defense sees the frame first, and so is the outermost
    for options in reversed(first.defenses):
        assistant = plugin("defenses", options.type).load()(options).protect(assistant, seeds)
    return assistant


def facts(scenario: Scenario, road: Road) -> dict[str, Any]:
    """What metrics and viewers want to know and no channel holds."""
    vehicle = vehicle_of(scenario)
    return {
        "scenario": scenario.name,
        "seed": scenario.seed,
        "assistant": scenario.assistant.type,
        "vehicle": scenario.ego.vehicle,
        "wheelbase_m": vehicle.wheelbase_m,
        "steering_ratio": vehicle.steering_ratio,
        "length_m": vehicle.length_m,
        "width_m": vehicle.width_m,
        "rear_overhang_m": vehicle.rear_overhang_m,
        "latency_s": scenario.world.latency_s,
        "marks": [
            {
                "kind": mark.kind,
                "color": mark.color,
                "width_m": mark.width_m,
                "dash_m": mark.dash_m,
                "gap_m": mark.gap_m,
            }
            for mark in road.marks
        ],
    }
