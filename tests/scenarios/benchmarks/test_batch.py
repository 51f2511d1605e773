"""The bench of batches runs a real one, and counts what is not its episodes'."""

from __future__ import annotations

import json

import pytest

from scenarios.benchmarks import batch as bench_batch
from scenarios.cli import main


def test_a_short_batch_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench_batch, "EPISODES", 2)
    told: list[int] = []
    found = bench_batch.overhead(1, told.append)
    assert told == [1, 1]
    assert 0 < found.episodes_s < found.wall_s
    assert found.overhead_ms == pytest.approx(500 * (found.wall_s - found.episodes_s))

    monkeypatch.setattr(bench_batch, "overhead", lambda workers, advance: found)
    assert main(["bench", "batch", "--json"]) == 0
    assert [one["wall_s"] for one in json.loads(capsys.readouterr().out)["batch"]] == [found.wall_s] * 2
