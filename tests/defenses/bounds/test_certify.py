"""Certificates agree with what can be known exactly."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from defenses.bounds import IBP, Backward, Ball
from defenses.bounds.certify import Specification, certified_radius, certify
from simulator.world import InvalidInput


def linear() -> nn.Linear:
    model = nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]))
    return model


def test_margins_of_a_linear_classifier_are_exact():
    x, labels = torch.tensor([[2.0, 1.0], [0.6, 0.5]]), torch.tensor([0, 0])
    certificate = certify(linear(), x, Ball(0.2), Specification.label(labels, 3))
    expected = torch.tensor([[0.6, 4.4], [-0.3, 1.1]])
    torch.testing.assert_close(certificate.margin, expected, rtol=1e-4, atol=0)
    assert (certificate.margin < expected).all()  # by what rounding may have cost
    assert certificate.verified.tolist() == [True, False]
    assert certificate.method.tolist() == [0, -1]
    assert certificate.share == 0.5


def test_certified_radius_of_a_linear_classifier():
    x, labels = torch.tensor([[2.0, 1.0], [0.6, 0.5], [0.0, 1.0]]), torch.tensor([0, 0, 0])
    radius = certified_radius(linear(), x, Ball, Specification.label(labels, 3), 1.0, 14)
    torch.testing.assert_close(radius, torch.tensor([0.5, 0.05, 0.0]).double(), atol=1e-3, rtol=0)


def test_stronger_methods_are_used_where_weaker_ones_fail():
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(3, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 2))
    x = torch.rand(40, 3)
    labels = model(x).argmax(1)
    certificate = certify(model, x, Ball(0.05), Specification.label(labels, 2), (IBP(), Backward()))
    assert set(certificate.method.tolist()) >= {0, 1}


def test_band_of_outputs():
    specification = Specification.within(torch.tensor([-1.0, 0.0, -9.0]), torch.tensor([3.0, 2.0, 0.0]))
    assert certify(linear(), torch.tensor([[2.0, 1.0]]), Ball(0.5), specification).verified.all()
    assert not certify(linear(), torch.tensor([[2.0, 1.0]]), Ball(1.01), specification).verified.any()


def test_no_method_is_refused():
    with pytest.raises(InvalidInput, match="at least one"):
        certify(linear(), torch.rand(1, 2), Ball(0.1), Specification(torch.eye(3)), ())
