"""Writes the attack scenarios ``drp80/*``: 20 highway and 20 local roads, attacked to either side.

From the authors' configurations (ASGuard-UCI/DRP-attack, ``realworld_trace_configs.zip``) come the patch's size,
distance and lateral shift, the brightness of the road and which lane lines are there and dashed. What they do not hold
is drawn once, from the ranges below. Run it again with::

    python -m scenarios.results.drp_benchmark realworld_trace_configs.zip scenarios/library
"""

from __future__ import annotations

import argparse
import json
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from simulator.world import InvalidInput

SEED = 2021
"""Of everything drawn."""

PIXEL_M = 3.6576 / 29
"""A pixel of the authors' view from above."""

DASH_M, PERIOD_M, LINE_M = 23 * PIXEL_M, 93 * PIXEL_M, 1.5 * PIXEL_M
"""Dashes as the authors paint them: length, period, width."""

BESIDE_M = 1.0
"""Barriers stand so far beyond the lane's border."""

MEETING_S = 1.5
"""After time zero an oncoming car passes."""

ROADS = 20
"""Of each kind."""

WEATHERS = ("ClearNoon", "CloudyNoon")


@dataclass(frozen=True)
class Ranges:
    """What is drawn for one kind of road, evenly between two values."""

    speed_mps: tuple[float, float]
    lane_width_m: tuple[float, float]
    curvature_per_m: tuple[float, float]


RANGES = {
    "highway": Ranges((28.0, 30.0), (3.55, 3.65), (-1 / 2500, 1 / 2500)),
    "local": Ranges((19.0, 21.0), (2.65, 2.80), (-1 / 1500, 1 / 1500)),
}
"""The published speeds are 29 and 20 m/s, the published thresholds those of lanes of 3.6 and 2.7 m."""

WARM_UP_S = 1.0
"""Up to time zero: 20 clean frames."""

DURATION_S = 4.0
"""The warm-up, 2.5 s that count, and half a second to see what comes of it."""


def scenario(kind: str, number: int, direction: str, config: dict[str, Any]) -> dict[str, Any]:
    """One scenario as it stands in its file.

    Args:
        kind: ``highway`` or ``local``.
        number: of the road, from 1.
        direction: ``left`` or ``right``.
        config: the authors'.
    """
    rng = np.random.default_rng([SEED, list(RANGES).index(kind), number])
    ranges = RANGES[kind]
    speed, width, curvature = (float(rng.uniform(*getattr(ranges, name))) for name in vars(ranges))
    bend = {"type": "arc", "length_m": 200.0, "radius_m": round(1 / curvature, 0)}
    return {
        "schema_version": 1,
        "description": f"Road {number} of 20 ({kind}) of the published evaluation, attacked to the {direction}.",
        "seed": number,
        "duration_s": DURATION_S,
        "road": {"type": "segments", "segments": [bend], "layout": layout(kind, round(width, 2), config)},
        "surface": {"asphalt_brightness": round(128 * (1 + config["base_color"]) / 255, 3)},
        "weather": str(rng.choice(WEATHERS)),
        "ego": {"speed_mps": round(speed, 1)},
        **(actors(kind, direction, round(width, 2), round(speed, 1)) if number % 5 == 1 else {}),
        "attack": {
            "type": "dirty_road",
            "budget": "paint",
            "direction": direction,
            "length_m": round(config["patch_length"] * PIXEL_M, 1),
            "width_m": round(config["patch_width"] * PIXEL_M, 1),
            "ahead_m": float(config["starting_meters"]),
            # columns of the authors' view from above go to the right
            "lateral_m": round(-config["patch_lateral_shift"] * PIXEL_M, 2) + 0.0,
        },
        "criteria": [{"metric": "attack_success", "min": 1, "optional": True}],
    }


def actors(kind: str, direction: str, lane_width_m: float, speed_mps: float) -> dict[str, Any]:
    """What there is to collide with, as in the published simulation: barriers, or an oncoming car on local roads."""
    if kind == "local" and direction == "left":
        way_m = 2 * speed_mps * (WARM_UP_S + MEETING_S)
        return {"cars": [{"gap_m": round(way_m, 1), "speed_mps": -speed_mps, "offset_m": lane_width_m}]}
    beside_m = round(0.5 * lane_width_m + BESIDE_M, 2)
    return {"barriers": {"left_m": beside_m} if direction == "left" else {"right_m": -beside_m}}


def layout(kind: str, lane_width_m: float, config: dict[str, Any]) -> dict[str, Any]:
    """The cross-section: which lines there are, and whether they are dashed."""
    left, right = (line(config, side) for side in ("left", "right"))
    if kind == "local":
        return {
            "type": "two_way",
            "lane_width_m": lane_width_m,
            "shoulder_m": 0.8,
            "centre": left,
            "edge": right,
        }
    # a solid line is the carriageway's edge
    lane = 0 if left["kind"] == "solid" else 2 if right["kind"] != "broken" else 1
    between = left if lane else right
    return {
        "type": "one_way",
        "lane_width_m": lane_width_m,
        "lane_count": 3,
        "ego_lane": lane,
        "between": between,
    } | ({"left_edge": left} if lane == 0 else {"right_edge": right} if lane == 2 else {})


def line(config: dict[str, Any], side: str) -> dict[str, Any]:
    """One border of the lane."""
    if config.get(f"{side}_lane_pos") is None:
        return {"kind": "none"}
    if config.get(f"{side}_solid"):
        return {"kind": "solid", "width_m": round(LINE_M, 2)}
    return {
        "kind": "broken",
        "width_m": round(LINE_M, 2),
        "dash_m": round(DASH_M, 1),
        "gap_m": round(PERIOD_M - DASH_M, 1),
    }


def write(configs: Path, library: Path) -> int:
    """Write all files; returns how many.

    Raises:
        InvalidInput: the archive cannot be read, or lacks a configuration.
    """
    count = 0
    try:
        archive = zipfile.ZipFile(configs)
        for kind in RANGES:
            for number in range(1, ROADS + 1):
                for direction in ("left", "right"):
                    member = f"realworld_trace_configs/{kind}/sc{number}/config_{direction}.json"
                    content = scenario(kind, number, direction, json.loads(archive.read(member)))
                    text = yaml.safe_dump(content, sort_keys=False, width=110, default_flow_style=None)
                    place = library / "drp80" / f"{kind}_{number:02d}_{direction}.yaml"
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_text(text, encoding="utf-8")
                    count += 1
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise InvalidInput(f"{configs}: these are not the published configurations ({error})") from error
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the library's files."""
    parser = argparse.ArgumentParser(description="Write the scenarios drp80/*.")
    parser.add_argument("configs", type=Path, help="realworld_trace_configs.zip")
    parser.add_argument("library", type=Path, help="folder that drp80 goes to")
    chosen = parser.parse_args(arguments)
    try:
        count = write(chosen.configs, chosen.library)
    except InvalidInput as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{count} scenarios written to {chosen.library}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
