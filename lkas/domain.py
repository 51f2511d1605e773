"""Domain randomisation: what roads, skies, cameras and motions a driver sees in training.

Everything is drawn wider than it will be driven on, so that driving is interpolation. Only ``dirt`` is a choice with a
meaning: how many units of brightness things on the road that are no lane marks may differ from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.camera import CAMERAS, Camera
from simulator.roads.layout import NO_PAINT, LaneLayout, Paint, Strip
from simulator.roads.segments import Arc, Clothoid, Line, Segment, build_road
from simulator.scene import Scene
from simulator.surface.style import SurfaceStyle
from simulator.weather import Weather

ROAD_M = 260.0
"""Length of a training road; the car starts somewhere in its first part."""

START_M = 100.0
"""Latest start."""


@dataclass(frozen=True)
class Motion:
    """How a car moves in a clip: along the lane, weaving.

    The heading relative to the lane is ``amplitude_rad * cos(2 pi t / period_s + phase_rad) + drift_rad``.

    Attributes:
        start_m: arc length where it starts.
        offset_m: lateral position where it starts.
        speed_mps: constant.
        amplitude_rad: of the heading.
        period_s: of the heading.
        phase_rad: of the heading.
        drift_rad: mean heading.
    """

    start_m: float
    offset_m: float
    speed_mps: float
    amplitude_rad: float
    period_s: float
    phase_rad: float
    drift_rad: float

    def heading_rad(self, time_s: float) -> float:
        """Heading relative to the lane."""
        return self.drift_rad + self.amplitude_rad * math.cos(
            2 * math.pi * time_s / self.period_s + self.phase_rad
        )


def sample_speed(rng: np.random.Generator) -> float:
    """Speed of a clip [m/s]: a third as slow as in tight bends, the rest up to 35."""
    return float(rng.uniform(4, 15) if rng.random() < 0.35 else rng.uniform(8, 35))


def sample_motion(rng: np.random.Generator, speed_mps: float, lane_width_m: float) -> Motion:
    """Mostly near the middle of the lane, sometimes far off or askew, so that the driver learns to recover."""
    room = min(1.2, 0.5 * lane_width_m - 0.4)
    if rng.random() < 0.35:
        offset, tilt = rng.uniform(-room, room), rng.uniform(-0.1, 0.1)
    else:
        offset, tilt = rng.normal(0, 0.2), rng.normal(0, 0.015)
    # nobody crosses a lane at speed within one second
    tilt *= min(1.0, 8.0 / speed_mps)
    return Motion(
        start_m=float(rng.uniform(0, START_M)),
        offset_m=float(np.clip(offset, -room, room)),
        speed_mps=speed_mps,
        amplitude_rad=float(tilt),
        period_s=float(rng.uniform(2.0, 6.0)),
        phase_rad=float(rng.uniform(0, 2 * math.pi)),
        drift_rad=float(rng.normal(0, 0.004)),
    )


def sample_camera(rng: np.random.Generator) -> Camera:
    """The model camera, mounted and calibrated as well as it gets in practice."""
    degree = math.pi / 180
    return CAMERAS["model"].with_mount(
        z_m=float(np.clip(rng.normal(1.22, 0.05), 1.1, 1.35)),
        pitch_rad=float(np.clip(rng.normal(0, 0.45), -1.0, 1.0)) * degree,
        yaw_rad=float(np.clip(rng.normal(0, 0.2), -0.5, 0.5)) * degree,
        roll_rad=float(np.clip(rng.normal(0, 0.2), -0.5, 0.5)) * degree,
    )


def sample_segments(rng: np.random.Generator, speed_mps: float) -> list[Segment]:
    """Lines, arcs and clothoids for a road driven at some speed, with at most 3.5 m/s^2 of lateral acceleration."""
    sharpest = min(1 / 40, 3.5 / speed_mps**2)
    segments: list[Segment] = []
    curvature, length = 0.0, 0.0
    while length < ROAD_M:
        if rng.random() < 0.25:
            target = 0.0
        else:
            # as many bends near the sharpest that the speed allows as gentle ones
            share = rng.uniform(0.2, 1) if rng.random() < 0.5 else math.exp(rng.uniform(math.log(0.02), 0))
            target = float(rng.choice([-1, 1]) * sharpest * share)
        ramp = float(rng.uniform(10, 80))
        hold = min(float(rng.uniform(20, 150)), 2.0 / max(abs(target), 1e-3))
        if rng.random() < 0.85 and target != curvature:
            segments.append(Clothoid(ramp, curvature, target))
            length += ramp
        segments.append(Arc(hold, 1 / target) if target else Line(hold))
        curvature, length = target, length + hold
    return segments


def sample_paint(rng: np.random.Generator, kinds: dict[str, float]) -> Paint:
    """One lane mark; ``kinds`` are OpenDRIVE's words with their weights."""
    weights = np.array(list(kinds.values()))
    kind = str(rng.choice(list(kinds), p=weights / weights.sum()))
    wide = rng.random() < 0.1
    return Paint(
        kind=kind,
        color=str(rng.choice(["white", "yellow", "orange"], p=[0.7, 0.26, 0.04])),
        width_m=float(rng.uniform(0.2, 0.3) if wide else rng.uniform(0.08, 0.2)),
        dash_m=float(rng.uniform(1.5, 6.0)),
        gap_m=float(rng.uniform(2.0, 12.0)),
    )


_OUTER = {"solid": 0.62, "broken": 0.12, "none": 0.14, "curb": 0.05, "solid solid": 0.04, "botts dots": 0.03}
_BETWEEN = {"broken": 0.7, "solid": 0.12, "botts dots": 0.05, "broken broken": 0.03, "solid broken": 0.05,
            "broken solid": 0.05}  # fmt: skip
_CENTRE = {
    "broken": 0.4,
    "solid": 0.2,
    "solid solid": 0.2,
    "solid broken": 0.07,
    "broken solid": 0.07,
    "none": 0.06,
}


def sample_layout(rng: np.random.Generator, speed_mps: float) -> LaneLayout:
    """One to four lanes one way, or two ways; widths, marks and shoulders of all kinds."""
    narrow = 2.5 if speed_mps < 22 else 2.7
    width = float(np.clip(rng.normal(3.3, 0.45), narrow, 4.0))
    two_way = speed_mps < 28 and rng.random() < 0.4
    count = int(rng.integers(1, 3)) if two_way else int(rng.integers(1, 5))
    forward = [Strip(width)] * count
    strips, ego = [*forward], int(rng.integers(count))
    outer = [sample_paint(rng, _OUTER) for _ in range(2)]
    lane_mark = sample_paint(rng, _BETWEEN)
    paint = [lane_mark] * (count - 1)
    if two_way:
        strips = [Strip(width, "driving", -1)] * count + strips
        paint = [*paint, sample_paint(rng, _CENTRE), *paint]
        ego += count
    paint = [outer[0], *paint, outer[1]]
    for left in (True, False):
        kind = str(rng.choice(["shoulder", "sidewalk", "none"], p=[0.7, 0.08, 0.22]))
        if kind != "none":
            strip = Strip(float(rng.uniform(0.3, 3.5)), kind)
            strips = [strip, *strips] if left else [*strips, strip]
            paint = [NO_PAINT, *paint] if left else [*paint, NO_PAINT]
            ego += left
    # somewhere the lane must show where it ends
    if paint[ego].kind == "none" and paint[ego + 1].kind == "none":
        paint[ego + int(rng.integers(2))] = sample_paint(rng, {"solid": 0.6, "broken": 0.4})
    return LaneLayout(tuple(strips), tuple(paint), ego)


def sample_weather(rng: np.random.Generator) -> Weather:
    """Any hour and any weather that a person would drive in."""
    hour = rng.random()
    altitude = (
        rng.uniform(10, 85) if hour < 0.66 else rng.uniform(-6, 10) if hour < 0.82 else rng.uniform(-60, -6)
    )
    raining, foggy, wet = rng.random() < 0.2, rng.random() < 0.15, rng.random() < 0.15
    return Weather(
        cloudiness=float(rng.uniform(0, 100)),
        precipitation=float(rng.uniform(10, 100)) if raining else 0.0,
        precipitation_deposits=float(rng.uniform(0, 100)) if raining or wet else 0.0,
        wind_intensity=float(rng.uniform(0, 100)),
        sun_azimuth_angle=float(rng.uniform(0, 360)),
        sun_altitude_angle=float(altitude),
        fog_density=float(rng.uniform(5, 55)) if foggy else 0.0,
        wetness=float(rng.uniform(0, 100)) if raining or wet else 0.0,
    )


def sample_style(rng: np.random.Generator) -> SurfaceStyle:
    """Asphalt and concrete, new and old, clean and cracked, open and under trees."""
    brightness = float(rng.uniform(0.15, 0.62))
    return SurfaceStyle(
        asphalt_brightness=brightness,
        asphalt_warmth=float(rng.uniform(-0.05, 0.08)),
        grain=float(rng.uniform(0.005, 0.06)),
        patchiness=float(rng.uniform(0, 0.05)),
        lane_contrast=float(rng.uniform(0, 0.05)),
        tyre_tracks=float(rng.uniform(0, 0.08)),
        seams=float(rng.uniform(0, 1)),
        cracks=float(rng.beta(1, 2)),
        stains=float(rng.beta(1, 2)),
        mark_brightness=float(rng.uniform(min(brightness + 0.2, 0.8), 1.0)),
        mark_wear=float(0.85 * rng.beta(1, 2.5)),
        tree_shadows=float(rng.uniform(0.1, 0.8)) if rng.random() < 0.3 else 0.0,
        verge=str(
            rng.choice(["grass", "dry_grass", "dirt", "concrete", "snow"], p=[0.35, 0.2, 0.2, 0.2, 0.05])
        ),
        skyline=str(rng.choice(["trees", "hills", "city", "plain"])),
    )


def sample_scene(rng: np.random.Generator, speed_mps: float) -> Scene:
    """One place to drive at some speed; clean, see ``lkas.dirt`` for what lies on the road."""
    road = build_road("training", sample_segments(rng, speed_mps), sample_layout(rng, speed_mps))
    return Scene(road, sample_style(rng), sample_weather(rng), seed=int(rng.integers(2**31)))
