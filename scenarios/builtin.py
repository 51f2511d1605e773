"""The built-in plugins, registered in ``pyproject.toml`` like anybody's: names, options, and where the code is."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from scenarios.registry import Options, Plugin, WorldOptions
from scenarios.store import file_hash


class EmbeddedOptions(WorldOptions):
    """The embedded world."""

    takes_plant: ClassVar[bool] = True

    type: Literal["embedded"]


EMBEDDED = Plugin(
    "embedded",
    "Deterministic world without server or GPU; many scenarios are stepped as one batch",
    "scenarios.factories:embedded",
    EmbeddedOptions,
    max_batch=64,
)


class GroundTruthOptions(Options):
    """The assistant that drives from the map."""

    type: Literal["ground_truth"]


class LaneKeepingOptions(Options):
    """The shipped driver.

    Attributes:
        weights: a name of ``lkas/weights``, or the path of a safetensors file.
    """

    type: Literal["lane_keeping"]
    weights: Annotated[str, Field(min_length=1, max_length=4096)] = "standard"

    def fingerprint(self) -> str:
        """Hash of the weights."""
        from lkas.driver import find_weights

        return file_hash(find_weights(self.weights))


GROUND_TRUTH = Plugin(
    "ground_truth",
    "Drives from the map: what perfect perception would do",
    "scenarios.factories:ground_truth",
    GroundTruthOptions,
    reads_truth=True,
)
LANE_KEEPING = Plugin(
    "lane_keeping",
    "The shipped recurrent lane-keeping network with openpilot's planner and controller",
    "scenarios.factories:lane_keeping",
    LaneKeepingOptions,
)


def _metric(name: str, summary: str) -> Plugin:
    return Plugin(name, summary, f"scenarios.metrics:{name}")


LATERAL_OFFSET_MAX = _metric("lateral_offset_max", "Largest distance from the lane's centre [m]")
LATERAL_OFFSET_RMS = _metric(
    "lateral_offset_rms", "Root mean square of the distance from the lane's centre [m]"
)
LATERAL_OFFSET_P99 = _metric(
    "lateral_offset_p99", "Distance from the lane's centre exceeded 1 % of the time [m]"
)
LANE_DEPARTURE = _metric("lane_departure", "Whether a wheel of a 2.13 m wide car is ever over the mark")
TIME_TO_LANE_DEPARTURE = _metric(
    "time_to_lane_departure", "When a wheel is over the mark for the first time [s]"
)
HEADING_ERROR_MAX = _metric("heading_error_max", "Largest angle between car and lane [rad]")
HEADING_ERROR_RMS = _metric("heading_error_rms", "Root mean square of the angle between car and lane [rad]")
LATERAL_ACCELERATION_MAX = _metric("lateral_acceleration_max", "Largest speed times yaw rate [m/s^2]")
LATERAL_JERK_MAX = _metric("lateral_jerk_max", "Largest change of the lateral acceleration [m/s^3]")
STEERING_SATURATION = _metric("steering_saturation", "Share of the time in which steering was at its limit")
COLLISION = _metric("collision", "Whether the car touched something")
TIME_TO_LANE_DEPARTURE_WARNING = _metric(
    "time_to_lane_departure_warning", "When the driver would be warned by what the assistant sees [s]"
)
DISTANCE_DRIVEN = _metric("distance_driven", "Length of the way [m]")
