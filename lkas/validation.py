"""How well a network sees: errors in metres on places that no training sees."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lkas.clips import Clip
from lkas.losses import Labels
from lkas.network import DriverNet, parse
from simulator.world import DISTANCES_M

_OTHER_SEED = 7_000_001
"""Added to the seed: places of validation are none of training's."""

_AT_M = (5, 10, 20, 40)


def validation_seed(seed: int) -> int:
    """Seed of the episodes that judge a driver trained with ``seed``."""
    return seed + _OTHER_SEED


def perceive(network: DriverNet, clips: Sequence[Clip]) -> tuple[torch.Tensor, Labels]:
    """Output ``(B * T, 343)`` of a network that looks at clips with fresh eyes, and the labels."""
    frames = torch.stack([clip.frames for clip in clips])
    labels = Labels(
        *(torch.stack([getattr(c.labels, name) for c in clips]) for name in vars(clips[0].labels))
    )
    hidden = network.initial_hidden(len(clips))
    outputs = []
    for t in range(1, frames.shape[1]):
        # fresh eyes have no earlier frame
        pair = torch.cat([frames[:, max(t - 1, 1)], frames[:, t]], -1).permute(0, 3, 1, 2).float()
        output, hidden = network(pair, hidden)
        outputs.append(output)
    return torch.stack(outputs, 1).flatten(0, 1), labels.map(lambda x: x.flatten(0, 1))


def evaluate(network: DriverNet, clips: Sequence[Clip]) -> dict[str, float]:
    """Figures of a network over clips.

    Returns:
        Mean absolute errors [m] of the path and of the ego lane's lines at some distances, the mean signed error of the
        path near the car, how often a line's presence is told rightly, error of the gap to the car ahead.
    """
    outputs, truths = [], []
    with torch.inference_mode():
        for first in range(0, len(clips), 16):
            output, labels = perceive(network, clips[first : first + 16])
            outputs.append(output)
            truths.append(labels)
    seen = parse(torch.cat(outputs))
    truth = Labels(*(torch.cat([getattr(t, name) for t in truths]) for name in vars(truths[0])))
    path_error = seen.path_y_m - truth.curves_m[:, 0]
    line_error = seen.lane_y_m[:, 1:3] - truth.curves_m[:, 2:4]
    metrics = {}
    for distance in _AT_M:
        at = int((DISTANCES_M - distance).abs().argmin())
        metrics[f"path_mae_{distance}m"] = float(path_error[..., at].abs().nanmean())
        metrics[f"lane_mae_{distance}m"] = float(line_error[..., at].abs().nanmean())
    at = int((DISTANCES_M - 10).abs().argmin())
    metrics["path_bias_10m"] = float(path_error[:, at].nanmean())
    metrics["path_p95_10m"] = float(path_error[:, at].abs().nan_to_num().quantile(0.95))
    metrics["lane_presence_accuracy"] = float(
        ((seen.lane_prob > 0.5) == (truth.lane_present > 0.5)).float().mean()
    )
    ahead = ~truth.lead_distance_m.isnan()
    metrics["lead_presence_accuracy"] = float(((seen.lead_prob > 0.5) == ahead).float().mean())
    metrics["lead_mae"] = float((seen.lead_distance_m - truth.lead_distance_m).abs().nanmean())
    metrics["speed_mae"] = float((seen.pose[:, 0] - truth.pose[:, 0]).abs().mean())
    metrics["yaw_rate_mae"] = float((seen.pose[:, 5] - truth.pose[:, 5]).abs().mean())
    return {name: round(value, 5) for name, value in metrics.items()}
