"""The metrics of attacks, registered in ``pyproject.toml`` like anybody's."""

from __future__ import annotations

from scenarios.registry import Plugin


def _metric(name: str, summary: str) -> Plugin:
    return Plugin(name, summary, f"scenarios.attack_metrics:{name}")


ATTACK_SUCCESS = _metric(
    "attack_success", "Whether the car left its lane and the benign run's way within 2.5 s of time zero"
)
TIME_TO_SUCCESS = _metric("time_to_success", "When it did, from time zero [s]")
TIME_TO_SUCCESS_FLOOR = _metric(
    "time_to_success_floor", "How long steering to one side at the limits would take [s]"
)
DEVIATION_FROM_BENIGN = _metric(
    "deviation_from_benign", "Largest distance from the benign run within 2.5 s of time zero [m]"
)
E2E_LD = _metric("e2e_ld", "Largest distance from the lane's centre within 1 s of time zero [m]")
PATCH_L1 = _metric("patch_l1", "Mean change of brightness of the patch")
PATCH_L2 = _metric("patch_l2", "Root mean square change of brightness of the patch")
PATCH_LINF = _metric("patch_linf", "Largest change of brightness of the patch")
PATCH_AREA_SHARE = _metric("patch_area_share", "Share of the patch's cells that are changed")
