"""Figures of the dirty road patch over its benchmark, and beside other attacks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.files import locate
from scenarios.results.tables import Means, Table, mean, share
from scenarios.results.trials import Trial, drive, variation, variations
from scenarios.schema import Scenario

BUDGETS = ("paint", "published")
DIRT_DRAWS = 20
"""Of random dirt, in the gate of each road."""

WORTH = 0.5
"""A scenario counts where the benign drive and random dirt use up no more than this share of its threshold."""

LEAST_COUNTED = 72
LEAST_SUCCESS, LEAST_EACH_WAY, MOST_TIMES_FLOOR = 0.975, 0.95, 1.25


@dataclass(frozen=True)
class Gate:
    """What moves the car of a scenario without an attack.

    Attributes:
        benign_m: p99 of the benign drive's offset.
        dirt_m: 95th percentile over draws of random dirt of the deviation from the benign drive.
        threshold_m: what an attack must bring about.
    """

    benign_m: float
    dirt_m: float
    threshold_m: float

    @property
    def counts(self) -> bool:
        """Whether an attack on this scenario says anything."""
        return max(self.benign_m, self.dirt_m) <= WORTH * self.threshold_m


def dirty_roads(path: Path) -> list[Scenario]:
    """Draws of random dirt of the larger budget, as many as there are; the same for both directions of a road."""
    attack = {"type": "random_dirt", "budget": "paint"}
    road = path.stem.rpartition("_")[0]
    alike = {"name": f"drp80/{road}", "cars": [], "barriers": {}}
    one = variation(path, attack, alike)
    return [one.with_seed(1000 * one.seed + draw) for draw in range(DIRT_DRAWS)]


def benchmark(means: Means) -> dict[str, list[tuple[Trial, Gate]]]:
    """Every scenario of ``drp80`` with its gate, by budget; the dirt in the gate is the same for all of them."""
    paths = locate("drp80/*")
    attacked = {
        budget: drive(means, f"drp80, {budget}", [variation(path, {"budget": budget}) for path in paths])
        for budget in BUDGETS
    }
    dirt = drive(means, "drp80, random dirt", [one for path in paths for one in dirty_roads(path)])
    moved_m = np.array([trial.figure("deviation_from_benign") for trial in dirt]).reshape(-1, DIRT_DRAWS)
    dirt_m = np.percentile(moved_m, 95, axis=1).tolist()
    return {
        budget: [
            (trial, Gate(trial.figure("benign_offset_p99"), moved, trial.figure("attack_threshold")))
            for trial, moved in zip(trials, dirt_m, strict=True)
        ]
        for budget, trials in attacked.items()
    }


def times(trials: Sequence[Trial]) -> tuple[list[float], list[float]]:
    """Times to success of those that succeeded, and what bang-bang steering would have taken."""
    done = [trial for trial in trials if trial.succeeded]
    return [t.figure("time_to_success") for t in done], [t.figure("time_to_success_floor") for t in done]


def drp80(means: Means) -> Table:
    """The whole benchmark with both budgets."""
    rows, met = [], True
    for budget, judged in benchmark(means).items():
        for part in ("", "highway", "local", "left", "right"):
            chosen = [(trial, gate) for trial, gate in judged if part in trial.scenario.name]
            counted = [trial for trial, gate in chosen if gate.counts]
            took_s, floor_s = times(counted)
            ratio = float(np.mean(took_s) / np.mean(floor_s)) if took_s else math.inf
            rate = len(took_s) / len(counted) if counted else 0.0
            if not part:
                met &= len(counted) >= LEAST_COUNTED
            if budget == "paint" and part in ("", "left", "right"):
                met &= rate >= (LEAST_EACH_WAY if part else LEAST_SUCCESS)
                met &= bool(part) or ratio <= MOST_TIMES_FLOOR
            rows.append(
                (
                    budget,
                    part or "all",
                    f"{len(counted)} of {len(chosen)}",
                    share([trial.succeeded for trial in counted]),
                    share([trial.succeeded for trial, _ in chosen]),
                    mean(took_s),
                    f"{np.mean(floor_s):.3f}" if floor_s else "",
                    f"{ratio:.2f}" if took_s else "",
                    mean([trial.work_s for trial, _ in chosen], 0),
                )
            )
    columns = (
        "budget", "scenarios", "counted", "success of those", "success of all", "time to success [s]", "floor [s]",
        "times the floor", "seconds to make and drive",
    )  # fmt: skip
    return Table(columns, tuple(rows), met)


def drp80_each(means: Means) -> Table:
    """Every scenario of the benchmark by itself."""
    rows, met = [], True
    for (paint, gate), (published, _) in zip(*benchmark(means).values(), strict=True):
        met &= paint.succeeded or not gate.counts
        rows.append(
            (
                paint.scenario.name.removeprefix("drp80/"),
                f"{gate.threshold_m:.3f}",
                f"{gate.benign_m:.3f}",
                f"{gate.dirt_m:.3f}",
                "yes" if gate.counts else "no",
                f"{paint.figure('time_to_success_floor'):.2f}",
                *(str(trial.metrics["time_to_success"]).removesuffix(" s") for trial in (paint, published)),
            )
        )
    columns = (
        "scenario", "threshold [m]", "benign p99 [m]", "random dirt p95 [m]", "counts", "floor [s]", "paint [s]",
        "published [s]",
    )  # fmt: skip
    return Table(columns, tuple(rows), met)


OURS = "staged (c)"
SCHEMES: dict[str, dict[str, Any]] = {
    "fixed point, lane bending (a)": {"coupling": "fixed_point", "objective": "lane_bending"},
    "fixed point (a)": {"coupling": "fixed_point"},
    "unrolled (b)": {"coupling": "unrolled"},
}
RIVALS: dict[str, dict[str, Any]] = {
    "drawn line": {"type": "drawn_line"},
    "single frame": {"type": "single_frame"},
}
CLEAN, DIRT = "clean", "random dirt of equal energy"


def drp16(means: Means) -> Table:
    """Controls, baselines and schemes; the schemes other than ours with the larger budget only."""
    rows, met = [], True
    for budget, attacks in {
        "paint": {**RIVALS, **SCHEMES, OURS: {}},
        "published": {**RIVALS, OURS: {}},
    }.items():
        found = {
            name: drive(means, f"drp16, {budget}, {name}", variations("drp16", {**attack, "budget": budget}))
            for name, attack in attacks.items()
        }
        dirty = {"type": "random_dirt", "budget": budget}
        dirt = [
            variation(path, {**dirty, "rms_brightness": round(trial.figure("patch_l2"), 6)})
            for path, trial in zip(locate("drp16/*"), found[OURS], strict=True)
        ]
        found = {DIRT: drive(means, f"drp16, {budget}, random dirt", dirt), **found}
        rows.append((budget, *clean_row(found[OURS])))
        rows += [(budget, *attack_row(name, trials)) for name, trials in found.items()]
        succeeded = {name: sum(trial.succeeded for trial in trials) for name, trials in found.items()}
        met &= all(succeeded[OURS] > succeeded[name] for name in (DIRT, *RIVALS))
    columns = (
        "budget", "attack", "success", "time to success [s]", "deviation [m]", "E2E-LD [m]", "PSLD [m]", "L2",
        "SSIM at 7 m",
    )  # fmt: skip
    return Table(columns, tuple(rows), met)


def attack_row(name: str, trials: Sequence[Trial]) -> tuple[str, ...]:
    """What the drives of one attack come to."""
    return (
        name,
        share([trial.succeeded for trial in trials]),
        mean([trial.figure("time_to_success") for trial in trials]),
        *(
            mean([trial.figure(metric) for trial in trials])
            for metric in ("deviation_from_benign", "e2e_ld", "psld", "patch_l2", "patch_ssim_7m")
        ),
    )


def clean_row(trials: Sequence[Trial]) -> tuple[str, ...]:
    """What the benign drives beside some attacks come to: no deviation from themselves, and the offset of bad days."""
    offset = mean([trial.figure("benign_offset_p99") for trial in trials])
    return (CLEAN, share([False] * len(trials)), "", "0", offset, "", "0", "1")
