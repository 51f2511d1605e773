"""Bounds of six networks against values computed with an independent implementation, from seeds and checksums
alone.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses.bounds import IBP, Backward, Ball, BoundedModel, Forward

SHAPES = {
    "mlp": (1, 28, 28),
    "cnn": (3, 32, 32),
    "cnnbn": (3, 32, 32),
    "resnet": (3, 32, 32),
    "lstm": (7, 112),
    "transformer": (8, 32),
}
EPS = {"mlp": 0.01, "cnn": 2 / 255, "cnnbn": 1 / 255, "resnet": 1 / 255, "lstm": 0.01, "transformer": 0.01}
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


def cnn(normalised: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inner, outer, kernel, stride in ((3, 8, 3, 1), (8, 8, 4, 2), (8, 16, 3, 1), (16, 16, 4, 2)):
        layers.append(nn.Conv2d(inner, outer, kernel, stride, 1))
        if normalised:
            layers.append(nn.BatchNorm2d(outer))
        layers.append(nn.ReLU())
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 256), nn.ReLU(), nn.Linear(256, 10))


class Block(nn.Module):
    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(inner, outer, 3, stride, 1), nn.BatchNorm2d(outer)
        self.second, self.second_norm = nn.Conv2d(outer, outer, 3, 1, 1), nn.BatchNorm2d(outer)
        same = inner == outer and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inner, outer, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(inner)) + self.shortcut(x))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.LSTMCell(112, 32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(x.shape[0], 32, dtype=x.dtype)
        c, outputs = h, []
        for step in range(7):
            h, c = self.cell(x[:, step], (h, c))
            outputs.append(h)
        return self.out(torch.stack(outputs).mean(0))


class Centre(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(-1, keepdim=True)) * self.scale + self.shift


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(32, 32) for _ in range(4))
        self.norm1, self.norm2 = Centre(32), Centre(32)
        self.up, self.down = nn.Linear(32, 64), nn.Linear(64, 32)
        self.pool, self.out = nn.Linear(32, 32), nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        n, t, _ = x.shape
        q, k, v = (f(x).view(n, t, 2, 16).transpose(1, 2) for f in (self.q, self.k, self.v))
        attended = torch.softmax(q @ k.transpose(-1, -2) / 4, -1) @ v
        x = self.norm1(x + self.o(attended.transpose(1, 2).reshape(n, t, 32)))
        x = self.norm2(x + self.down(F.relu(self.up(x))))
        return self.out(torch.tanh(self.pool(x[:, 0])))


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


def resnet() -> nn.Sequential:
    stem = (nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), Block(8, 16, 2), Block(16, 16, 1))
    return nn.Sequential(*stem, nn.Flatten(), nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10))


BUILDERS = {
    "mlp": mlp,
    "cnn": lambda: cnn(False),
    "cnnbn": lambda: cnn(True),
    "resnet": resnet,
    "lstm": Recurrent,
    "transformer": Transformer,
}


def build(name: str, batch: int) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = BUILDERS[name]()
    if name in ("cnnbn", "resnet"):
        with torch.no_grad():
            for _ in range(2):
                model(torch.rand(64, *SHAPES[name]))
    model.eval()
    assert sum(p.abs().double().sum().item() for p in model.parameters()) == pytest.approx(
        CHECKSUMS[name], abs=1e-5
    )
    return model, torch.rand(32, *SHAPES[name], generator=torch.Generator().manual_seed(1))[:batch]


@pytest.mark.parametrize("name", ["mlp", "cnn", "cnnbn", "resnet", "lstm", "transformer"])
def test_widths_are_those_of_the_reference_or_smaller(name):
    model, x = build(name, 1)
    bounded = BoundedModel.of(model, x)
    with torch.no_grad():
        clean = model(x)
        for method, width in zip(METHODS, WIDTHS[name], strict=False):
            if isinstance(method, Forward) and name.startswith(("cnn", "resnet")):
                continue
            found = bounded.bounds(x, Ball(EPS[name]), method)
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
    model, x = build(name, 1)
    bounded = BoundedModel.of(model, x)
    with torch.no_grad():
        for method, width in zip(METHODS[3:], WIDTHS[name][3:], strict=True):
            found = bounded.bounds(x, Ball(EPS[name]), method)
            assert (found.upper - found.lower).mean().item() <= width * (1 + 1e-4)


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
