"""What a recording looks like: lines and surfaces lie where the road, the patch and the cars are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator import sketch
from simulator.camera import CAMERAS
from simulator.recording import Channel, Recording
from simulator.roads.ahead import CAMERA_FOOT_M
from simulator.world import DISTANCES_M

RADIUS_M = 100.0
Array = NDArray[np.float64]


@pytest.fixture
def recording() -> Recording:
    """A left bend with a patch on it, driven for a second at 10 m/s."""
    s_m = np.arange(0.0, 60.0, 0.5)
    angle = s_m / RADIUS_M
    time_s = np.arange(20) * 0.05
    borders = np.broadcast_to(np.array([1.8, -1.8], np.float32)[None, :, None], (1, 2, len(s_m)))
    broken = {"kind": "broken", "dash_m": 3.0, "gap_m": 9.0, "color": "white", "width_m": 0.1}
    kinds = [{**broken, "kind": "solid"}, broken, {**broken, "kind": "none"}]
    lanes = np.stack([np.full((20, 33), y) for y in (np.nan, 1.8, -1.8, -5.4)], 1)
    channels = {
        "road/s_m": Channel(s_m, "m"),
        "road/x_m": Channel(RADIUS_M * np.sin(angle), "m"),
        "road/y_m": Channel(RADIUS_M * (1 - np.cos(angle)), "m"),
        "road/heading_rad": Channel(angle, "rad"),
        "road/lanes_m": Channel(borders, "m"),
        "road/marks_m": Channel(np.array([[1.8], [-1.8], [0.0]], np.float32).repeat(len(s_m), 1), "m"),
        "patch/brightness": Channel(np.zeros((20, 8), np.float32), "1"),
        "patch/place_m": Channel(np.array([10.0, 0.5, 20.0, 4.0]), "m"),
        "perception/distances_m": Channel(DISTANCES_M.numpy(), "m"),
        "perception/path_y_m": Channel(np.zeros((20, 33)), "m", time_s),
        "perception/lane_y_m": Channel(lanes, "m", time_s),
        "perception/lane_prob": Channel(np.full((20, 4), 0.5), "1", time_s),
        "truth/s_m": Channel(10.0 * time_s, "m", time_s),
        "benign/offset_m": Channel(np.full(15, 0.3), "m", time_s[:15]),
    }
    return Recording(channels, {}, {"marks": kinds})


def radii(points: Array) -> Array:
    return np.asarray(np.hypot(points[:, 0], points[:, 1] - RADIUS_M))


def test_asphalt_reaches_from_border_to_border(recording: Recording) -> None:
    surface = sketch.asphalt(recording)
    radius = radii(surface.points)
    assert radius.min() == pytest.approx(RADIUS_M - 1.8, abs=0.01)
    assert radius.max() == pytest.approx(RADIUS_M + 1.8, abs=0.01)
    a, b, c = (surface.points[surface.triangles[:, k]] for k in range(3))
    (x, y), (u, v) = (b - a).T, (c - a).T
    assert 0.5 * np.abs(x * v - y * u).sum() == pytest.approx(3.6 * 59.5, rel=1e-3)


def test_solid_marks_are_one_strip_and_broken_ones_many(recording: Recording) -> None:
    strips = sketch.marks(recording)
    lengths = [np.hypot(*np.diff(strip, axis=0).T).sum() for strip in strips]
    assert len(strips) == 1 + 5
    assert lengths[0] == pytest.approx(59.5 * (1 - 1.8 / RADIUS_M), rel=1e-3)
    assert max(lengths[1:]) < 3.1


def test_a_patch_lies_inside_its_outline(recording: Recording) -> None:
    patch, outline = sketch.patch(recording), sketch.patch_outline(recording)
    assert patch is not None
    assert outline is not None
    assert len(patch.points) == 160
    assert (outline[0] == outline[-1]).all()
    low, high = radii(outline).min(), radii(outline).max()
    assert (low, high) == pytest.approx((RADIUS_M - 2.5, RADIUS_M + 1.5), abs=0.01)
    assert low < radii(patch.points).min() < radii(patch.points).max() < high
    left = radii(patch.points[:1])[0]
    assert left == pytest.approx(RADIUS_M - 2.25, abs=0.01), "the first column is on the left"


def test_the_clean_car_is_as_far_along_as_the_attacked_one(recording: Recording) -> None:
    way = sketch.clean_way(recording)
    assert way is not None
    assert way.shape == (20, 3)
    np.testing.assert_allclose(radii(way[:15]), RADIUS_M - 0.3, atol=0.01)
    np.testing.assert_allclose(way[:15, 2], np.arange(15) * 0.5 / RADIUS_M, atol=1e-6)
    assert np.isnan(way[15:, :2]).all(), "it drove for a shorter time"


def test_a_part_of_a_drive_has_its_part_of_the_clean_one(recording: Recording) -> None:
    channels = dict(recording.channels)
    whole = channels["truth/s_m"]
    assert whole.time_s is not None
    channels["truth/s_m"] = Channel(whole.values[7:8], "m", whole.time_s[7:8])
    part = sketch.clean_way(Recording(channels, {}, recording.meta))
    both = sketch.clean_way(recording)
    assert part is not None
    assert both is not None
    np.testing.assert_array_equal(part, both[7:8])


def test_without_an_attack_there_is_nothing_of_it() -> None:
    empty = Recording({}, {}, {})
    assert sketch.patch(empty) is None
    assert sketch.patch_outline(empty) is None
    assert sketch.clean_way(empty) is None


def test_lane_lines_that_are_not_there_are_not_drawn(recording: Recording) -> None:
    belief = sketch.believed(recording, 3)
    assert len(belief.lanes) == len(belief.probabilities) == 3
    assert belief.path[:, 0].max() <= sketch.FARTHEST_M
    assert set(belief.lanes[0][:, 1]) == {1.8}


def test_the_foot_frame_is_ahead_of_the_rear_axle() -> None:
    pose = (3.0, 4.0, 0.5 * np.pi)
    points = np.array([[3.0, 4.0 + CAMERA_FOOT_M], [2.0, 14.0]])
    np.testing.assert_allclose(
        sketch.in_foot_frame(points, pose), [[0, 0], [10 - CAMERA_FOOT_M, 1]], atol=1e-12
    )


def test_only_what_is_in_view_is_in_the_picture() -> None:
    camera = CAMERAS["wide"]
    way = np.column_stack([np.arange(-5.0, 50.0), np.zeros(55)])
    seen = sketch.in_picture(camera, np.concatenate([way, [[50.0, 40.0]]]))
    assert ((seen >= 0) & (seen <= [camera.width, camera.height])).all()
    below, far = seen[:-1, 1], seen[-1]
    assert below[0] == pytest.approx(camera.height, abs=40), "it begins at the lower edge"
    ahead = seen[np.abs(seen[:, 0] - camera.cx) < 1, 1]
    assert (np.diff(ahead) < 0).all(), "what is nearer is lower"
    assert far[0] < 0.1 * camera.width, "it leaves the picture on the left"
