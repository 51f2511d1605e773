"""Where scenarios are driven, and by what kind of car."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenarios.build import vehicle_of
from scenarios.courses import course_of, road_of
from scenarios.files import check
from scenarios.runner import batches, run
from scenarios.schema import Scenario
from simulator.tiny_physics import DELAY_S
from simulator.world import InvalidInput


def scenario(length_m: float = 100.0, **changes: Any) -> Scenario:
    data = {
        "schema_version": 1,
        "duration_s": 2.0,
        "road": {"type": "segments", "segments": [{"type": "line", "length_m": length_m}]},
        "ego": {"speed_mps": 20.0},
        "assistant": "ground_truth",
    }
    return check({**data, **changes}, "data")


def plant(path: Path | str = "tinyphysics.onnx") -> dict[str, Any]:
    return {"speed_mps": 20.0, "plant": {"type": "tiny_physics", "path": str(path)}}


def test_a_made_up_course_is_driven_evenly() -> None:
    course = course_of(scenario())
    assert (course.road.length_m, course.speed_mps) == (100.0, 20.0)
    assert course.driven_m(1.5) == 30.0


def test_a_road_is_built_once_and_again_when_its_map_has_changed(tmp_path: Path) -> None:
    made = scenario()
    assert road_of(made) is road_of(made.with_seed(3))
    text = road_of(made).opendrive
    assert text is not None
    (tmp_path / "map.xodr").write_text(text)
    spec = {"type": "opendrive", "path": str(tmp_path / "map.xodr"), "road": 1, "lane": -1, "s_m": 60.0}
    mapped = scenario(road=spec)
    before = road_of(mapped)
    assert road_of(mapped) is before
    (tmp_path / "map.xodr").write_text(text.replace('name="', 'name="other '))
    after = road_of(mapped)
    assert after is not before
    np.testing.assert_array_equal(after.x_m, before.x_m)


def test_a_road_that_ends_early_is_refused_unless_the_run_shall_stop_there() -> None:
    with pytest.raises(InvalidInput, match=r"road: it ends after 30\.0 m"):
        road_of(scenario(30.0))
    assert road_of(scenario(30.0, on_road_end="stop")).length_m == 30.0


def test_of_a_long_road_only_what_is_needed_is_kept() -> None:
    road = road_of(scenario(20_000.0))
    assert 3 * 40.0 < road.length_m < 2000.0
    assert len(road.x_m) < 5000
    assert road_of(scenario(20_000.0, duration_s=300.0)).length_m > 9000.0


def test_a_car_starts_anywhere_on_any_lane_of_segments() -> None:
    segments = [{"type": "line", "length_m": 50.0}, {"type": "arc", "length_m": 100.0, "radius_m": 200.0}]
    layout = {"type": "one_way", "lane_count": 2, "ego_lane": 1}
    road = road_of(scenario(road={"type": "segments", "segments": segments, "layout": layout, "s_m": 60.0}))
    assert road.length_m == 90.0
    start = road.s_m == 0.0
    # ten metres into the arc, whose centre line the ego lane is
    place = road.x_m[start], road.y_m[start], road.heading_rad[start]
    expected = 50 + 200 * np.sin(0.05), 200 * (1 - np.cos(0.05)), 0.05
    assert np.ravel(place) == pytest.approx(expected, abs=1e-6)
    assert [lane.kind for lane in road.lanes if lane.left_m[0] > 1.8 + 1e-6] == ["shoulder", "driving"]


def test_segments_must_not_end_before_the_time_is_over() -> None:
    late = {"type": "segments", "segments": [{"type": "line", "length_m": 100.0}], "s_m": 70.0}
    with pytest.raises(InvalidInput, match=r"road: it ends after 30\.0 m"):
        road_of(scenario(road=late))
    with pytest.raises(InvalidInput, match=r"road: segments: s_m is 200"):
        road_of(scenario(road={**late, "s_m": 200.0}))


def test_assistants_know_how_late_a_learned_car_is() -> None:
    bicycle, learned = scenario(), scenario(ego=plant())
    assert vehicle_of(learned).predicted_delay_s == DELAY_S
    assert vehicle_of(bicycle).predicted_delay_s != DELAY_S
    assert batches([bicycle, learned, bicycle]) == [[0, 2], [1]]


def test_a_world_that_moves_cars_by_itself_takes_no_plant() -> None:
    with pytest.raises(InvalidInput, match=r"ego\.plant: world 'carla' moves the car by itself"):
        vehicle_of(scenario(ego=plant(), world="carla"))


def test_a_learned_car_drives(data: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra 'openpilot' is not installed")
    car = plant(data / "tinyphysics/tinyphysics.onnx")
    learned = scenario(ego=car)
    sampled = scenario(ego={**car, "plant": {**car["plant"], "sampled": True}})
    expected, one, again = (run([each])[0].recording for each in (learned, sampled, sampled))
    assert np.abs(expected["truth/offset_m"]).max() < 0.05
    assert np.abs(one["truth/offset_m"]).max() < 0.2
    assert one.to_bytes() == again.to_bytes()
    assert not np.array_equal(one["truth/offset_m"], expected["truth/offset_m"])
