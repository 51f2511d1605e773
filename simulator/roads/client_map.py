"""The CARLA client's map of an OpenDRIVE file, which knows what lane leads to which.

The client trusts its input: a link to a lane that does not exist ends the process, and it comments on stderr on what
does not matter here. It is therefore given only what says how lanes lie and connect, without links that lead nowhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from simulator.roads.map_file import MapRoad, MapSection
from simulator.world import InvalidInput

if TYPE_CHECKING:
    import carla

NEEDED = {
    "OpenDRIVE": ("header", "road", "junction"),
    "header": ("offset",),
    "road": ("link", "planView", "elevationProfile", "lanes"),
    "lane": ("link", "width"),
    "junction": ("connection",),
}
"""By element, the children that the client is given."""


def client_map(name: str, root: ElementTree.Element, roads: dict[int, MapRoad]) -> carla.Map:
    """Hand a map that ``parse_map`` accepted to the client.

    Args:
        name: for messages.
        root: the tree; changed.
        roads: what it says.

    Raises:
        InvalidInput: if the client refuses it.
    """
    import carla

    _strip(root)
    junctions = {junction.get("id") for junction in root.iterfind("junction")}
    for element, road in zip(root.iterfind("road"), roads.values(), strict=True):
        _drop_dead_links(element, road, roads, junctions)
    for junction in root.iterfind("junction"):
        _drop_dead_connections(junction, roads)
    header = root.find("header")
    if header is None:
        header = ElementTree.SubElement(root, "header", revMajor="1", revMinor="4")
    ElementTree.SubElement(header, "geoReference").text = "+proj=tmerc +lat_0=0 +lon_0=0"
    try:
        return carla.Map(name, ElementTree.tostring(root, encoding="unicode"))
    except (RuntimeError, IndexError) as error:
        raise InvalidInput(f"map {name!r}: the CARLA client cannot read it: {error}") from None


def _strip(root: ElementTree.Element) -> None:
    for tag, needed in NEEDED.items():
        for parent in list(root.iter(tag)):
            for child in list(parent):
                if child.tag not in needed:
                    parent.remove(child)
    for lane in root.iter("lane"):
        if lane.find("width") is None:
            ElementTree.SubElement(lane, "width", sOffset="0", a="0", b="0", c="0", d="0")


def _drop_dead_links(
    element: ElementTree.Element, road: MapRoad, roads: dict[int, MapRoad], junctions: set[str | None]
) -> None:
    """Remove links of a road and of its lanes to what does not exist."""
    beyond: dict[str, MapSection | None] = {"predecessor": None, "successor": None}
    for link in element.findall("link"):
        for target in list(link):
            if target.get("elementType") == "junction":
                alive = target.get("elementId") in junctions
            else:
                beyond[target.tag] = _edge(target, "elementId", roads)
                alive = beyond[target.tag] is not None
            if not alive:
                link.remove(target)
    for index, section in enumerate(element.iterfind("lanes/laneSection")):
        last = index == len(road.sections) - 1
        neighbours = {
            "predecessor": road.sections[index - 1] if index else beyond["predecessor"],
            "successor": beyond["successor"] if last else road.sections[index + 1],
        }
        for link in section.iterfind("*/lane/link"):
            for target in list(link):
                if not _has_lane(neighbours.get(target.tag), target.get("id")):
                    link.remove(target)


def _drop_dead_connections(junction: ElementTree.Element, roads: dict[int, MapRoad]) -> None:
    """Remove a junction's connections to roads, and between lanes, that do not exist."""
    for connection in junction.findall("connection"):
        edge = _edge(connection, "connectingRoad", roads)
        incoming = roads.get(_id(connection.get("incomingRoad")))
        if edge is None or incoming is None:
            junction.remove(connection)
            continue
        for link in connection.findall("laneLink"):
            known = any(_has_lane(section, link.get("from")) for section in incoming.sections)
            if not (known and _has_lane(edge, link.get("to"))):
                connection.remove(link)


def _edge(element: ElementTree.Element, key: str, roads: dict[int, MapRoad]) -> MapSection | None:
    """The lane section of another road that an element's contact point names."""
    road, contact = roads.get(_id(element.get(key))), element.get("contactPoint")
    if road is None or contact not in ("start", "end"):
        return None
    return road.sections[0 if contact == "start" else -1]


def _has_lane(section: MapSection | None, text: str | None) -> bool:
    return section is not None and _id(text) in section.lanes


def _id(text: str | None) -> int:
    """A road's or lane's id; -2**31, which none has, where the text is not one."""
    return int(text) if text and re.fullmatch("-?[0-9]{1,10}", text) else -(2**31)
