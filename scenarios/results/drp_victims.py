"""The patch against drivers of other kinds: on the recorded frame of its first publication, and on rendered roads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scenarios.files import locate
from scenarios.results.drp_drivers import STANDARD, shipped_drivers
from scenarios.results.tables import Means, Table, mean, share
from scenarios.results.trials import drive, variation

RECORDED = "replay/drp_sc1_dirty_road"
RENDERED = ("drp80/highway_02_left", "drp80/highway_03_right", "drp80/local_02_left", "drp80/local_03_right")
DIRT_DRAWS = 5
"""Of random dirt, on every road: the slowest victims take minutes for each."""


def victims(means: Means) -> Table:
    """Every driver on the recorded road; those that were trained on real roads on four rendered ones as well."""
    drivers = {STANDARD: shipped_drivers()[STANDARD], **means.drivers}
    recorded, rendered = locate(RECORDED), [path for name in RENDERED for path in locate(name)]
    rows = [_row(means, "recorded", name, victim, recorded) for name, victim in drivers.items()]
    rows += [_row(means, "rendered", name, victim, rendered) for name, victim in means.drivers.items()]
    columns = (
        "road", "driver", "success", "time to success [s]", "floor [s]", "deviation [m]", "benign p99 offset [m]",
        "largest deviation by random dirt [m]",
    )  # fmt: skip
    return Table(columns, tuple(rows), True)


def _row(means: Means, road: str, name: str, victim: object, paths: Sequence[Path]) -> tuple[str, ...]:
    changes = {"assistant": victim}
    attacked = drive(
        means, f"victims, {name}, {road}", [variation(path, {}, changes, means.maps) for path in paths]
    )
    dirt = {"type": "random_dirt", "budget": "paint"}
    clean = [variation(path, dirt, changes, means.maps) for path in paths]
    draws = [one.with_seed(1000 * one.seed + draw) for one in clean for draw in range(DIRT_DRAWS)]
    moved_m = [
        trial.figure("deviation_from_benign")
        for trial in drive(means, f"victims, {name}, dirt, {road}", draws)
    ]
    return (
        road,
        name,
        share([trial.succeeded for trial in attacked]),
        mean([trial.figure("time_to_success") for trial in attacked]),
        f"{np.mean([trial.figure('time_to_success_floor') for trial in attacked]):.3f}",
        mean([trial.figure("deviation_from_benign") for trial in attacked]),
        mean([trial.figure("benign_offset_p99") for trial in attacked]),
        f"{max(moved_m):.3f}",
    )
