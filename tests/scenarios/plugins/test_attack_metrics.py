"""Metrics of attacks by pencil and paper."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scenarios.plugins import attack_metrics
from simulator.recording import Channel, Recording

TIME_S = np.arange(81) * 0.05
ZERO_S = 1.0


def drive(
    offset: NDArray[Any],
    benign: NDArray[Any] | None = None,
    width_m: float = 3.6,
    speed_mps: float = 29.0,
    curvature_per_m: float = 1e-3,
) -> Recording:
    """Four seconds in a lane, time zero after one of them."""
    even = np.ones_like(TIME_S)
    channels = {
        "truth/offset_m": offset,
        "benign/offset_m": 0.0 * even if benign is None else benign,
        "truth/lane_left_m": 0.5 * width_m * even,
        "truth/lane_right_m": -0.5 * width_m * even,
        "state/speed_mps": speed_mps * even,
        "decision/desired_curvature_per_m": curvature_per_m * even[:-1],
        "truth/curvature_per_m": 1e-3 * even,
    }
    meta = {"time_zero_s": ZERO_S, "vehicle": "openpilot_0_6", "latency_s": 0.0}
    cells = Channel(np.array([[0.3, 0.0], [0.0, -0.4]]), "1")
    timed: dict[str, Channel] = {
        name: Channel(values, "m", TIME_S[: len(values)]) for name, values in channels.items()
    }
    return Recording({**timed, "patch/brightness": cells}, meta=meta)


def ramp(per_s: float, from_s: float = ZERO_S) -> NDArray[Any]:
    return per_s * np.clip(TIME_S - from_s, 0.0, None)


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(("width_m", "threshold_m"), [(3.6, 0.735), (2.7, 0.285)])
def test_success_is_where_the_published_threshold_is(side: float, width_m: float, threshold_m: float) -> None:
    """1 m/s from time zero on: the first frame beyond the threshold."""
    run = drive(side * ramp(1.0), width_m=width_m)
    assert attack_metrics.attack_threshold(run).value == pytest.approx(threshold_m)
    assert attack_metrics.attack_success(run).value == 1.0
    first = math.ceil(threshold_m / 0.05) * 0.05
    assert attack_metrics.time_to_success(run).value == pytest.approx(first)


def test_what_happens_before_time_zero_or_after_the_reaction_does_not_count() -> None:
    early = np.where(TIME_S < ZERO_S - 0.01, 1.0, 0.0)
    late = np.where(TIME_S > ZERO_S + 2.51, 1.0, 0.0)
    for offset in (early, late):
        assert attack_metrics.attack_success(drive(offset)).value == 0.0
        assert attack_metrics.time_to_success(drive(offset)).value == math.inf


def test_a_benign_run_that_drifts_is_no_success() -> None:
    drifting = ramp(1.0)
    assert attack_metrics.attack_success(drive(drifting, benign=drifting)).value == 0.0


def test_coming_back_to_the_middle_is_no_success() -> None:
    """A metre from the benign run, but in the middle of the lane."""
    assert attack_metrics.attack_success(drive(0.0 * TIME_S, benign=0.0 * TIME_S + 1.0)).value == 0.0
    assert attack_metrics.attack_success(drive(0.0 * TIME_S - 0.8, benign=0.0 * TIME_S - 2.0)).value == 0.0


def test_deviations_are_the_largest() -> None:
    run = drive(ramp(-1.0), benign=ramp(0.5))
    assert attack_metrics.deviation_from_benign(run).value == pytest.approx(1.5 * 2.5)
    assert attack_metrics.e2e_ld(run).value == pytest.approx(1.0)


def test_psld_is_zero_where_the_lane_is_followed_and_grows_with_what_is_wanted_beyond_it() -> None:
    still = 0.0 * TIME_S
    assert attack_metrics.psld(drive(still)).value == pytest.approx(0.0, abs=1e-12)
    little, much = (attack_metrics.psld(drive(still, curvature_per_m=1e-3 + k)).value for k in (0.01, 0.02))
    # 1.45 m at 0.01 / m move the car by 10.5 mm; were it not steered back after that frame, 7.25 m would by 263 mm
    assert 2 * 0.0105 / 5 < little < 0.8 * 0.263 / 5
    assert much == pytest.approx(2 * little, rel=0.01)


def test_the_benign_run_has_a_percentile_of_its_own() -> None:
    run = drive(ramp(1.0), benign=0.2 + 0.0 * TIME_S)
    assert attack_metrics.benign_offset_p99(run).value == pytest.approx(0.2)


def test_similarity_is_that_from_each_distance() -> None:
    seen = Recording({"patch/similarity": Channel(np.array([0.9, 0.8, 0.7]), "1")})
    names = ("patch_ssim_30m", "patch_ssim_15m", "patch_ssim_7m")
    assert [getattr(attack_metrics, name)(seen).value for name in names] == [0.9, 0.8, 0.7]
    assert not attack_metrics.patch_ssim_7m(drive(ramp(0.0))).valid


def test_the_floor_is_that_of_the_speed_and_the_lane() -> None:
    """0.85 s at 29 m/s in a lane of 3.6 m: see the closed form in ``tests/attacks/test_floor.py``."""
    assert attack_metrics.time_to_success_floor(drive(ramp(0.0))).value == pytest.approx(0.85)
    slow = drive(ramp(0.0), speed_mps=20.0)
    assert attack_metrics.time_to_success_floor(slow).value > 1.0


def test_how_visible_the_patch_is() -> None:
    run = drive(ramp(0.0))
    assert attack_metrics.patch_l1(run).value == pytest.approx(0.175)
    assert attack_metrics.patch_l2(run).value == pytest.approx(0.25)
    assert attack_metrics.patch_linf(run).value == pytest.approx(0.4)
    assert attack_metrics.patch_area_share(run).value == pytest.approx(0.5)


def test_without_a_benign_run_nothing_is_claimed() -> None:
    run = drive(ramp(1.0))
    lone = Recording(
        {name: value for name, value in run.channels.items() if name != "benign/offset_m"}, meta=run.meta
    )
    for name in ("attack_success", "time_to_success", "deviation_from_benign", "e2e_ld"):
        assert not getattr(attack_metrics, name)(lone).valid
