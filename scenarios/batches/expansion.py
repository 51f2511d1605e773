"""From a suite to its episodes: every combination as a resolved scenario, in the order that the file gives."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from scenarios.batches.suite import MAX_EPISODES, NONE, Choice, Distribution, Normal, Parameters, Suite, Where
from scenarios.build import check_buildable
from scenarios.files import Change, locate, packaged_suites, read, resolve, validate
from scenarios.runner import scenario_hash
from scenarios.schema import Scenario
from scenarios.store import content_hash
from simulator.errors import InvalidInput

DECIMALS = 6
"""To which drawn values are rounded, so that they can be written into a command."""

SHOWN_FAULTS = 20


@dataclass(frozen=True)
class Labels:
    """What an episode is a combination of, in the suite's words.

    Attributes:
        scenario: the scenario's name. assistant: label of who drives. attack: label, or ``none``. defense: label, or
        ``none``. sample: number of the draw of parameters, from 0. seed: the scenario's.
    """

    scenario: str
    assistant: str
    attack: str
    defense: str
    sample: int
    seed: int

    @classmethod
    def of(cls, scenario: Scenario) -> Labels:
        """Of a scenario that comes from no suite: the types of what it names."""
        attack = NONE if scenario.attack is None else scenario.attack.type
        defense = "+".join(options.type for options in scenario.defenses) or NONE
        return cls(scenario.name, scenario.assistant.type, attack, defense, 0, scenario.seed)

    def __str__(self) -> str:
        attacked = "" if self.attack == NONE else f", attack {self.attack}"
        defended = "" if self.defense == NONE else f", defense {self.defense}"
        sample = f", sample {self.sample}" if self.sample else ""
        return f"{self.scenario}, {self.assistant}{attacked}{defended}{sample}, seed {self.seed}"

    def meant_by(self, where: Where) -> bool:
        """Whether a gate is about this episode."""
        return all(fnmatchcase(getattr(self, name), pattern) for name, pattern in where.model_dump().items())


@dataclass(frozen=True)
class Episode:
    """The unit of work.

    Attributes:
        labels: which combination.
        scenario: fully resolved.
        digest: hash of all that its result depends on; two episodes with the same one are the same.
    """

    labels: Labels
    scenario: Scenario
    digest: str


@dataclass(frozen=True)
class Batch:
    """A suite that is ready to run.

    Attributes:
        suite: as its file has it.
        text: of the file.
        episodes: in the order of the results.
    """

    suite: Suite
    text: str
    episodes: tuple[Episode, ...]

    @property
    def digest(self) -> str:
        """What makes two batches the same: their episodes, not their gates and limits."""
        return content_hash([[asdict(episode.labels), episode.digest] for episode in self.episodes])


def load_batch(name: str, maps: Sequence[Path] = ()) -> Batch:
    """Read a suite file, or a packaged suite, and everything that it names.

    Args:
        name: the file or the packaged suite. maps: folders in which OpenDRIVE maps are looked for.

    Raises:
        InvalidInput: with every fault that was found.
    """
    (path,) = locate(name, packaged_suites(), "suite")[:1]
    document = read(path, "suite")
    suite = validate(Suite, document.data, str(path), document)
    return Batch(suite, path.read_text("utf-8-sig"), tuple(_Expansion(path, suite, maps).episodes()))


@dataclass(frozen=True)
class _Expansion:
    """Everything that expanding needs to know."""

    path: Path
    suite: Suite
    maps: Sequence[Path]

    def episodes(self) -> list[Episode]:
        """All of them, checked."""
        files = self._files()
        axes = self._axes()
        count = len(files) * int(np.prod([len(axis) for axis in axes]))
        if count > MAX_EPISODES:
            raise InvalidInput(f"{self.path}: {count} episodes; a suite has at most {MAX_EPISODES}")
        shared = [Change(field, value, f"overrides.{field}") for field, value in self.suite.overrides.items()]
        episodes: list[Episode] = []
        faults: dict[str, None] = {}
        checked: set[str] = set()
        for file in files:
            document = read(file)
            for assistant, attack, defense, sample, seed in product(*axes):
                changes = [*shared, *assistant[1], *attack[1], *defense[1], *sample[1], *seed[1]]
                try:
                    scenario = resolve(file, document, changes, self.maps)
                    self._check(scenario, checked)
                except InvalidInput as error:
                    faults |= dict.fromkeys(f"{self.path}: {line}" for line in str(error).splitlines())
                    continue
                own = Labels.of(scenario)
                labels = Labels(
                    own.scenario,
                    assistant[0] or own.assistant,
                    attack[0] or own.attack,
                    defense[0] or own.defense,
                    int(sample[0] or 0),
                    scenario.seed,
                )
                episodes.append(Episode(labels, scenario, scenario_hash(scenario)))
        if faults:
            raise InvalidInput("\n".join(list(faults)[:SHOWN_FAULTS]))
        self._refuse_repetitions(episodes)
        self._check_gates(episodes)
        return episodes

    def _files(self) -> list[Path]:
        files = []
        for name in self.suite.scenarios:
            beside = self.path.parent / name
            try:
                files += [beside] if beside.is_file() else locate(name)
            except InvalidInput as error:
                raise InvalidInput(f"{self.path}: scenarios: {error}") from error
        repeated = [
            file for index, file in enumerate(files) if file.resolve() in map(Path.resolve, files[:index])
        ]
        if repeated:
            raise InvalidInput(f"{self.path}: scenarios: {repeated[0]} is there twice")
        return files

    def _axes(self) -> list[list[tuple[str, list[Change]]]]:
        """For every axis its entries: a label (empty if the suite does not vary it) and what they change."""
        matrix, parameters = self.suite.matrix, self.suite.parameters
        named: list[tuple[str, Mapping[str, Any] | None]] = [
            ("assistant", matrix.assistants),
            ("attack", matrix.attacks),
            ("defenses", matrix.defenses),
        ]
        axes: list[list[tuple[str, list[Change]]]] = [
            [("", [])]
            if axis is None
            else [(label, [Change(field, value, "matrix")]) for label, value in axis.items()]
            for field, axis in named
        ]
        axes.append([("", [])] if parameters is None else list(self._samples(parameters)))
        axes.append(
            [("", [])]
            if matrix.seeds is None
            else [(str(seed), [Change("seed", seed, "matrix.seeds")]) for seed in matrix.seeds]
        )
        return axes

    def _samples(self, parameters: Parameters) -> Iterator[tuple[str, list[Change]]]:
        for sample in range(parameters.count):
            yield (
                str(sample),
                [
                    Change(
                        field,
                        draw(distribution, generator_of(parameters.seed, sample, field)),
                        f"parameters.fields.{field}",
                    )
                    for field, distribution in parameters.fields.items()
                ],
            )

    def _check(self, scenario: Scenario, checked: set[str]) -> None:
        """Build what can be built; what differs only in seed, driver and defenses is built once."""
        drive = content_hash(
            scenario.model_dump(mode="json", exclude={"seed", "assistant", "defenses", "criteria", "record"})
        )
        if drive not in checked:
            check_buildable(scenario, scenario.name)
            checked.add(drive)

    def _refuse_repetitions(self, episodes: Sequence[Episode]) -> None:
        known: dict[str, Episode] = {}
        for episode in episodes:
            other = known.setdefault(episode.digest, episode)
            if other is not episode:
                raise InvalidInput(
                    f"{self.path}: the same episode twice: {episode.labels}; and {other.labels}. Drop one, or let "
                    "them differ (matrix.seeds, parameters.count)"
                )
        named: dict[Labels, Episode] = {}
        for episode in episodes:
            if named.setdefault(episode.labels, episode) is not episode:
                raise InvalidInput(
                    f"{self.path}: two different episodes are called: {episode.labels}. Give the scenario files "
                    "different names"
                )

    def _check_gates(self, episodes: Sequence[Episode]) -> None:
        for index, gate in enumerate(self.suite.gates):
            if not any(episode.labels.meant_by(gate.where) for episode in episodes):
                raise InvalidInput(f"{self.path}: gates.{index}.where: no episode is meant by it ({gate})")


def generator_of(seed: int, sample: int, field: str) -> np.random.Generator:
    """Each draw has a generator of its own, so that another field or a larger count leaves the others as they are."""
    name = int.from_bytes(hashlib.sha256(field.encode()).digest()[:8], "big")
    return np.random.default_rng([seed, sample, name])


def draw(distribution: Distribution, generator: np.random.Generator) -> Any:
    """One value."""
    if isinstance(distribution, Choice):
        return distribution.of[int(generator.integers(len(distribution.of)))]
    if isinstance(distribution, Normal):
        mean, deviation = distribution.mean, distribution.standard_deviation
        low = 0.0 if distribution.min is None else ndtr((distribution.min - mean) / deviation)
        high = 1.0 if distribution.max is None else ndtr((distribution.max - mean) / deviation)
        return round(float(mean + deviation * ndtri(generator.uniform(low, high))), DECIMALS)
    return round(float(generator.uniform(distribution.low, distribution.high)), DECIMALS)
