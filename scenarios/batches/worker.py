"""Worker: runs episodes in a process of its own, so that a crash or a hang takes nothing along.

The process is reused, and replaced after a crash, a time-out or a number of episodes. It is a plain subprocess:
daemonic processes, as Dask's workers are, may not have children of the multiprocessing kind. Only the process itself
needs torch: this module and what it imports do without, so that a worker is small and begins soon.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Annotated, Any

from pydantic import Field

from scenarios.registry import Strict
from scenarios.store import Store

START_S = 300.0
"""A process that is not ready to work after this is taken for dead."""

DETAIL_CHARACTERS = 4000


class Limits(Strict):
    """What one episode may take.

    Attributes:
        wall_clock_s: after which its process is killed.
        attempts: how often an episode is begun whose process dies, hangs, or finds its simulator or disk failing.
        episodes_per_process: after which a process is replaced by a fresh one.
        threads: of one episode. Sums depend on it in their last digits, so it does not depend on the number of workers.
    """

    wall_clock_s: Annotated[float, Field(gt=0.0, le=1e6)] = 600.0
    attempts: Annotated[int, Field(ge=1, le=100)] = 3
    episodes_per_process: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    threads: Annotated[int, Field(ge=1, le=1024)] = 1


@dataclass(frozen=True)
class Task:
    """What a worker needs to know of an episode; small, because it may travel.

    Attributes:
        index: of the episode in its batch.
        scenario: as plain data.
        store: the folder for results, under a name that means the same to all workers.
        place: where the result will be in it.
        limits: of each attempt.
    """

    index: int
    scenario: dict[str, Any]
    store: str
    place: str
    limits: Limits


@dataclass(frozen=True)
class Report:
    """What became of an episode; its result is in the store.

    Attributes:
        index: as in the task.
        kind: ``done``, ``invalid`` (another attempt would change nothing), or ``error`` (the infrastructure failed
            too often, or dirtyroad or a plugin has a fault).
        message: what happened, the same on every machine.
        detail: more of it: the end of what the process printed, or a traceback.
        wall_s: of the last attempt.
        attempts: how many were made.
    """

    index: int
    kind: str
    message: str = ""
    detail: str = ""
    wall_s: float = 0.0
    attempts: int = 1


class Died(Exception):
    """The process ended, or had to be ended, without an answer."""


class Worker:
    """Runs one episode at a time; ``close`` ends its process.

    Args:
        program: the module that the process runs, which speaks as `scenarios.batches.episode_process` does.
    """

    def __init__(self, program: str = "scenarios.batches.episode_process") -> None:
        self._program = program
        self._process: subprocess.Popen[str] | None = None
        self._answers: SimpleQueue[str] = SimpleQueue()
        self._printed: IO[bytes] | None = None
        self._served = 0
        self._threads = 0

    @property
    def pid(self) -> int | None:
        """Of the process that runs the episodes, if there is one at the moment."""
        return self._process.pid if self._process is not None else None

    def run(self, task: Task) -> Report:
        """Run an episode, again if the infrastructure fails, until the limit of attempts.

        One that is complete, because a worker died after finishing it, is not repeated.
        """
        if Store(Path(task.store)).find(Path(task.place)) is not None:
            return Report(task.index, "done", attempts=0)
        attempts, limits = 0, task.limits
        while True:
            attempts += 1
            began = time.perf_counter()
            try:
                answer = self._attempt(task)
            except Died as error:
                answer = {
                    "kind": "infrastructure",
                    "message": str(error),
                    "detail": self._last_words(),
                    "wall_s": time.perf_counter() - began,
                }
            kind = answer.pop("kind")
            if kind in ("done", "invalid"):
                return Report(task.index, kind, **answer, attempts=attempts)
            self.close()  # whatever state it is in
            if kind == "fault" or attempts >= limits.attempts:
                times = "" if attempts == 1 else f" ({attempts} times)"
                answer["message"] += times
                return Report(task.index, "error", **answer, attempts=attempts)

    def close(self) -> None:
        """End the process and whatever it has started."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._printed):
            if stream is not None:
                with suppress(BrokenPipeError):  # a request that nobody read
                    stream.close()
        self._process = self._printed = None

    def _attempt(self, task: Task) -> dict[str, Any]:
        limits = task.limits
        if self._process is not None and (
            self._served >= limits.episodes_per_process or self._threads != limits.threads
        ):
            self.close()
        if self._process is None:
            self._start(limits.threads)
        assert self._process is not None
        assert self._process.stdin is not None
        self._served += 1
        request = json.dumps({"scenario": task.scenario, "store": task.store})
        try:
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Died(self._how_it_ended()) from None
        return self._answer(limits.wall_clock_s, "took longer than limits.wall_clock_s allows")

    def _start(self, threads: int) -> None:
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._answers = SimpleQueue()
        self._served, self._threads = 0, threads
        counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-u", "-m", self._program],  # -u: its last words shall not die with it
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            text=True,
            encoding="utf-8",
            env={**os.environ, **counts},
            start_new_session=True,
        )
        threading.Thread(target=_collect, args=(self._process.stdout, self._answers), daemon=True).start()
        self._answer(START_S, "did not start")

    def _answer(self, patience_s: float, complaint: str) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=patience_s)
        except Empty:
            raise Died(f"the process {complaint} ({patience_s:g} s), and was killed") from None
        if not line:
            raise Died(self._how_it_ended())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _how_it_ended(self) -> str:
        assert self._process is not None
        code = self._process.wait(timeout=START_S)
        if code < 0:
            return f"the process was killed by {signal.Signals(-code).name}"
        return f"the process ended with exit code {code}"

    def _last_words(self) -> str:
        if self._printed is None:
            return ""
        self._printed.seek(0)
        return self._printed.read().decode(errors="replace")[-DETAIL_CHARACTERS:]


def _collect(stream: IO[str], answers: SimpleQueue[str]) -> None:
    """Answers line by line, and an empty line at the end."""
    with suppress(ValueError):  # closed while it was read
        for line in stream:
            answers.put(line)
    answers.put("")


def work_alone(tasks: Sequence[Task]) -> Iterator[Report]:
    """Reports of tasks, one after another, as they are done."""
    worker = Worker()
    try:
        for task in tasks:
            yield worker.run(task)
    finally:
        worker.close()
