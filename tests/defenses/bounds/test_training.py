"""Loss fusion bounds the loss; certified training makes a network provably robust."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from defenses.bounds import IBP, Backward, Ball
from defenses.bounds.fusion import RobustCrossEntropy
from defenses.bounds.training import CertifiedTraining, balls, weight_balls
from simulator.world import InvalidInput


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 3))


def blobs(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Three clusters at distance 2 from each other."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (count,), generator=generator)
    angle = labels * 2.0944
    centre = torch.stack([angle.cos(), angle.sin()], 1) * 1.1547
    return centre + 0.2 * torch.randn(count, 2, generator=generator), labels


def batches(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    x, labels = blobs(256, 1)
    for part in torch.randperm(len(x), generator=generator).split(64):
        yield x[part], labels[part]


@pytest.mark.parametrize("method", [IBP(), Backward(IBP()), Backward()], ids=str)
def test_fused_and_margin_losses_are_above_every_loss_in_the_set(method):
    model, (x, labels) = network(), blobs(8, 2)
    loss_of = RobustCrossEntropy.of(model, x, 3)
    ball = Ball(0.2)
    members = ball.around(x, "x").sample(200, torch.Generator().manual_seed(3))
    with torch.no_grad():
        worst = torch.stack(
            [nn.functional.cross_entropy(model(m), labels, reduction="none") for m in members]
        ).amax(0)
        fused = loss_of.fused_loss(x, labels, ball, method)
        margins = loss_of.margin_loss(x, labels, ball, method)
        still = loss_of.fused_loss(x, labels, Ball(0.0), method)
        clean = nn.functional.cross_entropy(model(x), labels, reduction="none")
    assert (fused >= worst - 1e-5).all()
    assert (margins >= worst - 1e-5).all()
    torch.testing.assert_close(still, clean, atol=1e-4, rtol=1e-4)


def test_certified_training_raises_certified_accuracy():
    recipe = CertifiedTraining(balls(0.3), epochs=12, warm_up=2, ramp=6, learning_rate=5e-3)
    ordinary = replace(recipe, warm_up=12, ramp=0)
    plain, hardened = (
        r.train(network(), batches, torch.Generator().manual_seed(0)) for r in (ordinary, recipe)
    )
    x, labels = blobs(200, 9)
    before, after = (trained.certificate(x, labels, 1.0, (IBP(),)).share for trained in (plain, hardened))
    assert after > 0.8, (before, after)
    assert after > before + 0.05
    assert [epoch.strength for epoch in plain.history] == [0.0] * 12
    assert [epoch.strength for epoch in hardened.history][-1] == 1.0
    assert hardened.history[-1].accuracy > 0.97
    assert hardened.accuracy(x, labels) > 0.97


def test_training_against_weights_lowers_the_certified_loss():
    recipe = CertifiedTraining(weight_balls(0.3), epochs=6, warm_up=1, ramp=3, learning_rate=5e-3)
    ordinary = replace(recipe, warm_up=6, ramp=0)
    x, labels = blobs(60, 9)
    losses = []
    for one in (ordinary, recipe):
        trained = one.train(network(), batches, torch.Generator().manual_seed(0))
        inputs, moved = trained.family(trained.network, x, 1.0)
        loss_of = RobustCrossEntropy.of(trained.network, x, 3)
        with torch.no_grad():
            fused = loss_of.fused_loss(inputs, labels, moved, Backward(IBP())).mean()
            assert fused > nn.functional.cross_entropy(trained.network(x), labels)
        losses.append(float(fused))
    assert losses[1] < losses[0]


def test_recipes_that_cannot_be_followed_are_refused():
    with pytest.raises(InvalidInput, match="radius"):
        balls(0.0)
    with pytest.raises(InvalidInput, match="ramp"):
        CertifiedTraining(balls(0.1), epochs=5, ramp=10)
