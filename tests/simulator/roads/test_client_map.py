"""The client survives what would end the process, and says nothing."""

from __future__ import annotations

import pytest

from simulator.roads.client_map import client_map
from simulator.roads.map_file import parse_map

pytest.importorskip("carla")

DAMAGE = {
    "lane link to no lane": ('<successor id="-1"/>', '<successor id="-44"/>'),
    "lane link to no number": ('<predecessor id="-1"/>', '<predecessor id="left"/>'),
    "road link to no road": ('elementId="1" contactPoint="end"', 'elementId="55" contactPoint="end"'),
    "road link without a contact point": (' contactPoint="end"/>', "/>"),
    "link to no junction": ('elementType="junction" elementId="9"', 'elementType="junction" elementId="10"'),
    "connection to no road": ('connectingRoad="3"', 'connectingRoad="33"'),
    "connection from no road": ('incomingRoad="1"', ""),
    "connection to no lane": ('<laneLink from="-1" to="-1"/>', '<laneLink from="-1" to="-6"/>'),
    "connection from no lane": ('<laneLink from="-1" to="-1"/>', '<laneLink from="8" to="-1"/>'),
    "no width": ('<width sOffset="0" a="3" b="0" c="0" d="0"/>', ""),
    "no header": ('<header revMajor="1" revMinor="4"/>', ""),
    "strange georeference": ("<header ", "<header><geoReference>nonsense</geoReference></header><header "),
    "a controller of no signal": (
        "</OpenDRIVE>",
        '<controller id="3"><control signalId="4"/></controller></OpenDRIVE>',
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_maps_are_survived_in_silence(
    crossing_map: str, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    old, new = DAMAGE[name]
    assert old in crossing_map
    root, roads = parse_map(crossing_map.replace(old, new), name)

    waypoint = client_map(name, root, roads).get_waypoint_xodr(1, -1, 99.0)
    ahead = waypoint.next(5.0)

    assert all(way.road_id in (2, 3) for way in ahead)
    assert capfd.readouterr() == ("", "")


def test_a_sound_map_keeps_its_links(crossing_map: str) -> None:
    root, roads = parse_map(crossing_map, "crossing")

    client = client_map("crossing", root, roads)

    assert {way.road_id for way in client.get_waypoint_xodr(1, -1, 99.0).next(5.0)} == {2, 3}
    assert {way.road_id for way in client.get_waypoint_xodr(3, -1, 19.0).next(5.0)} == {4}
    assert {way.road_id for way in client.get_waypoint_xodr(4, 1, 1.0).next(5.0)} == {3}
