"""Six small networks whose bounds are measured, each made from a seed, with inputs and a radius.

Their definitions are those of published measurements of another implementation, so that figures can be compared:
parameters are torch's default draws after seed 0, in the order in which the modules are created; inputs are uniform
draws of a generator with seed 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simulator.errors import InvalidInput

BATCH = 32
"""So many inputs are drawn; a smaller batch is their beginning."""


@dataclass(frozen=True)
class Subject:
    """A network to be bounded.

    Attributes:
        build: makes it.
        shape: of one input.
        radius: of the l-infinity ball around every input.
    """

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    radius: float


def mlp() -> nn.Module:
    """Three linear layers."""
    hidden = (nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(256, 10))


def cnn(normalised: bool = False) -> nn.Module:
    """Four convolutions and two linear layers, with or without batch normalisation."""
    layers: list[nn.Module] = []
    for inner, outer, kernel, stride in ((3, 8, 3, 1), (8, 8, 4, 2), (8, 16, 3, 1), (16, 16, 4, 2)):
        layers.append(nn.Conv2d(inner, outer, kernel, stride, 1))
        if normalised:
            layers.append(nn.BatchNorm2d(outer))
        layers.append(nn.ReLU())
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 256), nn.ReLU(), nn.Linear(256, 10))


class Block(nn.Module):
    """Two convolutions beside a shortcut.

    Args:
        inner: channels before.
        outer: channels after.
        stride: of the first convolution.
    """

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(inner, outer, 3, stride, 1), nn.BatchNorm2d(outer)
        self.second, self.second_norm = nn.Conv2d(outer, outer, 3, 1, 1), nn.BatchNorm2d(outer)
        same = inner == outer and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inner, outer, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inner, H, W)`` to ``(N, outer, H / stride, W / stride)``."""
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(inner)) + self.shortcut(x))


def resnet() -> nn.Module:
    """A stem, two residual blocks, two linear layers."""
    stem = (nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), Block(8, 16, 2), Block(16, 16, 1))
    return nn.Sequential(*stem, nn.Flatten(), nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10))


class Recurrent(nn.Module):
    """A long short-term memory over seven steps, its mean output classified."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.LSTMCell(112, 32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 7, 112)`` to ``(N, 10)``."""
        h = torch.zeros(x.shape[0], 32, dtype=x.dtype)
        c, outputs = h, []
        for step in range(7):
            h, c = self.cell(x[:, step], (h, c))
            outputs.append(h)
        return self.out(torch.stack(outputs).mean(0))


class Centre(nn.Module):
    """Layer normalisation without the division by the deviation.

    Args:
        width: of the last axis.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Any ``(..., width)`` to the same shape."""
        return (x - x.mean(-1, keepdim=True)) * self.scale + self.shift


class Transformer(nn.Module):
    """One layer with two heads, its first position classified."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(32, 32) for _ in range(4))
        self.norm1, self.norm2 = Centre(32), Centre(32)
        self.up, self.down = nn.Linear(32, 64), nn.Linear(64, 32)
        self.pool, self.out = nn.Linear(32, 32), nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 8, 32)`` to ``(N, 2)``."""
        n, t, _ = x.shape
        q, k, v = (f(x).view(n, t, 2, 16).transpose(1, 2) for f in (self.q, self.k, self.v))
        attended = torch.softmax(q @ k.transpose(-1, -2) / 4, -1) @ v
        x = self.norm1(x + self.o(attended.transpose(1, 2).reshape(n, t, 32)))
        x = self.norm2(x + self.down(F.relu(self.up(x))))
        return self.out(torch.tanh(self.pool(x[:, 0])))


SUBJECTS = {
    "mlp": Subject(mlp, (1, 28, 28), 0.01),
    "cnn": Subject(cnn, (3, 32, 32), 2 / 255),
    "cnnbn": Subject(lambda: cnn(normalised=True), (3, 32, 32), 1 / 255),
    "resnet": Subject(resnet, (3, 32, 32), 1 / 255),
    "lstm": Subject(Recurrent, (7, 112), 0.01),
    "transformer": Subject(Transformer, (8, 32), 0.01),
}


def subject_of(name: str) -> Subject:
    """The subject of a name.

    Raises:
        InvalidInput: there is none.
    """
    if name not in SUBJECTS:
        raise InvalidInput(f"there is no network {name!r}; there are {', '.join(SUBJECTS)}")
    return SUBJECTS[name]


def make(name: str, batch: int) -> tuple[nn.Module, Tensor]:
    """A network in evaluation mode, and inputs ``(batch, *shape)``.

    Args:
        name: one of ``SUBJECTS``.
        batch: up to ``BATCH``.
    """
    subject = subject_of(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = subject.build()
        if any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
            with torch.no_grad():  # running statistics worth the name
                for _ in range(2):
                    network(torch.rand(64, *subject.shape))
    inputs = torch.rand(BATCH, *subject.shape, generator=torch.Generator().manual_seed(1))[:batch]
    return network.eval(), inputs
