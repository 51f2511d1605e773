"""What a driver network is trained to say: robust, heteroscedastic regression and cross-entropy.

Curves, lead distance: the negative log-likelihood of a Laplace distribution whose scale the network states (Kendall
and Gal 2017, "What uncertainties do we need in Bayesian deep learning for computer vision?"), plus a plain absolute
error in units of how accurate a driver has to be, so that far or hard places cannot be talked away by a large scale.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from lkas.heads import CURVES, LAYOUT, POINTS
from lkas.network import AUXILIARY_COLUMNS
from simulator.world import DISTANCES_M


@dataclass(frozen=True)
class Labels:
    """The truth for N frames, in the frame of the camera's foot, x along the camera's axis.

    Attributes:
        curves_m: ``(N, 5, 33)`` path, left far, left near, right near, right far line; NaN where there is none.
        lane_present: ``(N, 4)`` 0 or 1, that a line is painted.
        lead_distance_m: ``(N,)`` NaN where there is no car ahead.
        pose: ``(N, 6)`` forward, left, up speed; roll, pitch, yaw rate.
        columns: ``(N, 5, 14)`` where each curve crosses the rows of the auxiliary grid, in cells from the left; NaN
            where it does not.
    """

    curves_m: Tensor
    lane_present: Tensor
    lead_distance_m: Tensor
    pose: Tensor
    columns: Tensor

    def map(self, change: object) -> Labels:
        """Apply ``change(tensor)`` to every attribute."""
        return Labels(*(change(getattr(self, f.name)) for f in fields(self)))  # type: ignore[operator]

    def mirrored(self) -> Labels:
        """Labels of the mirrored frames: what was left is right."""
        order = torch.tensor([0, 4, 3, 2, 1])
        sign = self.pose.new_tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
        return Labels(
            -self.curves_m[:, order],
            self.lane_present.flip(1),
            self.lead_distance_m,
            self.pose * sign,
            AUXILIARY_COLUMNS - self.columns[:, order],
        )


def distance_weights() -> Tensor:
    """``(33,)`` how much each distance counts, mean 1: most where the next two seconds of driving are."""
    weights = 1 / (1 + (DISTANCES_M / 50) ** 2)
    return (weights / weights.mean()).float()


def tolerance_m() -> Tensor:
    """``(33,)`` an error that is neither good nor bad, at each distance: 4 cm near, growing by 1 cm a metre [m]."""
    return (0.04 + 0.01 * DISTANCES_M + 0.0003 * DISTANCES_M**2).float()


@dataclass(frozen=True)
class Losses:
    """Parts of the loss, scalars."""

    curves: Tensor
    errors: Tensor
    presence: Tensor
    lead: Tensor
    pose: Tensor
    auxiliary: Tensor

    def total(self) -> Tensor:
        """What is minimised."""
        return (
            self.curves
            + 0.5 * self.errors
            + self.presence
            + 0.2 * self.lead
            + 0.2 * self.pose
            + 0.5 * self.auxiliary
        )


def laplace_nll(error: Tensor, log_scale: Tensor) -> Tensor:
    """Negative log-likelihood of a Laplace distribution, but for a constant."""
    return error.abs() * torch.exp(-log_scale) + log_scale


def driving_loss(output: Tensor, grid: Tensor, labels: Labels) -> Losses:
    """All parts of the loss.

    Args:
        output: ``(N, 343)`` of the network.
        grid: ``(N, 10, 14, 32)`` of its auxiliary task: five logits over columns, then five logits of presence a cell
            (only their mean over the row counts).
        labels: the truth.
    """
    size = len(output)
    y = torch.cat([output[:, LAYOUT.path], output[:, LAYOUT.lanes]], 1).view(size, CURVES, POINTS)
    log_scale = torch.cat([output[:, LAYOUT.path_log_scale], output[:, LAYOUT.lanes_log_scale]], 1).view_as(y)
    known = ~labels.curves_m.isnan()
    # the path and the two near lines are what is driven by
    importance = y.new_tensor([2.0, 0.5, 1.0, 1.0, 0.5])[:, None] * distance_weights().to(y) * known
    error = y - torch.where(known, labels.curves_m, y.detach())
    count = importance.sum().clamp_min(1)
    curves = (importance * laplace_nll(error, log_scale)).sum() / count
    errors = (importance * torch.log1p(error.abs() / tolerance_m().to(y))).sum() / count
    presence = F.binary_cross_entropy_with_logits(output[:, LAYOUT.lane_logits], labels.lane_present)
    lead, pose = _lead_loss(output[:, LAYOUT.lead], labels), _pose_loss(output[:, LAYOUT.pose], labels)
    return Losses(curves, errors, presence, lead, pose, _grid_loss(grid, labels.columns))


def _lead_loss(lead: Tensor, labels: Labels) -> Tensor:
    distance, log_scale, logit = lead.unbind(1)
    present = ~labels.lead_distance_m.isnan()
    error = distance - torch.where(present, labels.lead_distance_m, distance.detach())
    where = (present * laplace_nll(error, log_scale)).sum() / present.sum().clamp_min(1)
    return where + 5 * F.binary_cross_entropy_with_logits(logit, present.to(logit))


def _pose_loss(pose: Tensor, labels: Labels) -> Tensor:
    unit = pose.new_tensor([2.0, 0.2, 0.2, 0.02, 0.02, 0.02])
    return F.smooth_l1_loss(pose / unit, labels.pose / unit)


def _grid_loss(grid: Tensor, columns: Tensor) -> Tensor:
    """Where each curve crosses each row: cross-entropy against the two nearest cells, and whether it does."""
    where, presence = grid.split(CURVES, 1)
    known = ~columns.isnan()
    position = torch.where(known, columns, torch.zeros_like(columns)) - 0.5
    low = position.floor().clamp(0, AUXILIARY_COLUMNS - 2)
    share = (position - low).clamp(0, 1)
    log_probability = where.log_softmax(-1)
    picked = log_probability.gather(-1, torch.stack([low, low + 1], -1).long())
    crossing = -((1 - share) * picked[..., 0] + share * picked[..., 1])
    located = (known * crossing).sum() / known.sum().clamp_min(1)
    there = F.binary_cross_entropy_with_logits(presence.mean(-1), known.to(presence))
    return located + there
