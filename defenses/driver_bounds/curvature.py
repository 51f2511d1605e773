"""The lane-keeping driver as one network, from the pixels of some frames to the curvature that is desired."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from lkas.frames import pack_yuv
from lkas.heads import FusedHeads
from lkas.network import SKY_ROWS, DriverNet, parse
from lkas.perception import Perception
from simulator.errors import InvalidInput

FIRST_ROW = 2 * SKY_ROWS
"""Rows of a frame, from the top, that the driver does not look at."""


@dataclass(frozen=True)
class LinearPlan:
    """What the planner makes of the network's output vector, as a linear form.

    A plan weighs points by the standard deviations and lines by the probabilities that the network gives. With these
    held as they are in one frame, the desired curvature is a function of where path and lane lines are, nearly linear
    on roads that do not turn far; this is its tangent in that frame.

    Attributes:
        weight: ``(343,)`` float64, zero where nothing is read from.
        constant: ``()`` float64.
    """

    weight: Tensor
    constant: Tensor

    @classmethod
    def of(cls, plan: Callable[[Perception], Tensor], output: Tensor) -> LinearPlan:
        """The tangent in one frame.

        Args:
            plan: desired curvature ``(1,)`` of a perception, differentiable.
            output: ``(1, 343)`` the network's output in that frame.
        """
        with torch.enable_grad():
            held = output.detach().double().requires_grad_()
            seen = parse(held)
            curvature = plan(
                replace(
                    seen,
                    path_std_m=seen.path_std_m.detach(),
                    lane_std_m=seen.lane_std_m.detach(),
                    lane_prob=seen.lane_prob.detach(),
                )
            )
            (weight,) = torch.autograd.grad(curvature.sum(), held)
        return cls(weight[0], (curvature.detach() - weight[0] @ held.detach()[0])[0])


class DesiredCurvature(nn.Module):
    """From frames to desired curvature, with the planner as a linear form.

    Args:
        network: a driver's network with plain convolutions, as ``lkas.network.fuse`` makes it.
        plan: what the planner makes of its output.
    """

    def __init__(self, network: DriverNet, plan: LinearPlan) -> None:
        super().__init__()
        heads: nn.Module = network.heads
        stem: nn.Module = network.stem
        if not isinstance(heads, FusedHeads) or not isinstance(stem, nn.Conv2d):
            raise InvalidInput(
                "DesiredCurvature takes a network that was fused; call lkas.network.fuse first"
            )
        self.network = copy.deepcopy(network)
        # two halves side by side are one convolution each, so that bounds of one frame never touch the other
        self.earlier, self.later = _half(stem, slice(0, 6), None), _half(stem, slice(6, 12), stem.bias)
        row = nn.Linear(heads.linear.in_features, 1)
        with torch.no_grad():
            row.weight.copy_(plan.weight @ heads.linear.weight.double())
            row.bias.copy_(plan.weight @ heads.linear.bias.double() + plan.constant)
        # limits of scales do not matter: a plan that is held reads no scale
        self.network.add_module("heads", row)
        for parameter in self.parameters():  # bounds read coefficients image by image
            parameter.data = parameter.data.contiguous()
        self.requires_grad_(False).eval()

    def forward(self, hidden: Tensor, *frames: Tensor) -> Tensor:
        """Look at some frames in turn.

        Args:
            hidden: ``(N, hidden size)`` the memory before.
            frames: two or more of ``(N, 3, 256 - FIRST_ROW, 512)`` RGB in [0, 1]; the first one was looked at before.

        Returns:
            ``(N, 1)`` desired curvature [1/m] after the last one, positive left.
        """
        packed = [pack_yuv(frame) for frame in frames]
        curvature = hidden[:, :1]
        for before, now in pairwise(packed):
            _, deep = self.network.convolve(self.earlier(before) + self.later(now))
            curvature, hidden = self.network.remember(self.network.gather(deep), hidden)
        return curvature


def _half(stem: nn.Conv2d, channels: slice, bias: Tensor | None) -> nn.Conv2d:
    """The part of a convolution that reads some of its channels."""
    half = nn.Conv2d(6, stem.out_channels, 3, 2, 1)
    half.weight = nn.Parameter(stem.weight.detach()[:, channels])
    half.bias = None if bias is None else nn.Parameter(bias.detach())
    return half
