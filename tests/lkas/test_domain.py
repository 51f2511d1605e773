"""Whatever is drawn can be driven on and stays inside what the documentation says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lkas.domain import (
    ROAD_M,
    START_M,
    Motion,
    sample_camera,
    sample_layout,
    sample_motion,
    sample_scene,
    sample_segments,
    sample_speed,
    sample_style,
    sample_weather,
)
from simulator.roads.segments import Arc, Clothoid

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS)
def test_roads_can_be_driven_at_their_speed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    speed = sample_speed(rng)
    assert 3 <= speed <= 35
    segments = sample_segments(rng, speed)
    assert sum(s.length_m for s in segments) >= ROAD_M - 1e-9
    for segment in segments:
        if isinstance(segment, Arc):
            sharpest = 1 / abs(segment.radius_m)
        elif isinstance(segment, Clothoid):
            sharpest = max(abs(segment.start_per_m), abs(segment.end_per_m))
        else:
            sharpest = 0.0
        assert sharpest * speed**2 <= 3.5 + 1e-6
        assert sharpest <= 1 / 40 + 1e-9


@given(SEEDS, st.floats(3, 35))
def test_layouts_have_a_painted_lane_for_the_car(seed: int, speed_mps: float) -> None:
    layout = sample_layout(np.random.default_rng(seed), speed_mps)
    assert len(layout.paint) == len(layout.strips) + 1
    ego = layout.strips[layout.ego]
    assert (ego.kind, ego.direction) == ("driving", 1)
    assert 2.5 <= ego.width_m <= 4.0
    assert {"none"} != {layout.paint[layout.ego].kind, layout.paint[layout.ego + 1].kind}


@given(SEEDS)
@settings(max_examples=4)
def test_scenes_can_be_built_and_are_wide_enough(seed: int) -> None:
    rng = np.random.default_rng(seed)
    speed = sample_speed(rng)
    scene = sample_scene(rng, speed)
    width = float(scene.road.ego_lane.left_m[0] - scene.road.ego_lane.right_m[0])
    motion = sample_motion(rng, speed, width)
    assert 0 <= motion.start_m <= START_M
    assert abs(motion.offset_m) <= width / 2 - 0.4


@given(SEEDS)
def test_cameras_stay_near_the_calibrated_one(seed: int) -> None:
    mount = sample_camera(np.random.default_rng(seed)).mount
    assert 1.1 <= mount.z_m <= 1.35
    assert abs(mount.pitch_rad) <= math.radians(1.0) + 1e-12
    assert max(abs(mount.yaw_rad), abs(mount.roll_rad)) <= math.radians(0.5) + 1e-12


@given(SEEDS)
def test_marks_are_brighter_than_the_road(seed: int) -> None:
    rng = np.random.default_rng(seed)
    style, weather = sample_style(rng), sample_weather(rng)
    assert style.mark_brightness >= style.asphalt_brightness + 0.15
    assert 0 <= style.mark_wear <= 0.85
    assert -90 <= weather.sun_altitude_angle <= 90
    assert 0 <= weather.fog_density <= 100


def test_heading_swings_about_the_drift() -> None:
    motion = Motion(0.0, 0.0, 20.0, amplitude_rad=0.05, period_s=2.0, phase_rad=0.0, drift_rad=0.01)
    assert motion.heading_rad(0.0) == pytest.approx(0.06)
    assert motion.heading_rad(1.0) == pytest.approx(-0.04)
    assert motion.heading_rad(0.5) == pytest.approx(0.01)
