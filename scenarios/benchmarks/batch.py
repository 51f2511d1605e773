"""What a batch costs beyond its episodes: processes that begin, scenarios that travel, results that are written."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from scenarios.batches.batch import Crew, run_batch
from scenarios.batches.expansion import load_batch
from simulator.world import InfrastructureError

EPISODES = 100

SCENARIO = {
    "schema_version": 1,
    "duration_s": 0.1,
    "road": {"type": "segments", "segments": [{"type": "line", "length_m": 60.0}]},
    "ego": {"speed_mps": 10.0},
    "assistant": "ground_truth",
}
"""Two frames without a camera: as short as an episode can be."""


@dataclass(frozen=True)
class Overhead:
    """What one batch took.

    Attributes:
        workers: that shared it.
        wall_s: from its beginning to its results.
        episodes_s: sum of what its episodes took by themselves.
        overhead_ms: wall time beside that of the episodes, shared among the workers, for each of them.
    """

    workers: int
    wall_s: float
    episodes_s: float
    overhead_ms: float


def overhead(workers: int, advance: Callable[[int], None] = lambda episodes: None) -> Overhead:
    """Run a batch of very short episodes.

    Args:
        workers: on this machine.
        advance: told of every episode.

    Raises:
        InfrastructureError: an episode has no result.
    """
    with tempfile.TemporaryDirectory() as folder:
        scenario, suite = Path(folder) / "short.yaml", Path(folder) / "suite.yaml"
        scenario.write_text(yaml.safe_dump(SCENARIO), encoding="utf-8")
        content = {
            "schema_version": 1,
            "name": "short",
            "scenarios": [scenario.name],
            "matrix": {"seeds": {"first": 0, "count": EPISODES}},
        }
        suite.write_text(yaml.safe_dump(content), encoding="utf-8")
        batch = load_batch(str(suite))
        began = time.perf_counter()
        result = run_batch(batch, Path(folder) / "out", crew=Crew(workers), progress=lambda one: advance(1))
        wall_s = time.perf_counter() - began
    for one in result.episodes:
        if one.outcome is None:
            raise InfrastructureError(f"{one.episode.labels}: {one.reason}")
    episodes_s = sum(one.report.wall_s for one in result.episodes if one.report is not None)
    return Overhead(workers, wall_s, episodes_s, 1000 * (wall_s - episodes_s / workers) / EPISODES)
