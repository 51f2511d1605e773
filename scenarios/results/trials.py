"""Trials: attack scenarios in many variations, driven once each, whatever table asks for them and whatever is killed.

All tables share one store. A trial is known by the hash of all that its result depends on, a patch by the hash of all
that it depends on; so what stands in two tables is driven once, and a table that was interrupted goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenarios.batches.batch import LOCK, Crew, EpisodeResult, run_episodes
from scenarios.batches.expansion import Episode, Labels
from scenarios.batches.progress import progress
from scenarios.batches.suite import Limits
from scenarios.build import check_buildable
from scenarios.files import Change, locate, read, resolve
from scenarios.metrics import MetricValue
from scenarios.registry import plugin
from scenarios.results.tables import Means
from scenarios.runner import scenario_hash
from scenarios.schema import Scenario
from scenarios.store import Store, read_json
from simulator.world import InfrastructureError, InvalidInput

LIMITS = Limits(wall_clock_s=7200.0)
"""The slowest victims take an hour to be attacked where the machine is busy."""

ALWAYS = {"criteria": [], "record.model_frames": False}
"""Of trials only metrics are wanted."""


@dataclass(frozen=True)
class Trial:
    """What a drive came to.

    Attributes:
        scenario: as it was driven.
        metrics: by name.
        work_s: seconds that making the patch, building and driving took when it was driven.
    """

    scenario: Scenario
    metrics: Mapping[str, MetricValue]
    work_s: float

    def figure(self, metric: str) -> float:
        """A metric.

        Raises:
            InvalidInput: it could not be computed.
        """
        value = self.metrics[metric]
        if not value.valid:
            raise InvalidInput(f"{self.scenario.name}: {metric} could not be computed")
        return value.value

    @property
    def succeeded(self) -> bool:
        """Whether the attack did."""
        return self.figure("attack_success") == 1.0


def variation(
    path: Path,
    attack: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any] | None = None,
    maps: Sequence[Path] = (),
) -> Scenario:
    """An attack scenario that is changed.

    Args:
        path: of its file.
        attack: what is different about its attack; of another type, it keeps whatever that type can take over: where
            the patch lies, how large it is, what it may do.
        changes: other fields, dotted, and their values.
        maps: folders in which maps and recorded drives are looked for.

    Raises:
        InvalidInput: there is no such field, or it cannot have that value.
    """
    document = read(path)
    own, wanted = document.data["attack"], attack or {}
    known = plugin("attacks", wanted.get("type", own["type"])).options.model_fields
    merged = {**{name: value for name, value in own.items() if name in known}, **wanted}
    fields = {"attack": merged, **ALWAYS, **(changes or {})}
    scenario = resolve(
        path, document, [Change(name, value, "results") for name, value in fields.items()], maps
    )
    check_buildable(scenario, scenario.name)
    return scenario


def variations(
    group: str, attack: Mapping[str, Any] | None = None, changes: Mapping[str, Any] | None = None
) -> list[Scenario]:
    """The same variation of every scenario of a group."""
    return [variation(path, attack, changes) for path in locate(f"{group}/*")]


def drive(means: Means, title: str, scenarios: Sequence[Scenario]) -> list[Trial]:
    """Drive what was not driven yet.

    Args:
        means: where results are kept, and how many workers there are.
        title: of the progress, on standard error.
        scenarios: equal ones are driven once.

    Returns:
        One trial each, in their order.

    Raises:
        InvalidInput: a scenario cannot be driven.
        InfrastructureError: one was given up; all others are done, and kept.
    """
    store = Store(means.out)
    store.prepare()
    digests = [scenario_hash(scenario) for scenario in scenarios]
    episodes = {
        digest: Episode(Labels.of(scenario), scenario, digest)
        for digest, scenario in zip(digests, scenarios, strict=True)
    }
    with store.lock(LOCK, wait=False), progress(title, len(episodes)) as note:
        store.sweep()
        results = run_episodes(store, list(episodes.values()), LIMITS, Crew(means.workers), note)
    for result in results:
        if result.outcome is None:
            kind = InvalidInput if result.verdict == "invalid" else InfrastructureError
            raise kind(f"{title}: {result.episode.labels}: {result.reason}")
    made = {result.episode.digest: _trial(store, result) for result in results}
    return [made[digest] for digest in digests]


def _trial(store: Store, result: EpisodeResult) -> Trial:
    assert result.outcome is not None
    metrics = {name: MetricValue.from_json(entry) for name, entry in result.outcome["metrics"].items()}
    timing = read_json(store.root / result.folder / "timing.json")
    work_s = sum(timing[name] for name in ("attack_s", "build_s", "drive_s"))
    return Trial(result.episode.scenario, metrics, work_s)
