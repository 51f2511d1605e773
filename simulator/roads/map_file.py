"""What an OpenDRIVE file says, number by number: plan view, elevation, lane widths, marks.

The CARLA client knows which lane leads where, but hands out positions one at a time, in single precision and without
dash patterns. The file's own polynomials are evaluated here for whole arrays, in double precision.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from simulator.roads.plan_view import Array, Cubics, PlanView, complex_cubic
from simulator.world import InvalidInput

HUGE = 1e7
"""Numbers of a map beyond this are taken for a mistake."""

LONGEST_ROAD_M = 100_000.0
"""So are roads longer than this."""


@dataclass(frozen=True)
class MapMark:
    """A road mark from some arc length of its lane section on; words as in ``LaneMark``, but named from left to right
    in the direction of rising s.
    """

    start_m: float
    kind: str
    color: str
    width_m: float
    dash_m: float
    gap_m: float


@dataclass(frozen=True)
class MapLane:
    """One lane of one lane section.

    Attributes:
        lane_id: positive left of the reference line.
        kind: OpenDRIVE's word.
        shape: its width or, if ``absolute``, the lateral position of its outer border; over s from the section's start.
        absolute: which of the two.
        marks: on its outer border (lane 0: on itself), by rising start.
    """

    lane_id: int
    kind: str
    shape: Cubics
    absolute: bool
    marks: tuple[MapMark, ...]

    def mark_index(self, s_m: Array) -> NDArray[np.int64]:
        """``(S,)`` which mark holds at an arc length from the section's start; -1 for none."""
        return np.searchsorted([mark.start_m for mark in self.marks], s_m + 1e-9, side="right") - 1


@dataclass(frozen=True)
class MapSection:
    """A lane section.

    Attributes:
        start_m: arc length of the road where it begins.
        end_m: where it ends.
        lanes: by id, lane 0 among them.
    """

    start_m: float
    end_m: float
    lanes: dict[int, MapLane]

    def borders(self, s_m: Array) -> dict[int, tuple[Array, Array]]:
        """Inner and outer border of every lane but 0, relative to lane 0.

        Args:
            s_m: ``(S,)`` arc length of the road.

        Returns:
            lane id to two ``(3, S)`` arrays: lateral position, positive left, and its two derivatives.
        """
        u = s_m - self.start_m
        result = {}
        for side in (1, -1):
            inner = np.zeros((3, len(s_m)))
            for lane_id in sorted((key for key in self.lanes if key * side > 0), key=abs):
                lane = self.lanes[lane_id]
                shape = lane.shape.at(u)
                outer = shape if lane.absolute else inner + side * shape
                result[lane_id] = inner, outer
                inner = outer
        return result


@dataclass(frozen=True)
class MapRoad:
    """One road of a map.

    Attributes:
        road_id: the file's.
        length_m: of the reference line.
        in_junction: whether it is a path across a junction.
        plan: reference line.
        elevation: [m].
        offset: lateral position of lane 0 [m].
        sections: by rising s.
    """

    road_id: int
    length_m: float
    in_junction: bool
    plan: PlanView
    elevation: Cubics
    offset: Cubics
    sections: tuple[MapSection, ...]

    def section_index(self, s_m: float) -> int:
        """Which section an arc length lies in."""
        return max(0, bisect_right([section.start_m for section in self.sections], s_m) - 1)


def read_text(source: str | Path) -> tuple[str, str]:
    """The text of a map and a name for messages; ``source`` is a path, or the text itself if it begins with ``<``."""
    if isinstance(source, str) and source.lstrip("\ufeff \t\r\n").startswith("<"):
        return source.lstrip("\ufeff \t\r\n"), "map"
    path = Path(source)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InvalidInput(
            f"map {str(path)!r} does not exist; give the path of an OpenDRIVE (.xodr) file"
        ) from None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"map {str(path)!r} cannot be read as text: {error}") from None
    return text, path.stem


def parse_map(text: str, name: str) -> tuple[ElementTree.Element, dict[int, MapRoad]]:
    """Read every road of an OpenDRIVE text.

    Everything is checked that the CARLA client would crash on.

    Returns:
        the XML tree, and the roads by id.

    Raises:
        InvalidInput: naming the map, the road and the field.
    """
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise InvalidInput(f"map {name!r} is not well-formed XML: {error}") from None
    if root.tag != "OpenDRIVE":
        raise InvalidInput(
            f"map {name!r} is not OpenDRIVE: its root element is <{root.tag}>, not <OpenDRIVE>"
        )
    roads: dict[int, MapRoad] = {}
    for element in root.findall("road"):
        where = f"map {name!r}, road {element.get('id')!r}"
        road = _road(element, where)
        if road.road_id in roads:
            raise InvalidInput(f"{where}: the id is used twice")
        roads[road.road_id] = road
    if not roads:
        raise InvalidInput(f"map {name!r} has no <road>")
    return root, roads


def _road(element: ElementTree.Element, where: str) -> MapRoad:
    length_m = _number(element, "length", where)
    if not 0 < length_m <= LONGEST_ROAD_M:
        raise InvalidInput(
            f"{where}: length is {length_m:g}, but must be positive and at most {LONGEST_ROAD_M:g}"
        )
    starts = [_number(item, "s", where) for item in element.iterfind("lanes/laneSection")]
    if not starts or starts[0] > 1e-3 or any(a >= b for a, b in pairwise([*starts, length_m])):
        raise InvalidInput(
            f"{where}: lane sections begin at {starts}, but must rise from 0 to below {length_m:g}"
        )
    sections = [
        _section(item, start, end, where)
        for item, start, end in zip(
            element.iterfind("lanes/laneSection"), starts, [*starts[1:], length_m], strict=True
        )
    ]
    return MapRoad(
        road_id=_integer(element, "id", where),
        length_m=length_m,
        in_junction=element.get("junction", "-1") not in ("-1", ""),
        plan=_plan(element, length_m, where),
        elevation=_cubics(element.findall("elevationProfile/elevation"), "s", where),
        offset=_cubics(element.findall("lanes/laneOffset"), "s", where),
        sections=tuple(sections),
    )


def _section(element: ElementTree.Element, start_m: float, end_m: float, where: str) -> MapSection:
    where = f"{where}, lane section at s={start_m:g}"
    lanes = {lane.lane_id: lane for item in element.iterfind("*/lane") if (lane := _lane(item, where))}
    ids = sorted(lanes)
    if 0 not in lanes or ids != list(range(ids[0], ids[-1] + 1)):
        raise InvalidInput(
            f"{where}: lane ids are {ids}, but must follow one another without a gap, 0 among them"
        )
    return MapSection(start_m, end_m, lanes)


def _lane(element: ElementTree.Element, where: str) -> MapLane:
    lane_id = _integer(element, "id", where)
    where = f"{where}, lane {lane_id}"
    widths, borders = element.findall("width"), element.findall("border")
    marks = [_mark(item, lane_id, where) for item in element.iterfind("roadMark")]
    return MapLane(
        lane_id=lane_id,
        kind=element.get("type", "none"),
        shape=_cubics(widths or borders, "sOffset", where),
        absolute=bool(borders and not widths),
        marks=tuple(sorted(marks, key=lambda mark: mark.start_m)),
    )


def _mark(element: ElementTree.Element, lane_id: int, where: str) -> MapMark:
    kind, color = element.get("type", "none"), element.get("color", "standard")
    lines = sorted(element.findall("type/line"), key=lambda line: -_number(line, "tOffset", where, 0.0))
    spaces = [_number(line, "space", where, 0.0) for line in lines]
    strokes = ["broken" if space > 0 else "solid" for space in spaces]
    if len(lines) == 2 and lines[0].get("tOffset") != lines[1].get("tOffset"):
        kind = " ".join(strokes)
    elif kind == "custom":
        kind = strokes[0] if strokes else "none"
    elif kind.count(" ") == 1 and kind != "botts dots" and lane_id > 0:
        # named from the inside of the road to the outside; left of lane 0 that is from right to left
        kind = " ".join(reversed(kind.split()))
    dashed = [line for line, space in zip(lines, spaces, strict=True) if space > 0]
    width_m = _number(element, "width", where, 0.3 if element.get("weight") == "bold" else 0.15)
    return MapMark(
        start_m=_number(element, "sOffset", where, 0.0),
        kind="none" if kind == "edge" else kind,
        color="white" if color == "standard" else color,
        width_m=(_number(lines[0], "width", where, 0.0) if lines else 0.0) or width_m,
        dash_m=_number(dashed[0], "length", where) if dashed else 3.0,
        gap_m=_number(dashed[0], "space", where) if dashed else 9.0,
    )


def _plan(element: ElementTree.Element, length_m: float, where: str) -> PlanView:
    pieces = element.findall("planView/geometry")
    if not pieces:
        raise InvalidInput(f"{where}: planView has no <geometry>")
    rows: list[tuple[float, ...]] = []
    cubics = {}
    for index, piece in enumerate(pieces):
        s, x, y, heading, length = (_number(piece, key, where) for key in ("s", "x", "y", "hdg", "length"))
        start = end = 0.0
        shape = piece[0] if len(piece) else piece
        match shape.tag:
            case "line":
                pass
            case "arc":
                start = end = _number(shape, "curvature", where)
            case "spiral":
                start, end = _number(shape, "curvStart", where), _number(shape, "curvEnd", where)
            case "paramPoly3" | "poly3":
                cubics[index] = _parametric(shape, length, where)
            case _:
                raise InvalidInput(
                    f"{where}: geometry at s={s:g} is <{shape.tag}>, "
                    "but must be a line, arc, spiral, poly3 or paramPoly3"
                )
        if length < 0 or s > length_m + 1e-3 or (rows and s < rows[-1][0]):
            raise InvalidInput(
                f"{where}: geometry at s={s:g} of length {length:g} does not follow the one before it"
            )
        if length * max(abs(start), abs(end)) > 100:
            raise InvalidInput(
                f"{where}: geometry at s={s:g} turns round and round: its curvature is too large"
            )
        rows.append((s, x, y, heading, length, start, (end - start) / max(length, 1e-6)))
    s_m, x_m, y_m, heading_rad, lengths, curvature, rate = np.array(rows).T
    return PlanView(s_m, x_m + 1j * y_m, heading_rad, lengths, curvature, rate, cubics)


def _parametric(element: ElementTree.Element, length_m: float, where: str) -> tuple[Array, Array, Array]:
    """Coefficients of u and v, and a table of arc length against the parameter."""
    if element.tag == "poly3":
        v = [_number(element, key, where) for key in "abcd"]
        coefficients = np.array([[0.0, 1.0, 0.0, 0.0], v])
    else:
        coefficients = np.array([[_number(element, key + axis, where) for key in "abcd"] for axis in "UV"])
    normalized = element.tag == "paramPoly3" and element.get("pRange", "normalized") == "normalized"
    parameter = np.linspace(0.0, 1.0 if normalized else max(length_m, 1e-6), 2001)
    speed = np.abs(complex_cubic(coefficients, parameter)[1])
    if not np.all(speed > 1e-6):
        raise InvalidInput(f"{where}: a {element.tag} stands still: its slope must nowhere be 0")
    lengths = np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * np.diff(parameter))])
    if normalized:
        lengths *= length_m / lengths[-1]
    elif element.tag == "paramPoly3":
        lengths = parameter
    return coefficients, lengths, parameter


def _cubics(elements: list[ElementTree.Element], start: str, where: str) -> Cubics:
    rows = [[_number(item, key, where) for key in (start, "a", "b", "c", "d")] for item in elements]
    table = np.array(sorted(rows)).reshape(-1, 5)
    return Cubics(table[:, 0], table[:, 1:])


def _number(element: ElementTree.Element, key: str, where: str, default: float | None = None) -> float:
    text = element.get(key)
    if text is None:
        if default is None:
            raise InvalidInput(f"{where}: <{element.tag}> has no {key}")
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= HUGE:
        raise InvalidInput(
            f"{where}: {key} of <{element.tag}> is {text[:40]!r}, but must be a number of at most {HUGE:g}"
        )
    return value


def _integer(element: ElementTree.Element, key: str, where: str) -> int:
    text = element.get(key, "")
    if not re.fullmatch("-?[0-9]{1,10}", text) or abs(int(text)) > 2**31 - 1:
        raise InvalidInput(
            f"{where}: {key} of <{element.tag}> is {text[:40]!r}, but the CARLA client needs an integer"
        )
    return int(text)
