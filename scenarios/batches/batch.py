"""Batch: all episodes of a suite, each once, whatever is killed when; then its gates.

The folder of a batch is a store (one folder an episode, by content hash) with ``batch.json`` (which episodes), and at
the end ``results.json`` (all figures and verdicts in the suite's order, the same to the byte however many workers
there were) and ``timing.json`` (what depends on the machine and the day). An episode is done when its folder is
complete; nothing else is remembered, so a batch that was killed goes on from its folder.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scenarios.batches.expansion import Batch, Episode
from scenarios.batches.gates import GateResult, judge
from scenarios.batches.suite import Limits
from scenarios.batches.worker import Report, Task, work_alone
from scenarios.metrics import MetricValue
from scenarios.registry import plugin
from scenarios.store import COMPLETE, Store, environment, read_json, replace_json
from simulator.errors import InvalidInput

MANIFEST, RESULTS, TIMING, LOCK = "batch.json", "results.json", "timing.json", ".lock"

VERDICTS = ("met", "not met", "invalid", "error")
"""Of an episode: its criteria are met or not; it could not be driven; or the infrastructure failed."""


@dataclass(frozen=True)
class EpisodeResult:
    """What came of an episode.

    Attributes:
        episode: which.
        folder: name of its run folder.
        verdict: one of ``VERDICTS``.
        outcome: what ``metrics.json`` holds; None without a result.
        report: of the worker; None if it was done before.
    """

    episode: Episode
    folder: str
    verdict: str
    outcome: dict[str, Any] | None
    report: Report | None

    def metric(self, name: str) -> MetricValue | None:
        """A figure; None if there is no result."""
        return None if self.outcome is None else MetricValue.from_json(self.outcome["metrics"][name])

    @property
    def reason(self) -> str:
        """Why it is not met, in a line."""
        if self.outcome is None:
            return self.report.message if self.report is not None else ""
        return reason_of(self.outcome)

    def to_json(self) -> dict[str, Any]:
        """As in ``results.json``."""
        outcome = self.outcome or {"metrics": {}, "criteria": []}
        return {
            "labels": asdict(self.episode.labels),
            "folder": self.folder,
            "verdict": self.verdict,
            "reason": self.reason,
            "metrics": outcome["metrics"],
            "criteria": outcome["criteria"],
        }


def reason_of(outcome: Mapping[str, Any]) -> str:
    """Which criteria of a ``metrics.json`` are not met, in a line."""
    failed = [one for one in outcome["criteria"] if not one["met"] and not one["optional"]]
    return ", ".join(f"{one['metric']} is {MetricValue.from_json(one['value'])}" for one in failed)


@dataclass(frozen=True)
class BatchResult:
    """What came of a batch.

    Attributes:
        batch: as expanded.
        episodes: those that were to be run, in order.
        gates: one for every gate.
    """

    batch: Batch
    episodes: tuple[EpisodeResult, ...]
    gates: tuple[GateResult, ...]

    @property
    def exit_code(self) -> int:
        """3 after an infrastructure error, 2 after an episode that cannot be driven, else whether the gates are met.

        Without gates the criteria of the episodes decide.
        """
        verdicts = {result.verdict for result in self.episodes}
        judged = {gate.verdict for gate in self.gates} if self.gates else verdicts
        return 3 if "error" in verdicts else 2 if "invalid" in verdicts else int("not met" in judged)

    def to_json(self) -> dict[str, Any]:
        """As in ``results.json``."""
        counts = Counter(result.verdict for result in self.episodes)
        return {
            "suite": self.batch.suite.name,
            "description": self.batch.suite.description,
            "digest": self.batch.digest,
            "verdicts": {verdict: counts[verdict] for verdict in VERDICTS},
            "left_out": len(self.batch.episodes) - len(self.episodes),
            "episodes": [result.to_json() for result in self.episodes],
            "gates": [gate.to_json() for gate in self.gates],
        }


@dataclass(frozen=True)
class Crew:
    """Who does the work.

    Attributes:
        workers: on this machine, at least 1.
        scheduler: address of a Dask scheduler whose workers are to be used instead.
    """

    workers: int = 1
    scheduler: str | None = None

    def work(self, tasks: Sequence[Task], tags: Sequence[str]) -> Iterator[Report]:
        """Reports of tasks as they are done."""
        if self.scheduler is None and self.workers == 1:
            return work_alone(tasks)
        from scenarios.batches.cluster import work_together

        return work_together(tasks, tags, self.workers, self.scheduler)


def run_batch(
    batch: Batch,
    out: Path,
    resume: bool = False,
    limit: int | None = None,
    crew: Crew = Crew(),
    progress: Callable[[EpisodeResult], None] = lambda result: None,
) -> BatchResult:
    """Run what is not done yet, and judge.

    Args:
        batch: what is to be run.
        out: the folder of the batch.
        resume: go on with the batch that is there.
        limit: run the first so many episodes only.
        crew: who does the work.
        progress: told of every episode, those first that were done before.

    Raises:
        InvalidInput: another batch is in the folder, or one that is not to be resumed.
        InfrastructureError: the folder cannot be written, another process works in it, or the scheduler is lost.
    """
    began = time.perf_counter()
    store = Store(out)
    store.prepare()
    with store.lock(LOCK, wait=False):
        _open(batch, out, resume)
        store.sweep()
        ordered = run_episodes(store, batch.episodes[:limit], batch.suite.limits, crew, progress)
        done = BatchResult(batch, ordered, _judge(batch, ordered))
        replace_json(out / RESULTS, done.to_json())
        replace_json(
            out / TIMING,
            {
                "wall_s": time.perf_counter() - began,
                "workers": crew.workers if crew.scheduler is None else crew.scheduler,
                "environment": environment(),
                "episodes": {one.folder: asdict(one.report) for one in ordered if one.report is not None},
            },
        )
    return done


def run_episodes(
    store: Store,
    episodes: Sequence[Episode],
    limits: Limits,
    crew: Crew,
    progress: Callable[[EpisodeResult], None],
) -> tuple[EpisodeResult, ...]:
    """Run those episodes of which the store has no result yet.

    Args:
        store: of the results, which nobody else works in.
        episodes: different ones.
        limits: of each.
        crew: who does the work.
        progress: told of every episode, those first that were done before.

    Returns:
        One result an episode, in their order.
    """
    places = [place_of(store, episode) for episode in episodes]
    results: dict[int, EpisodeResult] = {}

    def note(index: int, report: Report | None) -> None:
        results[index] = _result(store, episodes[index], places[index], report)
        progress(results[index])

    waiting = []
    for index, place in enumerate(places):
        if store.find(place) is None:
            waiting.append(index)
        else:
            note(index, None)
    if waiting:
        root = str(store.root.resolve())
        scenarios = [(index, episodes[index].scenario) for index in waiting]
        tasks = [
            Task(index, scenario.model_dump(mode="json"), root, str(places[index].resolve()), limits)
            for index, scenario in scenarios
        ]
        tags = [plugin("worlds", scenario.world.type).resource for _, scenario in scenarios]
        for report in crew.work(tasks, tags):
            note(report.index, report)
    return tuple(results[index] for index in range(len(episodes)))


def place_of(store: Store, episode: Episode) -> Path:
    """Where an episode's result is; the same as `scenarios.runner.Outcome.save` chooses."""
    return store.place(f"{episode.scenario.name}-{episode.scenario.seed}", episode.digest)


def _open(batch: Batch, out: Path, resume: bool) -> None:
    """Make the folder this batch's, or see that it is."""
    manifest = out / MANIFEST
    if manifest.exists():
        known = read_json(manifest)
        if not isinstance(known, dict) or not {"suite", "digest", "episodes"} <= known.keys():
            raise InvalidInput(f"{manifest}: this is no batch's record; name another folder with --out")
        # a batch that was refused before its first episode has left nothing that could be mixed up
        if not resume and any(out.glob(f"*/{COMPLETE}")):
            raise InvalidInput(
                f"{out}: there is a batch of suite {known['suite']} already; go on with it by --resume, or name "
                "another folder with --out"
            )
        if known["digest"] != batch.digest:
            raise InvalidInput(
                f"{out}: the batch in it is of another suite ({known['suite']}, {known['episodes']} episodes), or "
                "the suite, a scenario or a network of it has changed since; name another folder with --out"
            )
        return
    if resume and any(not path.name.startswith(".") for path in out.iterdir()):
        raise InvalidInput(f"{out}: there is no batch in it to go on with; name another folder with --out")
    replace_json(
        manifest, {"suite": batch.suite.name, "digest": batch.digest, "episodes": len(batch.episodes)}
    )


def _result(store: Store, episode: Episode, place: Path, report: Report | None) -> EpisodeResult:
    if store.find(place) is None:
        assert report is not None
        kind = "error" if report.kind == "done" else report.kind
        return EpisodeResult(episode, place.name, kind, None, report)
    try:
        outcome = read_json(place / "metrics.json")
        verdict = "met" if outcome["met"] else "not met"
    except (InvalidInput, KeyError, TypeError) as error:
        raise InvalidInput(
            f"{place / 'metrics.json'}: the episode is complete, but this is not what it came to ({error}); delete "
            f"{place}, and go on with --resume"
        ) from error
    return EpisodeResult(episode, place.name, verdict, outcome, report)


def _judge(batch: Batch, results: Sequence[EpisodeResult]) -> tuple[GateResult, ...]:
    judged = []
    left_out = batch.episodes[len(results) :]
    for gate in batch.suite.gates:
        values = [
            result.metric(gate.metric) for result in results if result.episode.labels.meant_by(gate.where)
        ]
        absent = sum(episode.labels.meant_by(gate.where) for episode in left_out)
        judged.append(judge(gate, values, absent))
    return tuple(judged)
