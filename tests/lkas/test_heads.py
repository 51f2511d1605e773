"""What the heads promise whatever their weights are."""

from __future__ import annotations

import pytest
import torch

from lkas.heads import LAYOUT, FusedHeads, Heads
from lkas.network import parse

FEATURES = 24


@pytest.fixture
def heads(generator: torch.Generator) -> Heads:
    """Heads without training whose scales depend on the features."""
    heads = Heads(FEATURES)
    with torch.no_grad():
        for parameter in heads.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return heads


def test_layout_covers_the_output_once() -> None:
    covered = [i for part in LAYOUT[:-1] for i in range(part.start, part.stop)]
    assert covered == list(range(LAYOUT.size))


def test_scales_stay_within_limits_whatever_the_features(heads: Heads, generator: torch.Generator) -> None:
    seen = parse(heads(1e4 * torch.randn(8, FEATURES, generator=generator)))
    assert bool((seen.path_std_m > 0.003).all())
    assert bool((seen.path_std_m < 600).all())
    assert bool((seen.lead_std_m > 0.05).all())


@pytest.mark.parametrize("size", [0.1, 1e3])
def test_fused_heads_say_the_same_within_and_at_their_limits(
    heads: Heads, generator: torch.Generator, size: float
) -> None:
    features = size * torch.randn(8, FEATURES, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(FusedHeads(heads)(features), heads(features), rtol=1e-4, atol=1e-2)
