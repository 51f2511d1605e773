"""Bounds against those of auto-lirpa 0.3, where it is installed: equal or tighter, and in no more than its
time.
"""

from __future__ import annotations

import importlib
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from defenses.bounds import IBP, Backward, Ball, BoundedModel, Forward, Method, Optimised

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def reference() -> Any:
    """The package, made importable under today's torch and numpy."""
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


def mlp() -> nn.Sequential:
    layers = (
        nn.Flatten(),
        nn.Linear(784, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, 10),
    )
    return nn.Sequential(*layers)


def cnn() -> nn.Sequential:
    layers: list[nn.Module] = []
    for inner, outer, kernel, stride in ((3, 8, 3, 1), (8, 8, 4, 2), (8, 16, 3, 1), (16, 16, 4, 2)):
        layers += [nn.Conv2d(inner, outer, kernel, stride, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 256), nn.ReLU(), nn.Linear(256, 10))


NAMES: dict[str, Method] = {
    "IBP": IBP(),
    "CROWN-IBP": Backward(IBP()),
    "CROWN": Backward(),
    "forward": Forward(),
    "CROWN-Optimized": Optimised(),
}


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    result = function()
    return result, time.process_time() - start


CASES = [("mlp", batch, method) for batch in (1, 32) for method in NAMES]
CASES += [("cnn", 1, method) for method in NAMES] + [
    ("cnn", 32, method) for method in ("IBP", "CROWN-IBP", "CROWN")
]


@pytest.mark.parametrize(("name", "batch", "method"), CASES)
def test_bounds_are_no_wider_and_no_slower(reference, name, batch, method):
    torch.manual_seed(0)
    model, shape, radius = (mlp(), (1, 28, 28), 0.01) if name == "mlp" else (cnn(), (3, 32, 32), 2 / 255)
    x: Tensor = torch.rand(32, *shape, generator=torch.Generator().manual_seed(1))[:batch]
    options = {"optimize_bound_args": {"iteration": 20, "lr_alpha": 0.1, "early_stop_patience": 100}}
    theirs = reference.BoundedModule(model, torch.empty_like(x), bound_opts=options)
    ball = reference.BoundedTensor(x, reference.PerturbationLpNorm(norm=np.inf, eps=radius))
    ours = BoundedModel.of(model, x)

    def ask() -> Any:
        return theirs.compute_bounds(x=(ball,), method=method)

    def bound() -> Any:
        return ours.bounds(x, Ball(radius), NAMES[method])

    if method == "CROWN-Optimized":
        (lower, upper), slow = timed(ask)
        found, fast = timed(bound)
    else:
        with torch.no_grad():
            (lower, upper), slow = min((timed(ask) for _ in range(3)), key=lambda pair: pair[1])
            found, fast = min((timed(bound) for _ in range(3)), key=lambda pair: pair[1])
    width, reference_width = (found.upper - found.lower).mean().item(), (upper - lower).mean().item()
    print(
        f"{name} {batch} {method}: {fast:.3f} s against {slow:.3f} s, width {width:.6g} against {reference_width:.6g}"
    )
    assert width <= reference_width * (1 + 1e-4)
    if slow > 0.02:
        assert fast <= slow
