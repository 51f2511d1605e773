"""Maps as the server's world needs them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from simulator.carla.signals import LIGHT_TYPE, Region, RegionIndex
from simulator.carla.town import STRAIGHT, MapFolder, Town, straight_road
from simulator.world import InvalidInput

pytest.importorskip("carla")


@pytest.fixture(scope="module")
def town01(data: Path) -> Town:
    return Town(*MapFolder(data / "opendrive").read("Town01"))


def test_every_light_of_town01_governs_lanes_before_a_junction(town01: Town) -> None:
    lights = [signal for signal in town01.signals if signal.kind == LIGHT_TYPE]

    assert len(lights) == 36
    assert len({light.group for light in lights}) == 12
    for light in lights:
        assert light.regions
        for region in light.regions:
            waypoint = town01.waypoint(region.x_m, region.y_m)
            assert waypoint is not None
            ahead = waypoint.next(region.half_length_m + 2.0)
            assert any(way.is_junction for way in ahead)
            assert math.hypot(light.pose[0] - region.x_m, light.pose[1] - region.y_m) < 60.0


def test_spawn_points_stand_on_driving_lanes_apart_from_each_other(town01: Town) -> None:
    points = town01.spawn_points

    assert len(points) > 150
    for pose in points[::10]:
        waypoint = town01.waypoint(pose[0], pose[1])
        assert waypoint is not None
        assert (
            math.hypot(waypoint.transform.location.x - pose[0], waypoint.transform.location.y - pose[1]) < 0.1
        )
        assert not waypoint.is_junction


def test_a_region_holds_who_drives_its_way() -> None:
    index = RegionIndex([(Region(100.0, 50.0, math.pi / 2, 5.0, 1.75), 7)])

    assert index.at(101.0, 53.0, math.pi / 2) == [7]
    assert index.at(101.0, 53.0, -math.pi / 2) == []
    assert index.at(103.0, 53.0, math.pi / 2) == []
    assert index.at(101.0, 56.0, math.pi / 2) == []


def test_heights_are_those_of_the_road() -> None:
    hill = straight_road().replace(
        "<lanes>", '<elevationProfile><elevation s="0" a="2" b="0.05" c="0" d="0"/></elevationProfile><lanes>'
    )

    assert Town("hill", hill).ground_m(100.0, 1.75) == pytest.approx(7.0, abs=0.01)
    assert Town("flat", straight_road()).ground_m(100.0, 1.75) == 0.0


def test_maps_of_a_folder_are_offered_by_name(tmp_path: Path) -> None:
    (tmp_path / "Mine.xodr").write_text(straight_road(500.0), encoding="utf-8")
    folder = MapFolder(tmp_path)

    assert folder.names == ["Mine", STRAIGHT]
    assert folder.read("/Game/Carla/Maps/Mine")[0] == "Mine"
    assert folder.read("Mine_Opt")[1].startswith("<OpenDRIVE>")
    with pytest.raises(InvalidInput, match=r"there are: Mine, Straight"):
        folder.read("Town01")
    with pytest.raises(InvalidInput, match="is no folder"):
        MapFolder(tmp_path / "nowhere")
