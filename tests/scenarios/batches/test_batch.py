"""Batches: each episode once, whatever is killed when, and the same figures to the byte."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scenarios.batches.batch import LOCK, RESULTS, Crew, EpisodeResult, run_batch
from scenarios.batches.expansion import load_batch
from scenarios.batches.worker import Limits, Task, Worker
from scenarios.cli import main
from scenarios.store import COMPLETE, Store, read_json
from simulator.world import InfrastructureError

MakeSuite = Callable[..., Path]

PATIENCE_S = 3600.0
"""For what happens soon, however slow the machine is: tests wait for events, and only what hangs for ever fails."""

SEEDS = {"matrix": {"seeds": {"first": 0, "count": 4}}}
GATES = [{"metric": "lateral_offset_max", "statistic": "max", "max": 0.5}]


def trouble(kind: str, **options: Any) -> dict[str, Any]:
    """A matrix of two drivers, of whom the first makes trouble, and two seeds."""
    troubled = {"type": "troublemaker", "trouble": kind, **options}
    return {"assistants": {"bad": troubled, "good": "ground_truth"}, "seeds": [0, 1]}


def task_of(suite: Path, out: Path, limits: Limits) -> Task:
    episode = load_batch(str(suite)).episodes[0]
    place = Store(out).place("one", episode.digest)
    return Task(0, episode.scenario.model_dump(mode="json"), str(out), str(place), limits)


def folders(out: Path) -> dict[str, float]:
    """When each complete run was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob(f"[!.]*/{COMPLETE}")}


def test_only_a_batchs_own_folder_is_gone_on_with(
    make_suite: MakeSuite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite, out = str(make_suite(matrix={"seeds": [0]})), tmp_path / "out"
    assert main(["batch", suite, "--out", str(out), "--scheduler", "nowhere"]) == 2
    assert main(["batch", suite, "--out", str(out)]) == 0, "what was refused has claimed nothing"
    (out / "batch.json").write_text("{}")
    assert main(["batch", suite, "--out", str(out), "--resume"]) == 2
    assert "no batch's record" in capsys.readouterr().err
    (out / "batch.json").unlink()
    assert main(["batch", suite, "--out", str(out), "--resume"]) == 2
    assert "there is no batch in it" in capsys.readouterr().err


def test_a_finished_episode_that_was_damaged_is_named_with_the_remedy(
    make_suite: MakeSuite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite, out = str(make_suite(matrix={"seeds": [0]})), tmp_path / "out"
    assert main(["batch", suite, "--out", str(out)]) == 0
    (damaged,) = folders(out)
    for content in ("", "{}", "[]"):
        (out / damaged / "metrics.json").write_text(content)
        assert main(["batch", suite, "--out", str(out), "--resume"]) == 2
        assert f"delete {out / damaged}" in capsys.readouterr().err
    shutil.rmtree(out / damaged)
    assert main(["batch", suite, "--out", str(out), "--resume"]) == 0


def test_a_batch_leaves_everything(
    make_suite: MakeSuite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite, out, junit = make_suite(**SEEDS, gates=GATES), tmp_path / "out", tmp_path / "junit.xml"
    assert main(["batch", str(suite), "--out", str(out), "--limit", "2", "--junit", str(junit)]) == 0
    assert "2 met" in capsys.readouterr().out
    assert len(folders(out)) == 2
    results = read_json(out / RESULTS)
    assert results["left_out"] == 2
    assert [one["labels"]["seed"] for one in results["episodes"]] == [0, 1]
    assert results["gates"][0]["verdict"] == "left out"
    before = folders(out)
    assert main(["batch", str(suite), "--out", str(out)]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["batch", str(suite), "--out", str(out), "--resume", "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert results["gates"][0]["verdict"] == "met"
    assert results["verdicts"] == {"met": 4, "not met": 0, "invalid": 0, "error": 0}
    assert {name: folders(out)[name] for name in before} == before, "nothing was repeated"
    make_suite(**SEEDS, gates=[{**GATES[0], "max": 0.01}])
    assert main(["batch", str(suite), "--out", str(out), "--resume"]) == 1, "judged again by other gates"
    make_suite(matrix={"seeds": [7]})
    assert main(["batch", str(suite), "--out", str(out), "--resume"]) == 2
    assert "another suite" in capsys.readouterr().err


def test_two_batches_in_one_folder_are_refused(make_suite: MakeSuite, tmp_path: Path) -> None:
    batch = load_batch(str(make_suite(**SEEDS)))
    with Store(tmp_path / "out").lock(LOCK), pytest.raises(InfrastructureError, match="another process"):
        run_batch(batch, tmp_path / "out")


def test_a_scheduler_that_is_not_there_exits_three(
    make_suite: MakeSuite, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from scenarios.batches import cluster

    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    command = ["batch", str(make_suite(**SEEDS)), "--out", str(tmp_path / "out"), "--scheduler"]
    assert main([*command, "tcp://127.0.0.1:9"]) == 3
    assert "there is no answer" in capsys.readouterr().err
    assert main([*command, "127.0.0.1:9", "--resume"]) == 2
    assert "tcp://host:port" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("troublemakers")
@pytest.mark.parametrize(
    ("kind", "attempts", "message"),
    [
        ("crash", 3, "the process was killed by SIGKILL (3 times)"),
        ("fault", 1, "ZeroDivisionError: a fault of the plugin"),
        ("fill_disk", 3, "File too large"),
        ("hang", 1, "took longer than limits.wall_clock_s allows (120 s), and was killed"),
    ],
)
def test_trouble_is_reported_and_the_others_go_on(
    make_suite: MakeSuite, tmp_path: Path, kind: str, attempts: int, message: str
) -> None:
    limits = {"attempts": 3, "wall_clock_s": PATIENCE_S}
    if kind == "hang":  # the good one takes a hundredth of it
        limits = {"attempts": 1, "wall_clock_s": 120.0}
    gates = [
        {**GATES[0], "where": {"assistant": "good"}},
        {**GATES[0], "where": {"assistant": "bad"}},
    ]
    suite = make_suite(matrix={**trouble(kind), "seeds": [0]}, limits=limits, gates=gates)
    result = run_batch(load_batch(str(suite)), tmp_path / "out")
    assert [one.verdict for one in result.episodes] == ["error", "met"]
    assert [gate.verdict for gate in result.gates] == ["met", "undecided"]
    assert result.exit_code == 3
    bad = result.episodes[0]
    assert message in bad.reason
    assert bad.report is not None
    assert bad.report.attempts == attempts
    assert f"trouble: {kind}" in bad.report.detail or kind in ("fault", "fill_disk")
    assert len(folders(tmp_path / "out")) == 1, "nothing half written"
    assert not list((tmp_path / "out").glob(".tiny-*")), "no rubbish"


@pytest.mark.slow
@pytest.mark.usefixtures("troublemakers")
@pytest.mark.parametrize("crew", [Crew(1), Crew(2)])
def test_an_episode_whose_process_dies_once_is_done_again(
    make_suite: MakeSuite, tmp_path: Path, crew: Crew
) -> None:
    suite = make_suite(matrix=trouble("crash", once=str(tmp_path / "crashed")))
    first = run_batch(load_batch(str(suite)), tmp_path / "out", crew=crew)
    assert first.exit_code == 0
    assert sum(one.report.attempts for one in first.episodes if one.report) == 5
    second = run_batch(load_batch(str(suite)), tmp_path / "undisturbed")
    assert second.to_json() == first.to_json()
    assert (tmp_path / "out" / RESULTS).read_bytes() == (tmp_path / "undisturbed" / RESULTS).read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("troublemakers")
def test_a_dask_worker_that_is_killed_loses_and_repeats_nothing(
    make_suite: MakeSuite, tmp_path: Path
) -> None:
    import psutil

    seeds = {"seeds": {"first": 0, "count": 8}}
    batch = load_batch(str(make_suite(matrix={**trouble("linger"), **seeds})))
    killed = []

    def kill(result: EpisodeResult) -> None:
        """The first time an episode ends, kill the Dask worker that runs another one."""
        if killed:
            return
        running = [
            one
            for one in psutil.Process().children(recursive=True)
            if "scenarios.batches.episode_process" in one.cmdline()
        ]
        killed.append(running[-1].parent().pid)
        os.kill(killed[0], signal.SIGKILL)

    result = run_batch(batch, tmp_path / "out", crew=Crew(2), progress=kill)
    assert killed
    assert result.exit_code == 0
    run_batch(batch, tmp_path / "undisturbed")
    assert (tmp_path / "out" / RESULTS).read_bytes() == (tmp_path / "undisturbed" / RESULTS).read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("troublemakers")
def test_a_batch_that_is_killed_three_times_goes_on(make_suite: MakeSuite, tmp_path: Path) -> None:
    seeds = {"seeds": {"first": 0, "count": 8}}
    suite, out = make_suite(matrix={**trouble("linger"), **seeds}, gates=GATES), tmp_path / "out"
    command = [sys.executable, "-m", "scenarios.cli", "batch", str(suite), "--out", str(out), "--resume"]
    luck = random.Random(0)
    seen: dict[str, float] = {}
    for enough in (2, 6, 11):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + PATIENCE_S
            while len(folders(out)) < enough and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(0.5 * luck.random())
            process.kill()
        assert process.returncode == -signal.SIGKILL, "it was killed while it worked"
        assert len(folders(out)) >= enough
        now = folders(out)
        assert {name: now[name] for name in seen} == seen, "what is complete is not written again"
        seen = now
    assert len(seen) < 16, "killed before the end"
    done = subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    last = folders(out)
    assert {name: last[name] for name in seen} == seen
    assert len(last) == 16
    run_batch(load_batch(str(suite)), tmp_path / "undisturbed")
    assert (out / RESULTS).read_bytes() == (tmp_path / "undisturbed" / RESULTS).read_bytes()
    for name in last:
        for file in ("metrics.json", "scenario.yaml", "recording.zip"):
            assert (out / name / file).read_bytes() == (tmp_path / "undisturbed" / name / file).read_bytes()


@pytest.mark.slow
def test_one_worker_two_workers_and_a_scheduler_agree(
    make_suite: MakeSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scenarios.batches import cluster

    monkeypatch.setattr(cluster, "CONNECT_S", PATIENCE_S)
    monkeypatch.setattr(cluster, "FIRST_WORKER_S", PATIENCE_S)
    batch = load_batch(str(make_suite(**SEEDS, gates=GATES)))
    run_batch(batch, tmp_path / "one")
    run_batch(batch, tmp_path / "two", crew=Crew(2))
    scheduler = subprocess.Popen(
        [
            *(sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"),
            *("--no-dashboard", "--scheduler-file", str(tmp_path / "scheduler.json")),
        ],
        stderr=subprocess.DEVNULL,
    )
    workers = []
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not (tmp_path / "scheduler.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        address = read_json(tmp_path / "scheduler.json")["address"]
        start = [
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            address,
            "--nthreads",
            "1",
            "--no-dashboard",
        ]
        workers = [subprocess.Popen(start, stderr=subprocess.DEVNULL, cwd=tmp_path) for _ in range(2)]
        run_batch(batch, tmp_path / "far", crew=Crew(scheduler=address))
        assert all(process.poll() is None for process in [scheduler, *workers]), "they are not ours to end"
    finally:
        for process in [*workers, scheduler]:
            process.terminate()
            process.wait(timeout=PATIENCE_S)
    first, *others = ((tmp_path / name / RESULTS).read_bytes() for name in ("one", "two", "far"))
    assert others == [first, first]


@pytest.mark.slow
def test_a_hundred_short_episodes_cost_little_more_than_themselves(
    make_suite: MakeSuite, tmp_path: Path
) -> None:
    """The worst machine's bar is 50 ms an episode; a process's start is counted in."""
    batch = load_batch(
        str(make_suite(matrix={"seeds": {"first": 0, "count": 100}}, overrides={"duration_s": 0.05}))
    )
    began = time.perf_counter()
    result = run_batch(batch, tmp_path / "out")
    wall_s = time.perf_counter() - began
    themselves_s = sum(one.report.wall_s for one in result.episodes if one.report)
    assert result.exit_code == 0
    assert (wall_s - themselves_s) / 100 < 0.05


@pytest.mark.slow
@pytest.mark.usefixtures("troublemakers")
def test_a_process_is_reused_and_replaced(make_suite: MakeSuite, tmp_path: Path) -> None:
    task = task_of(make_suite(), tmp_path / "out", Limits(episodes_per_process=2))
    worker = Worker()
    try:
        pids = []
        for _ in range(3):
            assert worker.run(task).kind == "done"
            pids.append(worker.pid)
        assert pids[0] == pids[1] != pids[2]
    finally:
        worker.close()
    assert worker.pid is None


@pytest.mark.slow
def test_a_process_ends_with_whoever_gave_it_work(make_suite: MakeSuite, tmp_path: Path) -> None:
    import psutil

    program = (
        "import os, sys, signal\nfrom scenarios.batches.worker import Worker\n"
        "worker = Worker()\nworker._start(1)\nprint(worker.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == -signal.SIGKILL
    _gone, alive = psutil.wait_procs(
        [psutil.Process(int(done.stdout))] if psutil.pid_exists(int(done.stdout)) else [], PATIENCE_S
    )
    assert alive == []
