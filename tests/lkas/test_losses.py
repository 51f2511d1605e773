"""The loss has the values that its formulas have, and learns nothing from what is not known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lkas.heads import CURVES, LAYOUT
from lkas.losses import Labels, distance_weights, driving_loss, laplace_nll, tolerance_m
from lkas.network import AUXILIARY_COLUMNS, AUXILIARY_ROWS


def some_labels(size: int = 2) -> Labels:
    """Everything is known."""
    offsets = torch.tensor([0.0, 5.2, 1.75, -1.75, -5.2])
    return Labels(
        curves_m=offsets[:, None].expand(size, CURVES, 33).clone(),
        lane_present=torch.ones(size, 4),
        lead_distance_m=torch.full((size,), 30.0),
        pose=torch.tensor([[20.0, 0.1, 0.2, 0.01, 0.02, 0.03]]).repeat(size, 1),
        columns=torch.full((size, CURVES, AUXILIARY_ROWS), 10.5),
    )


def perfect_output(labels: Labels) -> Tensor:
    """Output that says the labels, with scales of one metre and logits of zero."""
    output = torch.zeros(len(labels.pose), LAYOUT.size)
    output[:, LAYOUT.path] = labels.curves_m[:, 0]
    output[:, LAYOUT.lanes] = labels.curves_m[:, 1:].flatten(1)
    output[:, LAYOUT.lead.start] = labels.lead_distance_m
    output[:, LAYOUT.pose] = labels.pose
    return output


def no_grid(size: int = 2) -> Tensor:
    """A grid that knows nothing."""
    return torch.zeros(size, 2 * CURVES, AUXILIARY_ROWS, AUXILIARY_COLUMNS)


def test_values_of_perfect_curves_and_no_opinion() -> None:
    labels = some_labels()
    losses = driving_loss(perfect_output(labels), no_grid(), labels)
    assert float(losses.curves) == pytest.approx(0, abs=1e-6)
    assert float(losses.errors) == pytest.approx(0, abs=1e-6)
    assert float(losses.pose) == pytest.approx(0, abs=1e-6)
    assert float(losses.presence) == pytest.approx(math.log(2), rel=1e-5)
    assert float(losses.lead) == pytest.approx(5 * math.log(2), rel=1e-5)
    # one of 32 columns, and present or not
    assert float(losses.auxiliary) == pytest.approx(math.log(32) + math.log(2), rel=1e-5)


def test_values_of_a_path_that_is_off() -> None:
    labels = some_labels()
    output = perfect_output(labels)
    output[:, LAYOUT.path] += 0.3
    losses = driving_loss(output, no_grid(), labels)
    # the path weighs 2 of the 5 of all curves
    assert float(losses.curves) == pytest.approx(0.4 * 0.3, rel=1e-5)
    expected = 0.4 * float((distance_weights() * torch.log1p(0.3 / tolerance_m())).mean())
    assert float(losses.errors) == pytest.approx(expected, rel=1e-5)


def test_laplace_is_least_where_the_scale_is_the_error() -> None:
    log_scale = torch.linspace(-4, 2, 601)
    best = log_scale[laplace_nll(torch.tensor(0.2), log_scale).argmin()]
    assert float(best) == pytest.approx(math.log(0.2), abs=0.01)


def test_unknown_labels_give_neither_value_nor_gradient(generator: torch.Generator) -> None:
    labels = some_labels()
    labels.curves_m[0, 1] = math.nan
    labels.curves_m[:, 0, 20:] = math.nan
    labels.lead_distance_m[0] = math.nan
    labels.columns[0] = math.nan
    output = perfect_output(some_labels())
    output += 0.1 * torch.randn(output.shape, generator=generator)
    output.requires_grad_()
    grid = torch.randn(2, 10, AUXILIARY_ROWS, AUXILIARY_COLUMNS, generator=generator).requires_grad_()
    losses = driving_loss(output, grid, labels)
    by_output, by_grid = torch.autograd.grad(losses.total(), (output, grid))
    assert bool(losses.total().isfinite())
    assert bool(by_output.isfinite().all())
    assert bool(by_grid.isfinite().all())
    left_far = slice(LAYOUT.lanes.start, LAYOUT.lanes.start + 33)
    assert not bool(by_output[0, left_far].any())
    assert bool(by_output[1, left_far].all())
    assert not bool(by_output[:, LAYOUT.path][:, 20:].any())
    assert float(by_output[0, LAYOUT.lead.start]) == 0
    assert float(by_output[1, LAYOUT.lead.start]) != 0
    assert not bool(by_grid[0, :CURVES].any())


def test_nothing_known_is_no_disaster() -> None:
    labels = some_labels()
    blank = labels.map(lambda x: torch.full_like(x, math.nan))
    blank = Labels(blank.curves_m, labels.lane_present * 0, blank.lead_distance_m, labels.pose, blank.columns)
    assert bool(driving_loss(perfect_output(labels), no_grid(), blank).total().isfinite())


def test_grid_between_two_cells_shares_them() -> None:
    labels = some_labels()
    labels.columns[:] = 11.25  # 0.75 beyond the centre of cell 10: a quarter of it and three of cell 11
    grid = no_grid()
    grid[:, :CURVES] = -1e4
    grid[:, :CURVES, :, 10], grid[:, :CURVES, :, 11] = math.log(0.25), math.log(0.75)
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    losses = driving_loss(perfect_output(labels), grid, labels)
    assert float(losses.auxiliary) == pytest.approx(entropy + math.log(2), rel=1e-5)


def test_mirrored_twice_is_the_same() -> None:
    labels = some_labels()
    labels.curves_m[:, 1] += 0.4
    labels.lane_present[:, 0] = 0
    twice = labels.mirrored().mirrored()
    for name, value in vars(labels).items():
        torch.testing.assert_close(getattr(twice, name), value, rtol=0, atol=1e-6)
    once = labels.mirrored()
    torch.testing.assert_close(once.curves_m[:, 4], -labels.curves_m[:, 1])
    assert once.lane_present[0].tolist() == [1, 1, 1, 0]
    assert once.pose[0].tolist() == pytest.approx([20.0, -0.1, 0.2, -0.01, 0.02, -0.03])


def test_near_distances_count_most() -> None:
    weights = distance_weights()
    assert float(weights.mean()) == pytest.approx(1, rel=1e-5)
    assert bool((weights.diff() < 0).all())
    assert bool((tolerance_m().diff() > 0).all())
