"""Metrics of lane keeping: what a recording says about the driving, in SI units.

Every metric reads the recording alone, so it can be computed again years later without the world. One that cannot
be computed (a channel is missing, a value is not finite) is *invalid*: it is reported as such, and no criterion
on it is met.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lkas.safety import departure_warned
from simulator.recording import Recording

CAR_WIDTH_M = 2.13
"""Width of the car whose wheels must stay in the lane, as in the published thresholds of lane departure."""


@dataclass(frozen=True)
class MetricValue:
    """A figure.

    Attributes:
        value: ``inf`` for the time of something that never happened; NaN where the figure is not valid.
        unit: SI, ``1`` for shares and for yes (1) or no (0).
        valid: False if it could not be computed.
    """

    value: float
    unit: str
    valid: bool = True

    @classmethod
    def invalid(cls, unit: str) -> MetricValue:
        """A figure that could not be computed."""
        return cls(math.nan, unit, False)

    def to_json(self) -> dict[str, Any]:
        """As in ``metrics.json``. JSON has no infinity: ``null`` with ``"valid": true`` is *never*."""
        return {
            "value": self.value if math.isfinite(self.value) else None,
            "unit": self.unit,
            "valid": self.valid,
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> MetricValue:
        """The inverse of `to_json`."""
        if entry["value"] is None:
            return cls(math.inf, entry["unit"]) if entry["valid"] else cls.invalid(entry["unit"])
        return cls(float(entry["value"]), entry["unit"], bool(entry["valid"]))

    def __str__(self) -> str:
        if not self.valid:
            return "invalid"
        if math.isinf(self.value):
            return "never"
        return f"{self.value:.3f}" + ("" if self.unit == "1" else f" {self.unit}")


Metric = Callable[[Recording], MetricValue]


def metric(
    unit: str, *channels: str, meta: Sequence[str] = ()
) -> Callable[[Callable[[Recording], float]], Metric]:
    """Make a metric of a function that may rely on ``channels`` being there and holding at least one instant, and on
    the facts of ``meta``.
    """

    def decorate(function: Callable[[Recording], float]) -> Metric:
        @functools.wraps(function)
        def measured(recording: Recording) -> MetricValue:
            if any(name not in recording or not recording[name].size for name in channels) or any(
                name not in recording.meta for name in meta
            ):
                return MetricValue.invalid(unit)
            value = float(function(recording))
            return MetricValue.invalid(unit) if math.isnan(value) else MetricValue(value, unit)

        return measured

    return decorate


@metric("m", "truth/offset_m")
def lateral_offset_max(recording: Recording) -> float:
    """Largest distance of the rear axle's centre from the lane's centre."""
    return float(np.max(np.abs(recording["truth/offset_m"])))


@metric("m", "truth/offset_m")
def lateral_offset_rms(recording: Recording) -> float:
    """Root mean square of the distance from the lane's centre."""
    return math.sqrt(np.mean(np.square(recording["truth/offset_m"], dtype=np.float64)))


@metric("m", "truth/offset_m")
def lateral_offset_p99(recording: Recording) -> float:
    """The distance from the lane's centre that is exceeded during one percent of the time."""
    return float(np.percentile(np.abs(recording["truth/offset_m"]).astype(np.float64), 99))


WHEELS = (
    "truth/offset_m",
    "truth/heading_error_rad",
    "truth/curvature_per_m",
    "truth/lane_left_m",
    "truth/lane_right_m",
)


def wheels_over_mark(recording: Recording) -> NDArray[np.bool_]:
    """When a wheel is beyond its lane's border.

    The wheels of both axles are taken at ``CAR_WIDTH_M / 2`` to either side. Ahead of the rear axle by the
    wheelbase the lane has moved sideways by ``curvature * wheelbase**2 / 2``.

    Returns:
        ``(T,)``; an instant with an unknown offset counts as beyond.
    """
    offset, heading, curvature, left, right = (recording[name].astype(np.float64) for name in WHEELS)
    wheelbase_m = float(recording.meta["wheelbase_m"])
    front = offset + wheelbase_m * np.sin(heading) - 0.5 * curvature * (wheelbase_m * np.cos(heading)) ** 2
    half = 0.5 * CAR_WIDTH_M * np.cos(heading)
    inside = (np.maximum(offset, front) + half <= left) & (np.minimum(offset, front) - half >= right)
    return np.asarray(~inside)


def lane_known(recording: Recording) -> bool:
    """Whether anybody knows where the lane's borders are; of a recorded road perhaps nobody does."""
    return bool(np.isfinite(recording["truth/lane_left_m"]).any())


def _first_s(recording: Recording, channel: str, happened: NDArray[np.bool_]) -> float:
    """Time of the first instant at which something is so; inf if never."""
    time_s = recording.channels[channel].time_s
    assert time_s is not None
    return float(time_s[np.argmax(happened)]) if happened.any() else math.inf


@metric("s", *WHEELS, meta=("wheelbase_m",))
def time_to_lane_departure(recording: Recording) -> float:
    """When a wheel of a 2.13 m wide car is over the mark for the first time."""
    if not lane_known(recording):
        return math.nan
    return _first_s(recording, "truth/offset_m", wheels_over_mark(recording))


@metric("1", *WHEELS, meta=("wheelbase_m",))
def lane_departure(recording: Recording) -> float:
    """Whether a wheel ever is over the mark."""
    if not lane_known(recording):
        return math.nan
    return float(wheels_over_mark(recording).any())


@metric("rad", "truth/heading_error_rad")
def heading_error_max(recording: Recording) -> float:
    """Largest angle between the car and its lane."""
    return float(np.max(np.abs(recording["truth/heading_error_rad"])))


@metric("rad", "truth/heading_error_rad")
def heading_error_rms(recording: Recording) -> float:
    """Root mean square of the angle between the car and its lane."""
    return math.sqrt(np.mean(np.square(recording["truth/heading_error_rad"], dtype=np.float64)))


MOTION = ("state/speed_mps", "state/yaw_rate_radps")


def _lateral_acceleration(recording: Recording) -> NDArray[np.float64]:
    return np.asarray(recording["state/speed_mps"].astype(np.float64) * recording["state/yaw_rate_radps"])


@metric("m/s^2", *MOTION)
def lateral_acceleration_max(recording: Recording) -> float:
    """Largest speed times yaw rate."""
    return float(np.max(np.abs(_lateral_acceleration(recording))))


@metric("m/s^3", *MOTION)
def lateral_jerk_max(recording: Recording) -> float:
    """Largest change of the lateral acceleration from one camera frame to the next, per second."""
    time_s = recording.channels["state/speed_mps"].time_s
    if time_s is None or len(time_s) < 2:
        return math.nan
    return float(np.max(np.abs(np.diff(_lateral_acceleration(recording)) / np.diff(time_s))))


@metric("1", "decision/saturated")
def steering_saturation(recording: Recording) -> float:
    """Share of the time during which the controller could not give what the planner wanted."""
    return float(np.mean(recording["decision/saturated"]))


@metric("1", "truth/collided")
def collision(recording: Recording) -> float:
    """Whether the car ever touched something."""
    return float(recording["truth/collided"].any())


@metric("s", "perception/lane_y_m", "perception/lane_prob")
def time_to_lane_departure_warning(recording: Recording) -> float:
    """When the driver would be warned: a lane line seen with a probability over 0.5 is nearer than 1.08 m."""
    warned = departure_warned(recording["perception/lane_y_m"], recording["perception/lane_prob"])
    return _first_s(recording, "perception/lane_y_m", warned)


@metric("m", "state/x_m", "state/y_m")
def distance_driven(recording: Recording) -> float:
    """Length of the way."""
    return float(np.sum(np.hypot(np.diff(recording["state/x_m"]), np.diff(recording["state/y_m"]))))
