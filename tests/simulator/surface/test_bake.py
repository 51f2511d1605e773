"""Painted roads: marks where the road has them, the same scene the same bytes, look follows style."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from simulator.roads.layout import LaneLayout, Paint, Strip
from simulator.roads.road import Lane, Road
from simulator.roads.segments import Line, build_road
from simulator.scene import Scene
from simulator.surface.bake import as_far_as, bake, paint
from simulator.surface.grid import COLUMNS, LENGTH_M, lateral_m
from simulator.surface.style import SurfaceStyle
from simulator.surface.verge import VERGES
from simulator.weather import Weather

STRETCH = (0.0, 64.0)
PLAIN = SurfaceStyle(
    grain=0.0,
    patchiness=0.0,
    lane_contrast=0.0,
    tyre_tracks=0.0,
    seams=0.0,
    cracks=0.0,
    stains=0.0,
    mark_wear=0.0,
)


def road_with(left: Paint, right: Paint) -> Road:
    return build_road("test", [Line(80.0)], LaneLayout((Strip(3.6),), (left, right), 0))


def brightness_at(rgb: np.ndarray, d_m: float) -> np.ndarray:
    return rgb[:, :, int(np.abs(lateral_m() - d_m).argmin())]


def test_the_same_scene_gives_the_same_picture_and_another_seed_another() -> None:
    road = road_with(Paint("solid"), Paint("broken"))
    one, same, other = (paint(Scene(road, seed=seed), STRETCH)[1] for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.dtype == np.float32
    assert one.shape == (3, 512, COLUMNS)
    assert one.min() >= 0
    assert one.max() <= 1


def test_solid_marks_are_bright_all_along_and_dashes_for_their_share() -> None:
    road = road_with(Paint("solid", width_m=0.2), Paint("broken", width_m=0.2, dash_m=3.0, gap_m=5.0))
    _, rgb = paint(Scene(road, PLAIN), STRETCH)
    assert brightness_at(rgb, 1.8).mean(0).min() > 0.8
    painted = (brightness_at(rgb, -1.8).mean(0) - 0.4) / (brightness_at(rgb, 1.8).mean() - 0.4)
    assert painted.mean() == pytest.approx(3 / 8, abs=0.02)
    # every dash is whole: lengths of bright runs
    runs = np.diff(np.nonzero(np.diff(np.r_[0, painted > 0.5, 0].astype(int)))[0])[::2] * LENGTH_M
    assert np.allclose(runs[1:-1], 3.0, atol=2 * LENGTH_M)


def test_double_lines_have_a_gap_and_yellow_is_yellow() -> None:
    road = road_with(Paint("solid solid", "yellow", 0.14), Paint("solid"))
    _, rgb = paint(Scene(road, PLAIN), STRETCH)
    left, gap, right = (brightness_at(rgb, 1.8 + shift).mean(1) for shift in (0.14, 0.0, -0.14))
    for stroke in (left, right):
        assert stroke[0] > 0.6
        assert stroke[2] < 0.5 * stroke[0]
    assert abs(gap[0] - gap[2]) < 0.05


def test_mark_area_does_not_depend_on_where_texels_fall() -> None:
    for width in (0.10, 0.13, 0.3):
        none = Paint("none")
        strips = Strip(2.0, "shoulder"), Strip(3.6)
        layout = LaneLayout(strips, (none, Paint("solid", width_m=width), none), 1)
        road = build_road("shoulder", [Line(80.0)], layout)
        _, rgb = paint(Scene(road, PLAIN), STRETCH)
        near = np.abs(lateral_m() - 1.8) < 0.4
        excess = (rgb[0][:, near].mean(0) - 0.4 * 1.01).sum() * 0.04
        assert excess == pytest.approx(width * (0.9 - 0.404), rel=0.03)


def test_wear_takes_paint_away() -> None:
    road = road_with(Paint("solid"), Paint("solid"))
    left = [
        brightness_at(paint(Scene(road, dataclasses.replace(PLAIN, mark_wear=w)), STRETCH)[1], 1.8).mean()
        for w in (0.0, 0.4, 0.8)
    ]
    assert left[0] > left[1] + 0.05
    assert left[1] > left[2] + 0.05


@pytest.mark.parametrize("verge", VERGES)
def test_land_begins_beyond_the_road(verge: str) -> None:
    _, rgb = paint(
        Scene(road_with(Paint("solid"), Paint("solid")), dataclasses.replace(PLAIN, verge=verge)), STRETCH
    )
    on_road, beside = brightness_at(rgb, 0.0).mean(1), brightness_at(rgb, 6.0).mean(1)
    assert np.abs(on_road - beside).max() > 0.03


def test_trees_shade_only_in_the_sun() -> None:
    road = road_with(Paint("solid"), Paint("solid"))
    shaded = dataclasses.replace(PLAIN, tree_shadows=0.6)
    sunny, overcast = (paint(Scene(road, shaded, Weather(cloudiness=c)), STRETCH)[1] for c in (0.0, 100.0))
    clear = paint(Scene(road, PLAIN), STRETCH)[1]
    assert sunny.mean() < 0.85 * clear.mean()
    assert overcast.mean() == pytest.approx(clear.mean(), rel=0.01)


@pytest.mark.parametrize("azimuth", [0.0, 90.0])
def test_shadows_are_drawn_out_along_the_sun(azimuth: float) -> None:
    shaded = dataclasses.replace(PLAIN, tree_shadows=0.5)
    road = road_with(Paint("none"), Paint("none"))
    weather = Weather(cloudiness=0.0, sun_altitude_angle=20.0, sun_azimuth_angle=azimuth)
    rgb = paint(Scene(road, shaded, weather), STRETCH)[1][0]
    lane = rgb[:, np.abs(lateral_m()) < 1.5]
    # how much changes in half a metre along the road and across it
    along, across = np.abs(lane[4:] - lane[:-4]).mean(), np.abs(lane[:, 12:] - lane[:, :-12]).mean()
    assert along < 0.6 * across if azimuth == 0.0 else across < 0.6 * along


def test_a_road_looks_the_same_however_much_of_it_is_painted() -> None:
    road = build_road("long", [Line(2500.0)], LaneLayout.one_way(1, 0))
    whole, part = Scene(road, seed=3), Scene(as_far_as(road, 10.0), seed=3)
    assert part.road.length_m < 2000.0
    rgb = paint(part)[1]
    np.testing.assert_array_equal(rgb, paint(whole)[1][:, : rgb.shape[1]])


def test_nothing_is_painted_where_a_lane_has_ended() -> None:
    road = road_with(Paint("solid"), Paint("solid"))
    there = road.s_m < 30.0
    left, right = (np.where(there, d, np.nan) for d in (5.4, 1.8))
    joined = dataclasses.replace(road, lanes=(Lane(left, right), *road.lanes))
    rgb = paint(Scene(joined), STRETCH)[1]
    assert np.isfinite(rgb).all()
    # at first there is a lane on the left, then land
    beside = brightness_at(rgb, 3.6)
    assert np.ptp(beside[:, 20], axis=0) < np.ptp(beside[:, -20], axis=0)


def test_cracks_stains_and_seams_change_the_road() -> None:
    road = road_with(Paint("solid"), Paint("solid"))
    clear = paint(Scene(road, PLAIN), STRETCH)[1]
    for name in ("cracks", "stains", "seams", "tyre_tracks", "patchiness", "grain"):
        strength = 0.05 if name in ("patchiness", "grain", "tyre_tracks") else 1.0
        changed = paint(Scene(road, dataclasses.replace(PLAIN, **{name: strength})), STRETCH)[1]
        assert np.abs(changed - clear)[:, :, 250:390].max() > 0.02, name


def test_baked_levels_keep_the_mean() -> None:
    surface = bake(Scene(road_with(Paint("solid"), Paint("broken")), SurfaceStyle()), stretch=STRETCH)
    atlas, place = surface.albedo.atlas[0], surface.albedo
    finest = atlas[:, place.top[0, 0] :][:, : place.size[0, 0, 0], place.left[0, 0] :][
        :, :, : place.size[0, 0, 1]
    ]
    coarse = atlas[:, place.top[5, 0] :][:, : place.size[5, 0, 0], place.left[5, 0] :][
        :, :, : place.size[5, 0, 1]
    ]
    assert np.allclose(finest.mean((1, 2)), coarse.mean((1, 2)), atol=1e-5)
