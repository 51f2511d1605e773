"""How fast the car ahead drives, from the gaps seen in successive frames: an alpha-beta filter."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from simulator.world import CAMERA_PERIOD_S

_ALPHA, _BETA = 0.25, 0.018
"""Critically damped (alpha = 1 - t^2, beta = (1 - t)^2), with a time constant of about a third of a second."""


@dataclass(frozen=True)
class LeadTrack:
    """The car ahead as followed so far, each ``(N,)``.

    Attributes:
        gap_m: filtered gap.
        closing_mps: rate of change of the gap, negative when closing in.
        present: bool, a car was there in the last frame.
    """

    gap_m: Tensor
    closing_mps: Tensor
    present: Tensor

    @classmethod
    def none(cls, like: Tensor) -> LeadTrack:
        """No car so far; ``like (N,)`` gives size, dtype and device."""
        zero = torch.zeros_like(like)
        return cls(zero, zero, torch.zeros_like(like, dtype=torch.bool))

    def update(self, gap_m: Tensor, present: Tensor) -> LeadTrack:
        """One frame later.

        Args:
            gap_m: ``(N,)`` gap seen, finite; anything where there is no car.
            present: ``(N,)`` bool, there is one.
        """
        forecast = self.gap_m + self.closing_mps * CAMERA_PERIOD_S
        surprise = gap_m - forecast
        known = self.present & present
        gap = torch.where(known, forecast + _ALPHA * surprise, gap_m)
        closing = self.closing_mps + (_BETA / CAMERA_PERIOD_S) * surprise
        return LeadTrack(gap, torch.where(known, closing, torch.zeros_like(closing)), present)
