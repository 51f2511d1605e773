"""The driver network's heads: from features to curves with their scales, probabilities, lead car and motion."""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from simulator.world import DISTANCES_M

POINTS = len(DISTANCES_M)
CURVES = 5
"""Path, then the four lane lines."""

# usual lateral position of each curve [m], and how much curves vary at each distance: that of a car within half a
# metre of its lane's centre, headed within 0.04 rad, on roads of radius 500 m and more
_USUAL_M = (0.0, 5.2, 1.75, -1.75, -5.2)
_BASIS = 12


def spread_m() -> Tensor:
    """Typical deviation of a lane line from straight ahead at ``DISTANCES_M``: ``(33,)`` [m], float32."""
    x = DISTANCES_M
    return torch.sqrt(0.5**2 + (0.04 * x) ** 2 + (0.001 * x**2) ** 2).float()


def _cosines(count: int) -> Tensor:
    """Smooth basis over the distances: ``(count, 33)``, the first cosines of a DCT-II."""
    i = torch.arange(POINTS) + 0.5
    return torch.cos(math.pi / POINTS * torch.arange(count)[:, None] * i)


class Layout(NamedTuple):
    """Where things are in the network's flat output vector."""

    path: slice = slice(0, 33)
    path_log_scale: slice = slice(33, 66)
    lanes: slice = slice(66, 198)
    lanes_log_scale: slice = slice(198, 330)
    lane_logits: slice = slice(330, 334)
    lead: slice = slice(334, 337)
    pose: slice = slice(337, 343)
    size: int = 343


LAYOUT = Layout()
"""Curves in metres; log of the Laplace scale; logits; lead distance [m], its log scale, its logit; pose in SI units."""


class Heads(nn.Module):
    """From features to the flat output vector.

    Curves are sums of smooth functions over the distances, in units of how much lane lines vary there; all five share a
    common curve, because what bends one bends all.
    """

    usual_m: Tensor
    spread_m: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.curves = nn.Linear(features, (1 + CURVES) * _BASIS)
        self.scales = nn.Linear(features, CURVES * 6)
        self.rest = nn.Linear(features, 4 + 3 + 6)
        for layer in (self.curves, self.scales, self.rest):
            nn.init.normal_(layer.weight, std=0.1 / math.sqrt(features))
            nn.init.zeros_(layer.bias)
        self.basis = nn.Parameter(_cosines(_BASIS))
        self.scale_basis = nn.Parameter(_cosines(6))
        self.register_buffer("usual_m", torch.tensor(_USUAL_M)[:, None], persistent=False)
        self.register_buffer("spread_m", spread_m(), persistent=False)

    def raw(self, features: Tensor) -> Tensor:
        """The output vector before scales are limited: linear in the features."""
        size = len(features)
        coefficients = self.curves(features).view(size, 1 + CURVES, _BASIS)
        curves = (coefficients[:, :1] + coefficients[:, 1:]) @ self.basis
        y = self.usual_m + self.spread_m * curves
        log_scale = self.scales(features).view(size, CURVES, 6) @ self.scale_basis
        log_scale = log_scale + torch.log(0.5 * self.spread_m)
        logits, lead, pose = self.rest(features).split([4, 3, 6], 1)
        lead = torch.stack([30 + 20 * lead[:, 0], 2 + lead[:, 1], lead[:, 2]], 1)
        usual_pose = pose.new_tensor([20.0, 0, 0, 0, 0, 0])
        pose = usual_pose + pose * pose.new_tensor([10.0, 0.5, 0.5, 0.05, 0.05, 0.1])
        return torch.cat(
            [y[:, 0], log_scale[:, 0], y[:, 1:].flatten(1), log_scale[:, 1:].flatten(1), logits, lead, pose],
            1,
        )

    def limits(self) -> tuple[Tensor, Tensor]:
        """Least and greatest output, ``(343,)`` each: scales of curves from 3 mm to 400 m, of the lead from 5 cm."""
        high = self.usual_m.new_full((LAYOUT.size,), math.inf)
        low = -high
        for part, least, greatest in (
            (LAYOUT.path_log_scale, -6.0, 6.0),
            (LAYOUT.lanes_log_scale, -6.0, 6.0),
            (slice(LAYOUT.lead.start + 1, LAYOUT.lead.start + 2), -3.0, 5.0),
        ):
            low[part], high[part] = least, greatest
        return low, high

    def forward(self, features: Tensor) -> Tensor:
        low, high = self.limits()
        return self.raw(features).clamp(low, high)


class FusedHeads(nn.Module):
    """The same as one linear layer: all that ``Heads`` does is linear, but for the limits of the scales.

    Args:
        heads: trained ones.
    """

    low: Tensor
    high: Tensor

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        features = heads.curves.in_features
        weight = heads.curves.weight
        self.linear = nn.Linear(features, LAYOUT.size, dtype=weight.dtype, device=weight.device)
        with torch.no_grad():
            # what comes out for nothing, and for one of each feature, in double precision
            unlimited = copy.deepcopy(heads).double()
            none = torch.zeros(1, features, dtype=torch.float64, device=weight.device)
            constant, each = unlimited.raw(none), unlimited.raw(none.new_ones(features).diag())
            self.linear.bias.copy_(constant[0])
            self.linear.weight.copy_((each - constant).T)
        low, high = heads.limits()
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("high", high, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features).clamp(self.low, self.high)
