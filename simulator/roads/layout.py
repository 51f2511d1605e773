"""LaneLayout: what lies side by side on a road built from segments, and how it is painted.

Everything is listed from left to right as the driver sees it, and is the same along the whole road.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.roads.road import Lane, LaneMark
from simulator.world import InvalidInput

LANE_KINDS = ("driving", "shoulder", "sidewalk", "border", "parking", "median", "biking")
"""OpenDRIVE's words for lanes that a layout may use."""

MARK_KINDS = (
    "none",
    "solid",
    "broken",
    "solid solid",
    "solid broken",
    "broken solid",
    "broken broken",
    "botts dots",
    "curb",
    "grass",
)
"""OpenDRIVE's words for marks that a layout may use; of a pair the left stroke is named first."""

MARK_COLORS = ("white", "yellow", "orange", "red", "blue", "green", "standard")
"""OpenDRIVE's words for paint; ``standard`` is white."""


def check_number(where: str, name: str, value: float, low: float, high: float) -> None:
    """Refuse a number that is not finite or lies outside ``[low, high]``.

    Raises:
        InvalidInput: naming the place, the field, the value and what would be accepted.
    """
    if not (math.isfinite(value) and low <= value <= high):
        raise InvalidInput(f"{where}: {name} is {value}, but must be between {low:g} and {high:g}")


def check_word(where: str, name: str, value: str, accepted: tuple[str, ...]) -> None:
    """Refuse a word that is not on a list.

    Raises:
        InvalidInput: naming the place, the field, the value and what would be accepted.
    """
    if value not in accepted:
        raise InvalidInput(f"{where}: {name} is {value!r}, but must be one of {', '.join(accepted)}")


@dataclass(frozen=True)
class Strip:
    """One lane of a layout.

    Attributes:
        width_m: from border to border.
        kind: one of ``LANE_KINDS``.
        direction: +1 if its traffic goes the way of the ego car, -1 if it comes towards it.
    """

    width_m: float = 3.6
    kind: str = "driving"
    direction: int = 1

    def __post_init__(self) -> None:
        check_number("lane", "width_m", self.width_m, 0.1, 100.0)
        check_word("lane", "kind", self.kind, LANE_KINDS)
        if self.direction not in (1, -1):
            raise InvalidInput(f"lane: direction is {self.direction}, but must be 1 or -1")


@dataclass(frozen=True)
class Paint:
    """What is painted on one border of a layout; attributes as those of ``LaneMark``."""

    kind: str = "solid"
    color: str = "white"
    width_m: float = 0.15
    dash_m: float = 3.0
    gap_m: float = 9.0

    def __post_init__(self) -> None:
        check_word("mark", "kind", self.kind, MARK_KINDS)
        check_word("mark", "color", self.color, MARK_COLORS)
        check_number("mark", "width_m", self.width_m, 0.01, 1.0)
        check_number("mark", "dash_m", self.dash_m, 0.05, 100.0)
        check_number("mark", "gap_m", self.gap_m, 0.0, 100.0)


SOLID_WHITE = Paint("solid")
BROKEN_WHITE = Paint("broken")
SOLID_YELLOW = Paint("solid", "yellow")
BROKEN_YELLOW = Paint("broken", "yellow")
NO_PAINT = Paint("none")


@dataclass(frozen=True)
class LaneLayout:
    """The cross-section of a road, from left to right.

    Attributes:
        strips: the lanes, at least one.
        paint: what is on their borders: the left border of the first strip, the borders between two, the right border
            of the last; one more than there are strips.
        ego: index of the strip that is driven on; a ``driving`` strip of direction +1.
    """

    strips: tuple[Strip, ...]
    paint: tuple[Paint, ...]
    ego: int

    def __post_init__(self) -> None:
        if not 0 <= self.ego < len(self.strips):
            raise InvalidInput(
                f"lanes: ego is {self.ego}, but there are {len(self.strips)} lanes, counted from 0"
            )
        ego = self.strips[self.ego]
        if ego.kind != "driving" or ego.direction != 1:
            raise InvalidInput(
                f"lanes: the ego lane {self.ego} is a {ego.kind!r} lane of direction {ego.direction}, "
                "but must be a 'driving' lane of direction 1"
            )
        if len(self.paint) != len(self.strips) + 1:
            raise InvalidInput(
                f"lanes: {len(self.paint)} marks for {len(self.strips)} lanes, but every border needs one: "
                f"{len(self.strips) + 1} (kind 'none' where nothing is painted)"
            )

    @property
    def borders_m(self) -> tuple[float, ...]:
        """Lateral position of every border relative to the centre of the ego lane, falling from left to right."""
        widths = [strip.width_m for strip in self.strips]
        leftmost = sum(widths[: self.ego]) + 0.5 * widths[self.ego]
        return tuple(leftmost - sum(widths[:index]) for index in range(len(widths) + 1))

    def lanes(self, samples: int) -> tuple[Lane, ...]:
        """The strips as lanes of a road with so many samples."""
        borders = self.borders_m
        return tuple(
            Lane(np.full(samples, left), np.full(samples, right), strip.kind, strip.direction)
            for strip, left, right in zip(self.strips, borders, borders[1:], strict=False)
        )

    def marks(self, samples: int) -> tuple[LaneMark, ...]:
        """What is painted, as marks of a road with so many samples."""
        return tuple(
            LaneMark(
                np.full(samples, offset), paint.kind, paint.color, paint.width_m, paint.dash_m, paint.gap_m
            )
            for paint, offset in zip(self.paint, self.borders_m, strict=True)
            if paint.kind != "none"
        )

    @classmethod
    def two_way(
        cls,
        lane_width_m: float = 3.6,
        shoulder_m: float = 1.5,
        centre: Paint = BROKEN_YELLOW,
        edge: Paint = SOLID_WHITE,
    ) -> LaneLayout:
        """A rural road: one lane each way, right-hand traffic, a shoulder on either side."""
        strips = (
            Strip(shoulder_m, "shoulder", -1),
            Strip(lane_width_m, "driving", -1),
            Strip(lane_width_m),
            Strip(shoulder_m, "shoulder"),
        )
        return cls(strips, (NO_PAINT, edge, centre, edge, NO_PAINT), ego=2)

    @classmethod
    def one_way(
        cls,
        lane_count: int = 3,
        ego_lane: int = 1,
        lane_width_m: float = 3.6,
        shoulder_m: float = 2.5,
        between: Paint = BROKEN_WHITE,
        left_edge: Paint = SOLID_YELLOW,
        right_edge: Paint = SOLID_WHITE,
    ) -> LaneLayout:
        """A carriageway of a motorway; ``ego_lane`` counts the driving lanes from the left, from 0."""
        if not 1 <= lane_count <= 12:
            raise InvalidInput(f"lanes: lane_count is {lane_count}, but must be between 1 and 12")
        if not 0 <= ego_lane < lane_count:
            raise InvalidInput(f"lanes: ego_lane is {ego_lane}, but must be between 0 and {lane_count - 1}")
        shoulder = Strip(shoulder_m, "shoulder")
        strips = (shoulder, *[Strip(lane_width_m)] * lane_count, shoulder)
        paint = (NO_PAINT, left_edge, *[between] * (lane_count - 1), right_edge, NO_PAINT)
        return cls(strips, paint, ego=1 + ego_lane)
