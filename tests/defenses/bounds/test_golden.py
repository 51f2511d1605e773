"""Bounds of six networks against values computed with an independent implementation, from seeds and checksums
alone.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from defenses.bounds import IBP, Backward, Ball, BoundedModel, Forward, Optimised
from scenarios.benchmarks.networks import SUBJECTS, make

CHECKSUMS = {
    "mlp": 5725.151740,
    "cnn": 4443.496079,
    "cnnbn": 4491.496079,
    "resnet": 1538.723409,
    "lstm": 1677.406104,
    "transformer": 848.054030,
}
WIDTHS = {
    "mlp": (4.29284, 1.82522, 0.163168, 0.504188, 0.163168),
    "cnn": (15.4921, 8.19988, 0.00745699, 1.05455, 0.310251),
    "cnnbn": (11.7729, 6.18831, 0.00381767, 0.441730, 0.0980238),
    "resnet": (16.4142, 8.95408, 0.0154300, 0.709742, 0.153856),
    "lstm": (1.37729, 0.673443, 0.0751350, 0.216861, 0.106861),
    "transformer": (5.27305, 3.72583, 0.0417871),
}
"""Mean widths at batch 1: IBP, CROWN-IBP, CROWN, forward, forward+backward."""
WIDTHS_OF_32 = {
    "mlp": (4.60405, 1.93094, 0.170945, 0.524792),
    "cnn": (15.6492, 8.28482, 0.00686454),
    "cnnbn": (11.9159, 6.26746, 0.00399745),
    "resnet": (17.9434, 9.84748, 0.0171377),
    "lstm": (1.37744, 0.672502, 0.0742085),
    "transformer": (5.27305, 3.70916, 0.0407208),
}
"""The same at batch 32, as far as they are known."""
WIDTHS_OF_ALPHA = {"mlp": 0.161652, "cnn": 0.00728080, "cnnbn": 0.00375904, "resnet": 0.0152003}
"""alpha-CROWN after 20 iterations, at batch 1."""
CROWN_LOWER = {
    "mlp": [-0.10201, 0.04370, -0.07992, -0.00399, -0.09470, -0.07711, 0.03678, -0.06141, -0.10282, -0.08979],
    "cnn": [-0.05376, -0.02663, 0.01911, -0.03810, -0.04844, 0.04020, 0.02280, -0.03885, -0.00903, 0.04007],
    "cnnbn": [-0.05680, -0.02230, 0.02691, -0.04159, -0.05561, 0.03420, 0.02894, -0.04501, -0.00023, 0.05699],
    "resnet": [
        0.05907,
        -0.06681,
        -0.08488,
        0.03491,
        -0.12729,
        0.02812,
        -0.16748,
        -0.06478,
        -0.01505,
        -0.13031,
    ],
}
METHODS = (IBP(), Backward(IBP()), Backward(), Forward(), Backward(Forward()))


def build(name: str, batch: int) -> tuple[BoundedModel, Tensor, Ball]:
    """A network, made exactly as its figures demand."""
    model, x = make(name, batch)
    size = sum(p.abs().double().sum().item() for p in model.parameters())
    assert size == pytest.approx(CHECKSUMS[name], abs=1e-5)
    return BoundedModel.of(model, x), x, Ball(SUBJECTS[name].radius)


@pytest.mark.parametrize("name", ["mlp", "cnn", "cnnbn", "resnet", "lstm", "transformer"])
def test_widths_are_those_of_the_reference_or_smaller(name):
    bounded, x, ball = build(name, 1)
    with torch.no_grad():
        clean = bounded.graph.module(x)
        for method, width in zip(METHODS, WIDTHS[name], strict=False):
            if isinstance(method, Forward) and name.startswith(("cnn", "resnet")):
                continue
            found = bounded.bounds(x, ball, method)
            assert (found.lower <= clean + 1e-5).all()
            assert (clean <= found.upper + 1e-5).all()
            assert (found.upper - found.lower).mean().item() <= width * (1 + 1e-4), method
            if method == Backward() and name in CROWN_LOWER:
                torch.testing.assert_close(
                    found.lower[0], torch.tensor(CROWN_LOWER[name]), atol=1.5e-5, rtol=0
                )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cnn", "cnnbn", "resnet"])
def test_forward_widths_on_convolutions(name):
    bounded, x, ball = build(name, 1)
    with torch.no_grad():
        for method, width in zip(METHODS[3:], WIDTHS[name][3:], strict=True):
            found = bounded.bounds(x, ball, method)
            assert (found.upper - found.lower).mean().item() <= width * (1 + 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", SUBJECTS)
def test_widths_of_many_inputs_at_once(name):
    bounded, x, ball = build(name, 32)
    with torch.no_grad():
        for method, width in zip(METHODS, WIDTHS_OF_32[name], strict=False):
            found = bounded.bounds(x, ball, method)
            assert (found.upper - found.lower).mean().item() <= width * (1 + 1e-4), method


@pytest.mark.slow
@pytest.mark.parametrize("name", WIDTHS_OF_ALPHA)
def test_widths_of_optimised_bounds(name):
    bounded, x, ball = build(name, 1)
    found = bounded.bounds(x, ball, Optimised())
    assert (found.upper - found.lower).mean().item() <= WIDTHS_OF_ALPHA[name] * (1 + 1e-4)


def test_hand_checkable_example():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -1.0], [2.0, -1.0]]))
        model[2].weight.copy_(torch.tensor([[1.0, -1.0]]))
    x, radius = torch.tensor([[0.5, -0.5]]), Ball(1.5)
    bounded = BoundedModel.of(model, x)
    for method, (low, high) in {IBP(): (-6, 4), Backward(): (-3, 3), Forward(): (-3, 3)}.items():
        found = bounded.bounds(x, radius, method)
        assert found.lower.item() == pytest.approx(low, abs=1e-5)
        assert found.upper.item() == pytest.approx(high, abs=1e-5)
