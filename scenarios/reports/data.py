"""What a report is made of: rows of results, read from batch folders, run folders, or folders of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.batches.batch import MANIFEST, RESULTS, TIMING, reason_of
from scenarios.batches.expansion import Labels
from scenarios.batches.suite import NONE
from scenarios.files import load
from scenarios.metrics import MetricValue
from scenarios.statistics import Interval, bootstrap, clopper_pearson
from scenarios.store import COMPLETE, Store, read_json
from simulator.errors import InvalidInput
from simulator.recording import Recording

YES_OR_NO = ("lane_departure", "collision", "attack_success")
"""Metrics of which a share is told, not a mean."""

Group = tuple[str, str]
"""Attack and defense."""


@dataclass(frozen=True)
class Row:
    """One episode.

    Attributes:
        labels: which.
        verdict: as in ``results.json``.
        reason: why it is not met.
        metrics: by name; empty without a result.
        folder: of the run; None without a result.
        timing: seconds, as in its ``timing.json``.
    """

    labels: Labels
    verdict: str
    reason: str
    metrics: Mapping[str, MetricValue]
    folder: Path | None
    timing: Mapping[str, float] = field(default_factory=dict)

    @property
    def group(self) -> Group:
        """What it is compared by."""
        return self.labels.attack, self.labels.defense

    @property
    def command(self) -> str:
        """What runs it again, alone."""
        return "" if self.folder is None else f"dirtyroad run {self.folder / 'scenario.yaml'}"

    def figure(self, metric: str) -> float | None:
        """A metric's value; None where there is none or it is not valid."""
        value = self.metrics.get(metric)
        return value.value if value is not None and value.valid else None

    def recording(self) -> Recording:
        """All that happened."""
        assert self.folder is not None
        return Recording.load(self.folder / "recording.zip")


@dataclass(frozen=True)
class Results:
    """Rows and what is known about them as a whole.

    Attributes:
        name: of the suite, or of the folder.
        description: of the suite.
        rows: in order.
        gates: as in ``results.json``.
        environment: versions and machine, as in ``environment.json``.
    """

    name: str
    description: str
    rows: tuple[Row, ...]
    gates: tuple[Mapping[str, Any], ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def groups(self) -> list[Group]:
        """Attack and defense of all rows, in the order in which they come, but ``none`` first."""
        groups = dict.fromkeys(row.group for row in self.rows)
        return sorted(groups, key=lambda group: [label != NONE for label in group])

    def of(self, group: Group) -> list[Row]:
        """Rows of a group."""
        return [row for row in self.rows if row.group == group]

    def worst(self) -> list[Row]:
        """Rows with a result, those first in which the lane was left soonest, then those furthest off its middle."""

        def badness(row: Row) -> tuple[float, float]:
            departed_s, offset_m = row.figure("time_to_lane_departure"), row.figure("lateral_offset_max")
            return (
                -np.inf if departed_s is None else departed_s,
                -np.inf if offset_m is None else -offset_m,
            )

        return sorted((row for row in self.rows if row.folder is not None), key=badness)


def read_results(paths: Sequence[Path]) -> Results:
    """Results from folders of batches or runs.

    Raises:
        InvalidInput: one of the folders holds neither, or a batch that has not come to its end.
    """
    found = [_read(path) for path in paths]
    if len(found) == 1:
        return found[0]
    return Results(
        " + ".join(dict.fromkeys(one.name for one in found)),
        "",
        tuple(row for one in found for row in one.rows),
        tuple(gate for one in found for gate in one.gates),
        found[0].environment,
    )


def _read(path: Path) -> Results:
    if (path / RESULTS).is_file():
        return _read_batch(path)
    if (path / MANIFEST).is_file():
        raise InvalidInput(f"{path}: the batch has not come to its end; go on with it by --resume")
    runs = [path] if (path / COMPLETE).is_file() else Store(path).runs()
    if not runs:
        raise InvalidInput(f"{path}: there is no batch and no complete run in it")
    rows = tuple(map(_read_run, runs))
    return Results(path.resolve().name, "", rows, (), read_json(runs[0] / "environment.json"))


def _read_batch(path: Path) -> Results:
    results, timing = read_json(path / RESULTS), read_json(path / TIMING)
    try:
        rows = []
        for entry in results["episodes"]:
            # a copy of the figures alone has no runs
            folder = Store(path).find(path / entry["folder"]) if entry["metrics"] else None
            rows.append(
                Row(
                    Labels(**entry["labels"]),
                    entry["verdict"],
                    entry["reason"],
                    {name: MetricValue.from_json(value) for name, value in entry["metrics"].items()},
                    folder,
                    {} if folder is None else read_json(folder / "timing.json"),
                )
            )
        return Results(
            results["suite"],
            results["description"],
            tuple(rows),
            tuple(results["gates"]),
            timing["environment"],
        )
    except (KeyError, TypeError) as error:
        raise InvalidInput(f"{path / RESULTS}: this is no result of a batch ({error!r})") from error


def _read_run(folder: Path) -> Row:
    outcome = read_json(folder / "metrics.json")
    metrics = {name: MetricValue.from_json(value) for name, value in outcome["metrics"].items()}
    return Row(
        Labels.of(load(folder / "scenario.yaml")),
        "met" if outcome["met"] else "not met",
        reason_of(outcome),
        metrics,
        folder,
        read_json(folder / "timing.json"),
    )


def summarise(rows: Iterable[Row], metric: str) -> Interval | None:
    """A metric of several rows: the share for what is yes or no, else the mean, with a 95 % interval.

    None where there is no row with a valid figure.
    """
    figures = [figure for row in rows if (figure := row.figure(metric)) is not None]
    if not figures:
        return None
    if metric in YES_OR_NO:
        return clopper_pearson(sum(figure != 0 for figure in figures), len(figures))
    return bootstrap(figures, "mean", np.random.default_rng(0))


@dataclass(frozen=True)
class Cost:
    """What a defense costs where nobody attacks.

    Attributes:
        defense: its label.
        offset_m: change of the mean largest offset, against no defense, in benign drives of the same name and seed.
        time_ratio: computing time of a drive over that without it.
    """

    defense: str
    offset_m: float | None
    time_ratio: float | None


def costs(results: Results) -> list[Cost]:
    """The bill of every defense, from the drives without an attack."""
    plain = {_key(row): row for row in results.of((NONE, NONE))}
    bills = []
    for defense in dict.fromkeys(defense for _, defense in results.groups if defense != NONE):
        pairs = [(row, plain[_key(row)]) for row in results.of((NONE, defense)) if _key(row) in plain]
        bills.append(
            Cost(
                defense,
                _mean(pairs, lambda row: row.figure("lateral_offset_max"), np.subtract),
                _mean(pairs, lambda row: row.timing.get("drive_s"), np.divide),
            )
        )
    return bills


def _key(row: Row) -> tuple[str, str, int, int]:
    labels = row.labels
    return labels.scenario, labels.assistant, labels.sample, labels.seed


def _mean(
    pairs: Iterable[tuple[Row, Row]], figure: Callable[[Row], float | None], how: np.ufunc
) -> float | None:
    values = [
        how(one, other)
        for row, plain in pairs
        if (one := figure(row)) is not None and (other := figure(plain)) is not None
    ]
    return float(np.mean(values)) if values else None
