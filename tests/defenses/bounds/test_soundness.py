"""No member of a perturbation leaves the bounds: every operator, every method, random graphs."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses.bounds import IBP, Backward, Ball, BoundedModel, Forward, Optimised
from defenses.bounds.interval import Interval

METHODS = [IBP(), Backward(IBP()), Backward(), Forward(), Backward(Forward()), Optimised(iterations=3)]


class Function(nn.Module):
    """A module of a function and, for those that need them, fixed random weights."""

    def __init__(self, function: Callable[..., Tensor], *shapes: tuple[int, ...]) -> None:
        super().__init__()
        self.function = function
        generator = torch.Generator().manual_seed(17)
        draws = [torch.randn(shape, generator=generator, dtype=torch.float64) / 2 for shape in shapes]
        self.weights = nn.ParameterList(draws)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.weights)


def attention(x: Tensor) -> Tensor:
    q, k, v = x, x.flip(-1), x.roll(1, -1) * 0.5
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


VECTOR: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "leaky": lambda x: F.leaky_relu(x, 0.2),
    "abs": torch.abs,
    "clamp": lambda x: x.clamp(-0.4, 0.7),
    "clamp_min": lambda x: x.clamp(min=-0.1),
    "hardswish": F.hardswish,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "atan": torch.atan,
    "erf": torch.erf,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "softplus": F.softplus,
    "softplus_beta": lambda x: F.softplus(x, beta=2.0),
    "exp": torch.exp,
    "log": lambda x: (x.square() + 0.3).log(),
    "sqrt": lambda x: (x.abs() + 0.3).sqrt(),
    "reciprocal": lambda x: 1 / (x.square() + 0.5),
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "fourth": lambda x: x.pow(4),
    "product": lambda x: x * x.flip(-1),
    "square product": lambda x: x * x,
    "division": lambda x: x / (1 + x.square()),
    "softmax": lambda x: torch.softmax(x, -1),
    "log_softmax": lambda x: torch.log_softmax(x, -1),
    "logsumexp": lambda x: torch.logsumexp(x, -1, keepdim=True),
    "layer_norm": lambda x: F.layer_norm(x, (4,), eps=0.1),
    "maximum": lambda x: torch.maximum(x, x.flip(-1)),
    "max": lambda x: x.amax(-1),
    "min": lambda x: x.min(-1).values,
    "var": lambda x: x.var(-1),
    "cat": lambda x: torch.cat([x, x.relu(), torch.ones_like(x)], -1),
    "slice": lambda x: x[..., 1:3].relu() - x[..., :2],
    "gather": lambda x: x[..., [2, 0, 0]].relu(),
    "expand": lambda x: (x.unsqueeze(-1) - x.unsqueeze(-2)).relu(),
    "pad": lambda x: F.pad(x, (1, 2), value=0.3).tanh(),
    "roll": lambda x: x.roll(1, -1) - 2 * x.relu(),
    "where": lambda x: torch.where(torch.arange(4) > 1, x, x.relu()),
    "masked_fill": lambda x: x.masked_fill(torch.arange(4) > 2, -3.0).tanh(),
    "rsub": lambda x: 2 - x.relu(),
    "cumsum": lambda x: x.relu().cumsum(-1),
    "mean": lambda x: x.tanh().mean(-1, keepdim=True) - x.sum((1, 2), keepdim=True),
    "einsum": lambda x: torch.einsum("bti,bsi->bts", x, x.relu()),
    "matmul": lambda x: x @ x.tanh().transpose(-1, -2),
    "attention": attention,
    "rms_norm": lambda x: F.rms_norm(x, (4,), eps=0.1),
}
IMAGE: dict[str, Function] = {
    "conv": Function(lambda x, w, b: F.conv2d(x, w, b, 2, 1).relu(), (3, 2, 3, 3), (3,)),
    "grouped": Function(lambda x, w: F.conv2d(x, w, None, 1, 1, 1, 2).relu(), (4, 1, 3, 3)),
    "dilated": Function(lambda x, w: F.conv2d(x.relu(), w, None, 1, 2, 2).relu(), (2, 2, 3, 3)),
    "transposed": Function(lambda x, w: F.conv_transpose2d(x, w, None, 2, 1).relu(), (2, 3, 4, 4)),
    "conv1d": Function(lambda x, w: F.conv1d(x.flatten(2), w, None, 2).relu(), (3, 2, 3)),
    "deep": Function(
        lambda x, v, w: F.conv2d(F.conv2d(x, v, None, 1, 1).relu(), w, None, 2, 1).relu(),
        (3, 2, 3, 3),
        (2, 3, 3, 3),
    ),
    "residual": Function(lambda x, w: (F.conv2d(x.relu(), w, None, 1, 1).relu() + x).relu(), (2, 2, 3, 3)),
    "max_pool": Function(lambda x: F.max_pool2d(x, 3, 2, 1)),
    "ceil_pool": Function(lambda x: F.max_pool2d(x, 2, 2, ceil_mode=True)),
    "avg_pool": Function(lambda x: F.avg_pool2d(x.relu(), 3, 2, 1)),
    "adaptive": Function(lambda x: F.adaptive_avg_pool2d(x.relu(), 2)),
    "nearest": Function(lambda x: F.interpolate(x.relu(), scale_factor=2.0).tanh()),
    "bilinear": Function(
        lambda x: F.interpolate(x.relu(), scale_factor=2.0, mode="bilinear", align_corners=False).tanh()
    ),
    "bicubic": Function(lambda x: F.interpolate(x.relu(), size=(4, 4), mode="bicubic", align_corners=False)),
    "shuffle": Function(lambda x, w: F.pixel_shuffle(F.conv2d(x, w), 2).relu(), (4, 2, 1, 1)),
    "reflect": Function(lambda x: F.pad(x.relu(), (1, 1, 1, 1), mode="reflect")),
    "group_norm": Function(lambda x: F.group_norm(x, 2, eps=0.1)),
}


def assert_sound(bounds: Interval, members: Tensor, slack: float = 1e-9) -> None:
    size = 1 + members.abs()
    assert (bounds.lower - slack * size <= members).all()
    assert (members <= bounds.upper + slack * size).all()


class Everything(nn.Module):
    """All functions of a table side by side, an output each: captured once, bounded one by one."""

    def __init__(self, functions: dict[str, Function]) -> None:
        super().__init__()
        self.functions = nn.ModuleList(functions.values())

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(function(x) for function in self.functions)


VECTORS = {name: Function(function) for name, function in VECTOR.items()}


@pytest.fixture(scope="module")
def vectors() -> tuple[BoundedModel, Tensor]:
    x = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    return BoundedModel.of(Everything(VECTORS), x), x


@pytest.fixture(scope="module")
def images() -> tuple[BoundedModel, Tensor]:
    x = torch.randn(2, 2, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    return BoundedModel.of(Everything(IMAGE), x), x


def check(bounded: BoundedModel, x: Tensor, model: nn.Module, output: int, radius: float) -> None:
    """Random members, half of them extreme points, for three norms; the output itself without a perturbation."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p, methods in ((math.inf, METHODS), (2.0, METHODS[2:4]), (1.0, METHODS[1:2])):
            members = Ball(radius, p).around(x, "x").sample(30, generator)
            outputs = torch.stack([model(member) for member in members])
            for method in methods:
                assert_sound(bounded.bounds(x, Ball(radius, p), method, output=output), outputs)
        point = bounded.bounds(x, Ball(0.0), output=output)
        torch.testing.assert_close(point.lower, model(x), atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(point.upper, model(x), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", VECTORS)
def test_operators_on_vectors(vectors, name):
    check(*vectors, VECTORS[name], list(VECTORS).index(name), 0.4)


@pytest.mark.parametrize("name", IMAGE)
def test_operators_on_images(images, name):
    check(*images, IMAGE[name], list(IMAGE).index(name), 0.3)


@pytest.mark.parametrize("box", [(0.497, 4.548), (-3.718, -1.913), (-1.0, 2.0), (1.0, 2.0)])
def test_even_powers_on_boxes_where_a_midpoint_tangent_would_be_unsound(box):
    low, high = box
    x = torch.tensor([[(low + high) / 2]], dtype=torch.float64)
    places = torch.linspace(low, high, 1001, dtype=torch.float64)
    for exponent in (2, 4):
        bounded = BoundedModel.of(Function(lambda t, e=exponent: t**e), x)
        for method in METHODS:
            with torch.no_grad():
                found = bounded.bounds(x, Ball((high - low) / 2), method)
            assert found.lower.item() <= (places**exponent).min().item() + 1e-9
            assert found.upper.item() >= (places**exponent).max().item() - 1e-9


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_scores_so_far_apart_that_exponentials_overflow_leave_probabilities(method):
    x = torch.tensor([[0.3, -0.2, 0.5]])
    model = Function(lambda t: (3e4 * t).softmax(-1))
    with torch.no_grad():
        found = BoundedModel.of(model, x).bounds(x, Ball(1.0), method)
    torch.testing.assert_close(found.lower, torch.zeros(1, 3))
    torch.testing.assert_close(found.upper, torch.ones(1, 3))


def test_inputs_with_channels_last_in_memory_are_bounded_as_others_are():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2)).double()
    x = torch.rand(2, 2, 5, 6, dtype=torch.float64)
    bounded = BoundedModel.of(model, x)
    with torch.no_grad():
        for method in METHODS[:4]:
            plain, last = (
                bounded.bounds(t, Ball(0.1), method)
                for t in (x, x.contiguous(memory_format=torch.channels_last))
            )
            torch.testing.assert_close(plain.lower, last.lower)


@pytest.mark.parametrize("effort", [0.0, 1e3, 1e4, math.inf])
def test_backward_walks_cut_short_are_sound_and_no_tighter(images, effort):
    torch.manual_seed(5)
    layers = [
        nn.Conv2d(2, 4, 3, 1, 1),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, 1, 1),
    ]
    model = nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)).double()
    x = images[1]
    bounded = BoundedModel.of(model, x)
    members = Ball(0.2).around(x, "x").sample(50, torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole, cut = (
            bounded.bounds(x, Ball(0.2), method) for method in (Backward(), Backward(effort=effort))
        )
        loose = bounded.bounds(x, Ball(0.2), Backward(IBP()))
        assert_sound(cut, torch.stack([model(member) for member in members]))
    width, least, most = ((b.upper - b.lower).mean().item() for b in (cut, whole, loose))
    assert least <= width * (1 + 1e-9)
    assert width <= most * (1 + 1e-9)
    if effort == math.inf:
        assert width == least
    elif effort <= 1e3:
        assert width > 1.05 * least


@pytest.mark.parametrize("method", [IBP(), Forward(), Backward()], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("activation", [torch.tanh, torch.sigmoid])
@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_bounds_that_overflow_say_nothing_wrong(method, activation, factor):
    """Exponentials whose bounds are infinite meet a linear layer: differences of infinities are no numbers."""

    class Growing(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.first, self.last = nn.Linear(2, 3), nn.Linear(3, 1)
            with torch.no_grad():
                self.first.weight.abs_()
                self.first.bias.fill_(-5.0)

        def forward(self, x):
            return self.last(activation(factor * self.first(torch.exp(60 * x))))

    model, x = Growing(), torch.zeros(1, 2)
    found = BoundedModel.of(model, x).bounds(x, Ball(2.0), method)
    points = 4 * torch.rand(2000, 2, generator=torch.Generator().manual_seed(1)) - 2
    with torch.no_grad():
        values = model(points)
    values = values[values.isfinite()]
    assert found.lower.item() <= values.min()
    assert found.upper.item() >= values.max()
