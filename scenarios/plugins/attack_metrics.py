"""Metrics of attacks on the steering, each from the recording alone, which holds the benign run beside the attacked.

Time zero is when the patch's edge is as near as its scenario says; ``benign/offset_m`` is where the same car was at the
same time on the same road without the patch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from attacks.floor import fastest_deviation_s
from attacks.perturbation import Stealth
from scenarios.metrics import CAR_WIDTH_M, MetricValue, metric
from scenarios.plugins.psld import psld_m
from scenarios.plugins.sight import DISTANCES_M as SEEN_FROM_M
from simulator.recording import Recording
from simulator.vehicle import preset

REACTION_S = 2.5
"""What happens later than this after time zero, a driver can prevent: their mean reaction time."""

E2E_S = 1.0
"""Horizon of E2E-LD: 20 frames."""

_TOLERANCE_S = 1e-6

OFFSETS = ("truth/offset_m", "benign/offset_m")
LANE = ("truth/lane_left_m", "truth/lane_right_m")
ZERO = ("time_zero_s",)


def _since_zero(recording: Recording, horizon_s: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Time since time zero, and which instants count."""
    time_s = recording.channels["truth/offset_m"].time_s
    assert time_s is not None
    since = time_s[: len(recording["benign/offset_m"])] - float(recording.meta["time_zero_s"])
    return since, (since >= -_TOLERANCE_S) & (since <= horizon_s + _TOLERANCE_S)


def threshold_m(recording: Recording) -> float:
    """How far a 2.13 m wide car may be from its lane's centre at time zero: 0.735 m in 3.6 m, 0.285 m in 2.7 m."""
    _, counts = _since_zero(recording, REACTION_S)
    first = int(np.argmax(counts))
    width = float(recording["truth/lane_left_m"][first]) - float(recording["truth/lane_right_m"][first])
    return 0.5 * (width - CAR_WIDTH_M)


def _succeeded_s(recording: Recording) -> float:
    """First time since time zero at which deviation and offset are beyond the threshold, to the same side."""
    since, counts = _since_zero(recording, REACTION_S)
    offset = recording["truth/offset_m"][: len(since)].astype(np.float64)
    benign = recording["benign/offset_m"].astype(np.float64)[: len(since)]
    limit = threshold_m(recording)
    moved = offset - benign
    side = np.sign(moved)
    beyond = counts & (np.abs(moved) > limit) & (side * offset > limit)
    return float(since[np.argmax(beyond)]) if beyond.any() else math.inf


@metric("m", *OFFSETS, *LANE, meta=ZERO)
def attack_threshold(recording: Recording) -> float:
    """The threshold itself."""
    return threshold_m(recording)


@metric("1", *OFFSETS, *LANE, meta=ZERO)
def attack_success(recording: Recording) -> float:
    """Deviation from the benign run and offset from the lane's centre both beyond the threshold within 2.5 s."""
    return float(math.isfinite(_succeeded_s(recording)))


@metric("s", *OFFSETS, *LANE, meta=ZERO)
def time_to_success(recording: Recording) -> float:
    """From time zero to when both are beyond the threshold; never, if that takes more than 2.5 s."""
    return _succeeded_s(recording)


@metric("s", *OFFSETS, *LANE, "state/speed_mps", meta=(*ZERO, "latency_s", "vehicle"))
def time_to_success_floor(recording: Recording) -> float:
    """Time that bang-bang steering takes from straight ahead: no attack on the steering can be faster."""
    _, counts = _since_zero(recording, REACTION_S)
    speed = float(recording["state/speed_mps"][int(np.argmax(counts))])
    latency = float(recording.meta["latency_s"])
    return fastest_deviation_s(preset(recording.meta["vehicle"]), speed, threshold_m(recording), latency)


@metric("m", *OFFSETS, meta=ZERO)
def deviation_from_benign(recording: Recording) -> float:
    """Largest distance, within 2.5 s of time zero, from where the car is at that time without the patch."""
    since, counts = _since_zero(recording, REACTION_S)
    moved = recording["truth/offset_m"][: len(since)] - recording["benign/offset_m"][: len(since)]
    return float(np.max(np.abs(moved[counts]))) if counts.any() else math.nan


@metric("m", *OFFSETS, meta=ZERO)
def e2e_ld(recording: Recording) -> float:
    """Largest distance from the lane's centre in the first 20 frames (Sato and Chen, CVPR 2022)."""
    since, counts = _since_zero(recording, E2E_S)
    return (
        float(np.max(np.abs(recording["truth/offset_m"][: len(since)][counts]))) if counts.any() else math.nan
    )


@metric(
    "m", *OFFSETS, "decision/desired_curvature_per_m", "truth/curvature_per_m", "state/speed_mps", meta=ZERO
)
def psld(recording: Recording) -> float:
    """Mean over the first 20 frames of how far each alone would move a car (Sato and Chen, CVPR 2022)."""
    _, counts = _since_zero(recording, E2E_S)
    desired = recording["decision/desired_curvature_per_m"]
    counts = counts[: len(desired)]
    if not counts.any():
        return math.nan
    beyond = desired[counts] - recording["truth/curvature_per_m"][: len(counts)][counts]
    speed = recording["state/speed_mps"][: len(counts)][counts]
    return float(psld_m(*(torch.from_numpy(column.astype(np.float64)) for column in (beyond, speed))).mean())


@metric("m", "benign/offset_m")
def benign_offset_p99(recording: Recording) -> float:
    """Distance from the lane's centre that the benign run exceeds during one percent of the time."""
    return float(np.percentile(np.abs(recording["benign/offset_m"].astype(np.float64)), 99))


def _similarity(distance_m: float) -> Callable[[Recording], MetricValue]:
    place = SEEN_FROM_M.index(distance_m)

    @metric("1", "patch/similarity")
    def similarity(recording: Recording) -> float:
        """Structural similarity of what is seen with and without the patch from so far before it."""
        return float(recording["patch/similarity"][place])

    return similarity


patch_ssim_30m, patch_ssim_15m, patch_ssim_7m = map(_similarity, SEEN_FROM_M)


@metric("1", "patch/brightness")
def patch_l1(recording: Recording) -> float:
    """Mean of the change of brightness over all cells."""
    return Stealth.of(recording["patch/brightness"]).l1


@metric("1", "patch/brightness")
def patch_l2(recording: Recording) -> float:
    """Root mean square of the change of brightness over all cells."""
    return Stealth.of(recording["patch/brightness"]).l2


@metric("1", "patch/brightness")
def patch_linf(recording: Recording) -> float:
    """Largest change of brightness of a cell."""
    return Stealth.of(recording["patch/brightness"]).linf


@metric("1", "patch/brightness")
def patch_area_share(recording: Recording) -> float:
    """Share of the cells that are changed by a step of brightness or more."""
    return Stealth.of(recording["patch/brightness"]).area_share
