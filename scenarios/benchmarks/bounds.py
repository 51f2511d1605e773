"""How fast and how tight bounds are: six small networks, six methods, one input and many at once."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from defenses.bounds import IBP, Backward, Ball, BoundedModel, Forward, Method, Optimised
from defenses.bounds.allocation import give_back_freed_memory
from scenarios.benchmarks.networks import BATCH, SUBJECTS, make, subject_of
from scenarios.cores import threads

METHODS: dict[str, Method] = {
    "IBP": IBP(),
    "CROWN-IBP": Backward(IBP()),
    "CROWN": Backward(),
    "forward": Forward(),
    "forward+backward": Backward(Forward()),
    "alpha-CROWN": Optimised(),
}
Result = TypeVar("Result")

REPETITIONS = 3
ENOUGH_S = 10.0
"""No further repetition once so much time is spent."""


@dataclass(frozen=True)
class Measurement:
    """What one method cost on one network, and what it gave.

    Attributes:
        network: its name.
        batch: number of inputs bounded at once.
        method: its name.
        seconds: of one thread, without the capture; the least of some repetitions.
        peak_mib: how far the memory of the process rose; None where the system does not tell.
        width: mean over inputs and outputs of the upper less the lower bound.
    """

    network: str
    batch: int
    method: str
    seconds: float
    peak_mib: float | None
    width: float


def cases(networks: Sequence[str] | None = None) -> list[tuple[str, int]]:
    """Networks and numbers of inputs that are measured.

    Args:
        networks: of ``SUBJECTS``; all of them where None.

    Raises:
        InvalidInput: there is no such network.
    """
    chosen = tuple(SUBJECTS) if networks is None else tuple(networks)
    for name in chosen:
        subject_of(name)
    return [(name, batch) for name in chosen for batch in (1, BATCH)]


def measure(network: str, batch: int) -> Iterator[Measurement]:
    """Bound one network's outputs by every method.

    Args:
        network: one of ``SUBJECTS``.
        batch: number of inputs.
    """
    model, inputs = make(network, batch)
    bounded, ball = BoundedModel.of(model, inputs), Ball(subject_of(network).radius)
    for name, method in METHODS.items():
        with torch.no_grad(), threads(1):
            found, seconds, peak_mib = observe(partial(bounded.bounds, inputs, ball, method))
        width = (found.upper - found.lower).mean().item()
        yield Measurement(network, batch, name, seconds, peak_mib, width)


def observe(function: Callable[[], Result]) -> tuple[Result, float, float | None]:
    """A result, the least processor time [s] and the greatest rise in memory [MiB] of some repetitions."""
    seconds: list[float] = []
    gc.collect()  # what earlier work left in cycles, freed halfway, would hide the rise
    give_back_freed_memory()  # and so would what is kept
    before = _reset_peak()
    while True:
        began = time.process_time()
        found = function()
        seconds.append(time.process_time() - began)
        if len(seconds) == REPETITIONS or sum(seconds) > ENOUGH_S:
            break
    after = _memory_kib("VmHWM")
    peak_mib = None if before is None or after is None else max(0, after - before) / 1024
    return found, min(seconds), peak_mib


def _reset_peak() -> int | None:
    """The resident memory now [KiB], from which on its peak is counted; None where that cannot be (Linux can)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _memory_kib("VmRSS")


def _memory_kib(name: str) -> int | None:
    try:
        found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return None
    return int(found.group(1)) if found else None
