"""Bounds against those of auto-lirpa 0.3, where it is installed: equal or tighter, in no more than its time and memory.

It imports under today's torch and numpy once what has vanished from them is put back.
"""

from __future__ import annotations

import importlib
import multiprocessing
import resource
import signal
import sys
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from defenses.bounds import Ball, BoundedModel, keep_freed_memory
from scenarios.benchmarks.bounds import METHODS, observe
from scenarios.benchmarks.networks import SUBJECTS, Recurrent, make

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

NAMES = {"alpha-CROWN": "CROWN-Optimized"}
"""Methods that the reference calls otherwise."""
PATIENCE_S, ROOM_BYTES = 300, 8 * 2**30
"""What the reference is given for one question."""
PATIENCE_OURS_S = 120
"""What we are given where the reference gives up."""

WORTH_TIMING_S, WORTH_WEIGHING_MIB = 0.02, 64.0


def load_reference() -> Any:
    """The package, made importable."""
    symbolic = pytest.importorskip("torch.onnx._internal.torchscript_exporter.symbolic_helper")
    settings = pytest.importorskip("torch.onnx._internal.torchscript_exporter._globals").GLOBALS
    arrays = types.ModuleType("numpy.lib.arraysetops")
    arrays.isin = np.isin  # type: ignore[attr-defined]
    sys.modules.setdefault("numpy.lib.arraysetops", arrays)
    six = types.ModuleType("torch._six")
    six.string_classes = (str, bytes)  # type: ignore[attr-defined]
    sys.modules.setdefault("torch._six", six)
    torch._six = six

    def set_opset(version: int) -> None:
        settings.export_onnx_opset_version = version

    helpers = importlib.import_module("torch.onnx.symbolic_helper")
    for module in (symbolic, helpers):
        module._set_opset_version = set_opset
    torch._C.Node.__getitem__ = lambda node, key: symbolic._node_get(node, key)
    package = pytest.importorskip("auto_LiRPA")
    members = package.BoundedModule._named_members

    def named_members(
        self: Any, function: Callable, prefix: str = "", recurse: bool = True, **options: Any
    ) -> Any:
        return members(self, function, prefix, recurse)

    package.BoundedModule._named_members = named_members
    return package


@pytest.fixture(scope="module")
def reference() -> Any:
    """The package; freed memory is kept, as the command line does: both sides are faster for it."""
    package = load_reference()
    keep_freed_memory()
    return package


class HandWritten(nn.Module):
    """The recurrent network with gates that the reference can read, and the same parameters."""

    def __init__(self, network: Recurrent) -> None:
        super().__init__()
        cell = network.cell
        self.x_gates, self.h_gates = nn.Linear(112, 128), nn.Linear(32, 128)
        self.x_gates.weight, self.x_gates.bias = cell.weight_ih, cell.bias_ih
        self.h_gates.weight, self.h_gates.bias = cell.weight_hh, cell.bias_hh
        self.out = network.out

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(x.shape[0], 32)
        c, total = h, h
        for step in range(7):
            gates = self.x_gates(x[:, step]) + self.h_gates(h)
            entry, forget = gates[:, :32].sigmoid(), gates[:, 32:64].sigmoid()
            c = forget * c + entry * gates[:, 64:96].tanh()
            h = gates[:, 96:].sigmoid() * c.tanh()
            total = total + h
        return self.out(total / 7)


@contextmanager
def patience() -> Iterator[None]:
    """Give up after a while, or where more memory is wanted than there shall be."""

    def give_up(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    room = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + ROOM_BYTES, room[1]))
    signal.alarm(PATIENCE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, room)


def ask(reference: Any, name: str, x: Tensor, method: str) -> tuple[float, float, float | None] | None:
    """The reference's mean width, seconds and MiB; None where it crashes or does not end."""
    network, _ = make(name, len(x))
    model = HandWritten(network) if isinstance(network, Recurrent) else network
    options = {
        "optimize_bound_args": {"iteration": 20, "lr_alpha": 0.1, "early_stop_patience": 100},
        "fixed_reducemax_index": True,
    }
    try:
        with patience():
            bounded = reference.BoundedModule(model, torch.empty_like(x), bound_opts=options)
            ball = reference.PerturbationLpNorm(norm=np.inf, eps=SUBJECTS[name].radius)
            tensor = reference.BoundedTensor(x, ball)
            with torch.set_grad_enabled(method == "alpha-CROWN"):
                (lower, upper), seconds, mib = observe(
                    lambda: bounded.compute_bounds(x=(tensor,), method=NAMES.get(method, method))
                )
    except Exception as error:  # whatever it is that it cannot do
        print(f"{name} {len(x)} {method}: the reference gives up ({type(error).__name__})")
        return None
    return (upper - lower).mean().item(), seconds, mib


CASES = [
    (name, batch, method)
    for name in ("mlp", "cnn", "cnnbn", "resnet", "lstm", "transformer")
    for batch in (1, 32)
    for method in ("IBP", "CROWN-IBP", "CROWN", "forward", "alpha-CROWN")
]


def ours(name: str, x: Tensor, method: str) -> tuple[float, float, float | None]:
    """Our mean width, seconds and MiB."""
    model, _ = make(name, len(x))
    bounded, ball = BoundedModel.of(model, x), Ball(SUBJECTS[name].radius)
    with torch.no_grad():
        found, seconds, mib = observe(lambda: bounded.bounds(x, ball, METHODS[method]))
    return (found.upper - found.lower).mean().item(), seconds, mib


def mib_alone(side: str, name: str, batch: int, method: str) -> float | None:
    """The rise in memory in a process that has done nothing else; None where there is no result."""
    _, x = make(name, batch)
    found = ours(name, x, method) if side == "ours" else ask(load_reference(), name, x, method)
    return None if found is None else found[2]


@pytest.mark.parametrize(("name", "batch", "method"), [case for case in CASES if case[2] != "alpha-CROWN"])
def test_bounds_take_no_more_memory(reference, name, batch, method):
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn, max_tasks_per_child=1) as fresh:
        mib, theirs = fresh.map(
            mib_alone, ("ours", "theirs"), (name,) * 2, (batch,) * 2, (method,) * 2, timeout=PATIENCE_S
        )
    if mib is not None and theirs is not None and theirs > WORTH_WEIGHING_MIB:
        print(f"{name} {batch} {method}: {mib:.0f} MiB against {theirs:.0f} MiB")
        assert mib <= theirs


@pytest.mark.parametrize(("name", "batch", "method"), CASES)
def test_bounds_are_no_wider_and_no_slower(reference, name, batch, method):
    _, x = make(name, batch)
    theirs = ask(reference, name, x, method)
    width, seconds, mib = ours(name, x, method)
    if theirs is None:
        print(f"{name} {batch} {method}: {seconds:.3f} s, width {width:.6g}")
        assert seconds < PATIENCE_OURS_S
        assert mib is None or mib < ROOM_BYTES / 2**20
        if method == "alpha-CROWN":
            assert width <= 0.99 * ours(name, x, "CROWN")[0]
        return
    print(
        f"{name} {batch} {method}: {seconds:.3f} s against {theirs[1]:.3f} s, width {width:.6g} against "
        f"{theirs[0]:.6g}"
    )
    assert width <= theirs[0] * (1 + 1e-4)
    if theirs[1] > WORTH_TIMING_S:
        assert seconds <= theirs[1]
