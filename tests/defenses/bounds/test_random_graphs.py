"""Random graphs: no sampled or optimised member of the perturbation leaves the bounds, whatever the
operators' order.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from defenses.bounds import IBP, Backward, Ball, BoundedModel, Forward, Optimised
from defenses.bounds.interval import Interval

METHODS = [IBP(), Backward(IBP()), Backward(), Forward(), Backward(Forward()), Optimised(iterations=2)]
UNARY: dict[str, Callable[..., Tensor]] = {
    "relu": F.relu,
    "leaky": lambda x: F.leaky_relu(x, 0.3),
    "abs": torch.abs,
    "clamp": lambda x: x.clamp(-0.5, 0.8),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
    "exp": lambda x: torch.exp(x.tanh()),
    "log": lambda x: torch.log(x.square() + 0.5),
    "sqrt": lambda x: torch.sqrt(x.abs() + 0.2),
    "square": lambda x: x.tanh() ** 2,
    "cube": lambda x: x.tanh() ** 3,
    "reciprocal": lambda x: 1 / (1 + x * x),
    "softmax": lambda x: x.softmax(-1),
    "norm": lambda x: F.layer_norm(x, x.shape[-1:], eps=0.5),
    "flip": lambda x: x.flip(-1),
    "mean": lambda x: x - x.mean(-1, keepdim=True),
    "cumsum": lambda x: x.cumsum(-1) / 3,
}
BINARY: dict[str, Callable[..., Tensor]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - 0.5 * b,
    "multiply": lambda a, b: a.tanh() * b,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "swap": lambda a, b: torch.cat([a[..., 1:], b[..., :1]], -1),
}
VECTOR_MIX: dict[str, Callable[..., Tensor]] = {
    "linear": lambda x, w: F.linear(x, w[:4, :4]),
    "attention": lambda x, w: F.scaled_dot_product_attention(x, x @ w[:4, :4], x),
    "matmul": lambda x, w: (x @ x.tanh().transpose(-1, -2)) @ F.linear(x, w[:4, :4]) / 4,
}
IMAGE_MIX: dict[str, Callable[..., Tensor]] = {
    "conv": lambda x, w: F.conv2d(x, w[:2, :18].reshape(2, 2, 3, 3), None, 1, 1),
    "strided": lambda x, w: F.interpolate(
        F.conv2d(x, w[:2, :18].reshape(2, 2, 3, 3), None, 2, 1), size=(4, 4)
    ),
    "grouped": lambda x, w: F.conv2d(x, w[:2, :9].reshape(2, 1, 3, 3), None, 1, 2, 2, 2),
    "max_pool": lambda x, w: F.max_pool2d(x, 3, 1, 1),
    "avg_pool": lambda x, w: F.avg_pool2d(x, 3, 1, 1),
    "pixel": lambda x, w: F.pixel_shuffle(F.conv2d(x, w[:8, :2].reshape(8, 2, 1, 1), None, 2), 2),
}


class RandomGraph(nn.Module):
    """A chain of random operators on random earlier values; every value is an output."""

    def __init__(self, seed: int, length: int) -> None:
        super().__init__()
        draw = random.Random(seed)
        generator = torch.Generator().manual_seed(seed)
        self.image = draw.random() < 0.4
        mixes = IMAGE_MIX if self.image else VECTOR_MIX
        self.steps: list[tuple[Callable[..., Tensor], int, int | None]] = []
        weights = []
        for place in range(length):
            first, second = place - draw.randrange(min(place + 1, 3)), draw.randrange(place + 1)
            kind = draw.random()
            weights.append(torch.randn(8, 18, generator=generator, dtype=torch.float64) / 2)
            if kind < 0.4:
                self.steps.append((mixes[draw.choice(sorted(mixes))], first, None))
            elif kind < 0.75:
                self.steps.append((UNARY[draw.choice(sorted(UNARY))], first, -1))
            else:
                self.steps.append((BINARY[draw.choice(sorted(BINARY))], first, second))
        self.weights = nn.ParameterList(weights)
        shape = (2, 2, 4, 4) if self.image else (2, 3, 4)
        self.example = torch.randn(shape, generator=generator, dtype=torch.float64)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        values = [x]
        for (function, first, second), weight in zip(self.steps, self.weights, strict=True):
            if second is None:
                values.append(function(values[first], weight))
            elif second < 0:
                values.append(function(values[first]))
            else:
                values.append(function(values[first], values[second]))
        return tuple(value for value in values[1:])


def attacked(graph: RandomGraph, x: Tensor, radius: float, output: int) -> Tensor:
    """Members that sign-gradient steps drive to extreme outputs."""
    found = []
    for sign in (1.0, -1.0):
        delta = torch.zeros_like(x)
        for _ in range(4):
            delta.requires_grad_(True)
            (slope,) = torch.autograd.grad(sign * graph(x + delta)[output].sum(), delta, allow_unused=True)
            slope = torch.zeros_like(x) if slope is None else slope
            delta = (delta + radius / 2 * slope.sign()).clamp(-radius, radius).detach()
        found.append(x + delta)
    return torch.stack(found)


def assert_sound(bounds: Interval, members: Tensor) -> None:
    slack = 1e-9 * (1 + members.abs() + torch.maximum(bounds.lower.abs(), bounds.upper.abs()))
    assert (bounds.lower - slack <= members).all()
    assert (members <= bounds.upper + slack).all()


def check(seed: int, length: int) -> int:
    """Bound every output of one random module; gives the number of graphs."""
    graph = RandomGraph(seed, length)
    x, draw = graph.example, random.Random(seed)
    bounded = BoundedModel.of(graph, x)
    for output in range(length):
        radius = draw.choice([0.01, 0.1, 0.4])
        region = Ball(radius).around(x, "x")
        members = torch.cat(
            [region.sample(20, torch.Generator().manual_seed(seed)), attacked(graph, x, radius, output)]
        )
        with torch.no_grad():
            outputs = torch.stack([graph(member)[output] for member in members])
            for method in draw.sample(METHODS, 2):
                assert_sound(bounded.bounds(x, Ball(radius), method, output=output), outputs)
    return length


def check_single_precision(seed: int, length: int) -> None:
    """Bounds in float32 with their allowance hold for members and outputs in float64."""
    exact, draw = RandomGraph(seed, length).float().double(), random.Random(seed)
    rounded, x = copy.deepcopy(exact).float(), exact.example.float()
    bounded = BoundedModel.of(rounded, x)
    for output in range(length):
        radius = draw.choice([1 / 64, 1 / 8, 3 / 8])  # without rounding
        region = Ball(radius).around(x.double(), "x")
        members = torch.cat(
            [
                region.sample(20, torch.Generator().manual_seed(seed)),
                attacked(exact, x.double(), radius, output),
            ]
        )
        with torch.no_grad():
            outputs = torch.stack([exact(member)[output] for member in members])
            for method in draw.sample(METHODS, 2):
                found = bounded.bounds(x, Ball(radius), method, output=output).outward()
                assert (found.lower.double() <= outputs).all()
                assert (outputs <= found.upper.double()).all()


@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**31))
def test_single_precision_with_its_allowance(seed):
    check_single_precision(seed, 5)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**31))
def test_single_precision_on_five_hundred_random_graphs(seed):
    check_single_precision(seed, 5)


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**31))
def test_a_few_random_graphs(seed):
    assert check(seed, 6) == 6


@pytest.mark.slow
@settings(max_examples=340, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**31))
def test_two_thousand_random_graphs(seed):
    assert check(seed, 6) == 6
