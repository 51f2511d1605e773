"""The benchmark's files are what the generating script writes, and what they say is what the authors said."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.files import LIBRARY, load, locate
from scenarios.results.drp_benchmark import RANGES, main, scenario, write
from simulator.world import InvalidInput

CONFIG = {
    "patch_width": 45,
    "patch_length": 300,
    "starting_meters": 7,
    "patch_lateral_shift": -1,
    "base_color": -0.366,
    "left_lane_pos": 6,
    "right_lane_pos": 36,
}


def test_there_are_eighty_and_sixteen() -> None:
    assert len(locate("drp80/*")) == 80
    subset = locate("drp16/*")
    assert len(subset) == 16
    assert set(subset) < set(locate("drp80/*"))
    for part in ("highway", "local", "left", "right"):
        assert sum(part in path.name for path in subset) == 8


@pytest.mark.parametrize("kind", sorted(RANGES))
def test_what_the_authors_fixed_is_kept_and_the_rest_is_within_its_ranges(kind: str) -> None:
    for number in range(1, 21):
        data = scenario(kind, number, "right", CONFIG)
        attack, layout = data["attack"], data["road"]["layout"]
        assert (attack["length_m"], attack["width_m"], attack["ahead_m"]) == (37.8, 5.7, 7.0)
        assert attack["lateral_m"] == pytest.approx(0.13)
        assert attack["direction"] == "right"
        # Y' = 128 (1 - 0.366) of 255
        assert data["surface"]["asphalt_brightness"] == pytest.approx(0.318)
        ranges = RANGES[kind]
        assert ranges.speed_mps[0] <= data["ego"]["speed_mps"] <= ranges.speed_mps[1]
        assert ranges.lane_width_m[0] <= layout["lane_width_m"] <= ranges.lane_width_m[1]
        assert abs(1 / data["road"]["segments"][0]["radius_m"]) <= ranges.curvature_per_m[1] + 1e-6


def test_both_directions_are_on_the_same_road() -> None:
    left, right = (scenario("local", 3, side, CONFIG) for side in ("left", "right"))
    assert left["road"] == right["road"]
    assert left["seed"] == right["seed"]


def test_every_fifth_road_has_something_to_collide_with() -> None:
    for kind in RANGES:
        for number in range(1, 21):
            for side in ("left", "right"):
                data = scenario(kind, number, side, CONFIG)
                assert ("cars" in data or "barriers" in data) == (number in (1, 6, 11, 16))
    meeting = scenario("local", 1, "left", CONFIG)
    (car,) = meeting["cars"]
    assert car["speed_mps"] == -meeting["ego"]["speed_mps"]
    assert car["offset_m"] == meeting["road"]["layout"]["lane_width_m"]
    # both drive to where they meet 1.5 s after time zero
    assert car["gap_m"] == pytest.approx(2 * 2.5 * meeting["ego"]["speed_mps"], abs=0.1)
    highway = scenario("highway", 6, "right", CONFIG)
    beside_m = 0.5 * highway["road"]["layout"]["lane_width_m"] + 1.0
    assert highway["barriers"] == {"right_m": pytest.approx(-beside_m, abs=0.006)}


def test_lines_that_are_not_there_are_not_painted() -> None:
    without = {**CONFIG, "right_lane_pos": None}
    assert scenario("local", 1, "left", without)["road"]["layout"]["edge"] == {"kind": "none"}
    dashes = scenario("local", 1, "left", CONFIG)["road"]["layout"]["edge"]
    assert dashes == {"kind": "broken", "width_m": 0.19, "dash_m": 2.9, "gap_m": 8.8}
    solid = scenario("highway", 1, "left", {**CONFIG, "left_solid": True})["road"]["layout"]
    assert solid["ego_lane"] == 0
    assert solid["left_edge"]["kind"] == "solid"


def test_every_file_is_a_scenario() -> None:
    for path in locate("drp16/*"):
        assert load(path).attack is not None


def test_the_script_writes_the_packaged_files(data: Path, tmp_path: Path) -> None:
    assert write(data / "drp_sc1" / "data" / "realworld_trace_configs.zip", tmp_path) == 80
    for path in sorted((tmp_path / "drp80").iterdir()):
        assert path.read_text() == (LIBRARY / "drp80" / path.name).read_text()


def test_another_archive_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "some.zip").write_bytes(b"PK")
    with pytest.raises(InvalidInput, match="not the published configurations"):
        write(tmp_path / "some.zip", tmp_path)
    assert main([str(tmp_path / "some.zip"), str(tmp_path)]) == 2
    assert "some.zip" in capsys.readouterr().err
