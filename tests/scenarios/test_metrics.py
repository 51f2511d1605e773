"""Metrics have the values that pencil and paper give; what cannot be computed is invalid, never absent."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios import metrics
from scenarios.metrics import MetricValue
from scenarios.registry import plugins
from simulator.recording import Channel, Recording

STEPS = 101
TIME_S = np.arange(STEPS) * 0.05
WHEELBASE_M = 2.65


def recording(**channels: Any) -> Recording:
    """A straight lane of 3.6 m, driven in the middle at 20 m/s, with some channels changed."""
    zero = np.zeros(STEPS)
    values: dict[str, Any] = {
        "truth/offset_m": zero,
        "truth/heading_error_rad": zero,
        "truth/curvature_per_m": zero,
        "truth/lane_left_m": zero + 1.8,
        "truth/lane_right_m": zero - 1.8,
        "truth/collided": zero.astype(bool),
        "state/x_m": 20.0 * TIME_S,
        "state/y_m": zero,
        "state/speed_mps": zero + 20.0,
        "state/yaw_rate_radps": zero,
        "decision/saturated": zero.astype(bool),
        "decision/desired_curvature_per_m": zero,
        "perception/lane_y_m": np.broadcast_to(np.array([5.4, 1.8, -1.8, -5.4])[:, None], (STEPS, 4, 33)),
        "perception/lane_prob": np.ones((STEPS, 4)),
        "benign/offset_m": zero,
        "patch/brightness": np.zeros((STEPS, 3)),
        "patch/similarity": np.ones(3),
    }
    values.update({name.replace("__", "/"): value for name, value in channels.items()})
    present = {name: value for name, value in values.items() if value is not None}
    return Recording(
        {name: Channel(value, "1", TIME_S[: len(value)]) for name, value in present.items()},
        meta={
            "wheelbase_m": WHEELBASE_M,
            "time_zero_s": 1.0,
            "latency_s": 0.0,
            "vehicle": "openpilot_0_6",
        },
    )


def ramp(end: float) -> np.ndarray[Any, Any]:
    return np.linspace(0.0, end, STEPS)


def test_offsets_of_a_ramp() -> None:
    run = recording(truth__offset_m=-ramp(1.0))
    assert metrics.lateral_offset_max(run) == MetricValue(1.0, "m")
    assert metrics.lateral_offset_p99(run).value == pytest.approx(0.99)
    assert metrics.lateral_offset_rms(run).value == pytest.approx(math.sqrt(np.mean(ramp(1.0) ** 2)))


def test_p99_is_the_percentile_of_the_absolute_offset() -> None:
    offset = np.zeros(STEPS)
    offset[10] = -5.0
    assert metrics.lateral_offset_p99(recording(truth__offset_m=offset)).value == pytest.approx(0.0)
    assert metrics.lateral_offset_max(recording(truth__offset_m=offset)).value == 5.0


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(("width_m", "threshold_m"), [(3.6, 0.735), (2.7, 0.285)])
def test_departure_is_where_the_published_threshold_is(
    side: float, width_m: float, threshold_m: float
) -> None:
    lane = {
        "truth__lane_left_m": np.full(STEPS, width_m / 2),
        "truth__lane_right_m": np.full(STEPS, -width_m / 2),
    }
    inside = recording(truth__offset_m=np.full(STEPS, side * (threshold_m - 0.001)), **lane)
    beyond = recording(truth__offset_m=np.full(STEPS, side * (threshold_m + 0.001)), **lane)
    assert metrics.lane_departure(inside).value == 0.0
    assert metrics.time_to_lane_departure(inside) == MetricValue(math.inf, "s")
    assert metrics.lane_departure(beyond).value == 1.0
    assert metrics.time_to_lane_departure(beyond).value == 0.0


def test_time_of_departure_on_a_ramp() -> None:
    """2 m in 5 s: 0.735 m are passed after 1.8375 s, in the frame at 1.85 s."""
    run = recording(truth__offset_m=ramp(2.0))
    assert metrics.time_to_lane_departure(run).value == pytest.approx(1.85)


def test_a_front_wheel_leaves_first() -> None:
    heading = 0.1
    front = WHEELBASE_M * math.sin(heading) + 1.065 * math.cos(heading)
    barely = recording(
        truth__offset_m=np.full(STEPS, 1.8 - front - 0.001), truth__heading_error_rad=np.full(STEPS, heading)
    )
    over = recording(
        truth__offset_m=np.full(STEPS, 1.8 - front + 0.001), truth__heading_error_rad=np.full(STEPS, heading)
    )
    assert metrics.lane_departure(barely).value == 0.0
    assert metrics.lane_departure(over).value == 1.0


def test_in_a_curve_the_front_is_further_out() -> None:
    """The lane bends left by wheelbase^2 / (2 R) until it is under the front axle."""
    bend = WHEELBASE_M**2 / (2 * 30.0)
    curve = {"truth__curvature_per_m": np.full(STEPS, 1 / 30.0)}
    assert metrics.lane_departure(recording(truth__offset_m=np.full(STEPS, -0.73), **curve)).value == 1.0
    assert (
        metrics.lane_departure(recording(truth__offset_m=np.full(STEPS, -0.73 + bend), **curve)).value == 0.0
    )


def test_circular_motion() -> None:
    run = recording(state__yaw_rate_radps=np.full(STEPS, -0.1))
    assert metrics.lateral_acceleration_max(run) == MetricValue(pytest.approx(2.0), "m/s^2")
    assert metrics.lateral_jerk_max(run).value == pytest.approx(0.0)
    assert metrics.lateral_jerk_max(recording(state__yaw_rate_radps=ramp(0.5))).value == pytest.approx(
        20 * 0.5 / 5
    )


def test_the_rest() -> None:
    saturated = np.arange(STEPS) < 25
    run = recording(
        decision__saturated=saturated, truth__collided=saturated, truth__heading_error_rad=ramp(-0.2)
    )
    assert metrics.steering_saturation(run).value == pytest.approx(25 / STEPS)
    assert metrics.collision(run).value == 1.0
    assert metrics.collision(recording()).value == 0.0
    assert metrics.heading_error_max(run).value == pytest.approx(0.2)
    assert metrics.heading_error_rms(run).value == pytest.approx(math.sqrt(np.mean(ramp(0.2) ** 2)))
    assert metrics.distance_driven(run).value == pytest.approx(100.0)


def test_the_warning_heeds_what_is_seen() -> None:
    lines = np.broadcast_to(np.array([5.4, 1.8, -1.8, -5.4])[:, None], (STEPS, 4, 33)).copy()
    lines[40:, 2] = -1.0
    seen = np.ones((STEPS, 4))
    blind = seen * np.array([1.0, 1.0, 0.3, 1.0])
    warned = metrics.time_to_lane_departure_warning
    assert warned(recording()).value == math.inf
    assert warned(recording(perception__lane_y_m=lines)).value == pytest.approx(2.0)
    assert warned(recording(perception__lane_y_m=lines, perception__lane_prob=blind)).value == math.inf


@pytest.mark.parametrize("name", plugins("metrics"))
def test_every_metric_needs_its_channels(name: str) -> None:
    measure = plugins("metrics")[name].load()
    assert measure(recording()).valid
    empty = measure(Recording({}))
    assert not empty.valid
    assert math.isnan(empty.value)
    assert empty.unit == measure(recording()).unit


@pytest.mark.parametrize("name", plugins("metrics"))
def test_a_recording_without_facts_is_measured_as_far_as_it_goes(name: str) -> None:
    whole = recording()
    value = plugins("metrics")[name].load()(Recording(whole.channels, whole.images))
    assert math.isnan(value.value) is not value.valid


def test_what_is_not_finite_is_invalid_or_a_departure() -> None:
    offset = np.zeros(STEPS)
    offset[50:] = np.nan
    run = recording(truth__offset_m=offset)
    assert not metrics.lateral_offset_max(run).valid
    assert not metrics.lateral_offset_p99(run).valid
    assert metrics.lane_departure(run).value == 1.0


@given(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.just(math.inf)))
def test_values_survive_json(value: float) -> None:
    assert MetricValue.from_json(MetricValue(value, "m").to_json()) == MetricValue(value, "m")


def test_invalid_survives_json_and_is_not_never() -> None:
    back = MetricValue.from_json(MetricValue.invalid("s").to_json())
    assert not back.valid
    assert math.isnan(back.value)
    assert [str(back), str(MetricValue(math.inf, "s")), str(MetricValue(0.25, "m"))] == [
        "invalid",
        "never",
        "0.250 m",
    ]
