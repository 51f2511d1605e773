"""A worker outlives what runs in its process, tries again what may go better, and says what happened."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.batches.worker import Limits, Report, Task, Worker
from scenarios.store import Store


@pytest.fixture
def worker(troublemakers: None) -> Iterator[Worker]:
    """One whose process plays."""
    one = Worker("actor")
    yield one
    one.close()


def play(name: str, folder: Path, limits: Limits | None = None) -> Task:
    limits = limits or Limits(wall_clock_s=20.0)
    return Task(5, {"name": name}, str(folder), str(folder / "place"), limits)


def processes(folder: Path) -> list[int]:
    """Which process was given each attempt."""
    return [int(line) for line in (folder / "calls").read_text().split()]


@pytest.mark.parametrize(
    ("name", "kind", "attempts", "message"),
    [
        ("act", "done", 1, "it is done"),
        ("invalid", "invalid", 1, "it is invalid"),
        ("fault", "error", 1, "it is fault"),
        ("infrastructure", "error", 3, "it is infrastructure (3 times)"),
        ("crash", "error", 3, "the process was killed by SIGKILL (3 times)"),
        ("exit", "error", 3, "the process ended with exit code 7 (3 times)"),
        ("crash_once", "done", 2, "it is done"),
    ],
)
def test_what_happens_is_told(
    worker: Worker, tmp_path: Path, name: str, kind: str, attempts: int, message: str
) -> None:
    report = worker.run(play(name, tmp_path))
    assert (report.index, report.kind, report.attempts, report.message) == (5, kind, attempts, message)
    assert len(processes(tmp_path)) == attempts
    assert len(set(processes(tmp_path))) == attempts, "after trouble comes a fresh process"
    assert worker.run(play("act", tmp_path)).kind == "done", "the next one is not harmed"


def test_what_it_printed_last_is_kept(worker: Worker, tmp_path: Path) -> None:
    assert "about to crash" in worker.run(play("crash", tmp_path)).detail
    assert worker.run(play("fault", tmp_path)).detail == "more"


def test_a_hang_is_ended(worker: Worker, tmp_path: Path) -> None:
    limits = Limits(wall_clock_s=1.0, attempts=2)
    report = worker.run(play("hang", tmp_path, limits))
    assert report.kind == "error"
    assert report.attempts == 2
    assert "took longer than limits.wall_clock_s allows (1 s)" in report.message
    for pid in processes(tmp_path):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_hang_may_go_better_the_next_time(worker: Worker, tmp_path: Path) -> None:
    report = worker.run(play("hang_once", tmp_path, Limits(wall_clock_s=3.0)))
    assert (report.kind, report.attempts) == ("done", 2)


def test_a_process_is_used_again_and_replaced_in_time(worker: Worker, tmp_path: Path) -> None:
    for _ in range(5):
        assert worker.run(play("act", tmp_path, Limits(episodes_per_process=2))).kind == "done"
    a, b, c, d, e = processes(tmp_path)
    assert a == b != c == d != e
    worker.run(play("act", tmp_path, Limits(threads=2)))
    assert processes(tmp_path)[-1] != e, "another number of threads needs another process"


def test_what_is_complete_is_not_done_again(worker: Worker, tmp_path: Path) -> None:
    with Store(tmp_path).writing(tmp_path / "place"):
        pass
    assert worker.run(play("crash", tmp_path)) == Report(5, "done", attempts=0)
    assert not (tmp_path / "calls").exists()


def test_closing_twice_is_no_harm(worker: Worker, tmp_path: Path) -> None:
    worker.run(play("act", tmp_path))
    assert worker.pid is not None
    worker.close()
    worker.close()
    assert worker.pid is None


def test_a_worker_of_a_cluster_does_without_torch() -> None:
    """Only the process that it starts computes."""
    look = "import sys, scenarios.batches.cluster; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], check=False, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr
