"""The built-in metrics, registered in ``pyproject.toml`` like anybody's."""

from __future__ import annotations

from scenarios.registry import Plugin


def _metric(name: str, summary: str, module: str = "metrics") -> Plugin:
    return Plugin(name, summary, f"scenarios.{module}:{name}")


def _of_attack(name: str, summary: str) -> Plugin:
    return _metric(name, summary, "plugins.attack_metrics")


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
ATTACK_SUCCESS = _of_attack(
    "attack_success", "Whether the car left its lane and the benign run's way within 2.5 s of time zero"
)
ATTACK_THRESHOLD = _of_attack(
    "attack_threshold", "How far from the lane's centre a 2.13 m wide car's wheels reach the border [m]"
)
TIME_TO_SUCCESS = _of_attack("time_to_success", "When it did, from time zero [s]")
TIME_TO_SUCCESS_FLOOR = _of_attack(
    "time_to_success_floor", "How long steering to one side at the limits would take [s]"
)
DEVIATION_FROM_BENIGN = _of_attack(
    "deviation_from_benign", "Largest distance from the benign run within 2.5 s of time zero [m]"
)
E2E_LD = _of_attack("e2e_ld", "Largest distance from the lane's centre within 1 s of time zero [m]")
PSLD = _of_attack(
    "psld", "How far single frames within 1 s of time zero would move the car, meant over them [m]"
)
BENIGN_OFFSET_P99 = _of_attack(
    "benign_offset_p99", "Distance from the lane's centre exceeded 1 % of the benign run's time [m]"
)
PATCH_SSIM_30M = _of_attack("patch_ssim_30m", "Similarity with the clean road as seen 30 m before the patch")
PATCH_SSIM_15M = _of_attack("patch_ssim_15m", "Similarity with the clean road as seen 15 m before the patch")
PATCH_SSIM_7M = _of_attack("patch_ssim_7m", "Similarity with the clean road as seen 7 m before the patch")
PATCH_L1 = _of_attack("patch_l1", "Mean change of brightness of the patch")
PATCH_L2 = _of_attack("patch_l2", "Root mean square change of brightness of the patch")
PATCH_LINF = _of_attack("patch_linf", "Largest change of brightness of the patch")
PATCH_AREA_SHARE = _of_attack("patch_area_share", "Share of the patch's cells that are changed")
