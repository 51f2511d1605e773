"""A corridor along one lane of a map: lane pieces laid end to end, and what lies to the left and right of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.roads.map_file import MapRoad
from simulator.roads.plan_view import Array
from simulator.roads.road import LEAD_IN_M, LEAD_OUT_M, STEP_M, Lane, LaneMark, Road

THINNEST_M = 0.02
"""Lanes thinner than this are not there."""

OUTLOOK_RADIUS_M = 30.0
"""Before its start and beyond its end a road follows the map until a curve sharper than this, then goes on straight."""

FADED_M = 5.0
"""Where a road goes on straight, it looks as it did this far before."""

LaneKey = tuple[int, str, int]
"""What makes two lanes of successive sections one: place counted from the ego lane to the right, kind, direction."""

MarkKey = tuple[int, str, str, float, float, float]
"""The same of marks: border counted from the ego lane's left one, and everything about the paint."""

EGO: LaneKey = (0, "driving", 1)
"""The ego lane, whatever the map calls it."""


@dataclass(frozen=True)
class LanePiece:
    """A lane within one lane section, from one arc length of its road to another (falling for lanes of positive id).

    Attributes:
        s_m: ``(P,)`` arc lengths of the road, the ends and every joint among them.
        arc_m: ``(P,)`` arc length along the lane's centre from the piece's beginning.
    """

    road: MapRoad
    section: int
    lane_id: int
    s_m: Array
    arc_m: Array

    @property
    def place(self) -> tuple[int, int, int]:
        """Road, section and lane."""
        return self.road.road_id, self.section, self.lane_id

    @property
    def length_m(self) -> float:
        """Length of the lane's centre."""
        return float(self.arc_m[-1])

    @classmethod
    def between(cls, road: MapRoad, section: int, lane_id: int, start_m: float, end_m: float) -> LanePiece:
        low, high = min(start_m, end_m), max(start_m, end_m)
        joints = road.plan.start_m[(road.plan.start_m > low) & (road.plan.start_m < high)]
        even = np.linspace(low, high, max(2, math.ceil((high - low) / STEP_M) + 1))
        s_m = np.unique(np.concatenate([even, joints]))[:: -1 if lane_id > 0 else 1]
        piece = cls(road, section, lane_id, s_m, np.zeros(len(s_m)))
        # exact where curvature and offset are constant between two nodes, which the joints among them see to
        speed = piece.centre(0.5 * (s_m[1:] + s_m[:-1]))[3]
        return cls(
            road, section, lane_id, s_m, np.concatenate([[0.0], np.cumsum(speed * np.abs(np.diff(s_m)))])
        )

    def road_s(self, arc_m: Array) -> Array:
        """Arc length of the road at arc lengths of the lane's centre."""
        return np.interp(arc_m, self.arc_m, self.s_m)

    def centre(self, s_m: Array) -> tuple[NDArray[np.complex128], Array, Array, Array]:
        """The lane's centre line: point, heading (not unwrapped), curvature, metres of it per metre of the road."""
        point, heading, curvature, rate = self.road.plan.at(s_m)
        inner, outer = self.road.sections[self.section].borders(s_m)[self.lane_id]
        left, slope, bend = self.road.offset.at(s_m) + 0.5 * (inner + outer)
        # derivatives of r + left * n by s, in the frame of the reference line
        along = 1.0 - curvature * left
        along_2 = -rate * left - 2.0 * curvature * slope
        across_2 = bend + along * curvature
        speed = np.maximum(np.hypot(along, slope), 1e-6)
        own_curvature = (along * across_2 - slope * along_2) / speed**3
        own_heading = heading + np.arctan2(slope, along)
        point = point + 1j * np.exp(1j * heading) * left
        if self.lane_id > 0:
            return point, own_heading + math.pi, -own_curvature, speed
        return point, own_heading, own_curvature, speed

    def _columns(self) -> list[int]:
        """Ids of the section's lanes but 0, from left to right as the driver sees them."""
        ids = [lane_id for lane_id in self.road.sections[self.section].lanes if lane_id]
        return sorted(ids, reverse=self.lane_id < 0)

    def _lateral(self, s_m: Array) -> dict[int, tuple[Array, Array]]:
        """Left and right border of every lane as the driver sees them, relative to the lane's centre, each ``(S,)``."""
        borders = {
            key: (inner[0], outer[0])
            for key, (inner, outer) in self.road.sections[self.section].borders(s_m).items()
        }
        centre = 0.5 * (borders[self.lane_id][0] + borders[self.lane_id][1])
        facing = 1.0 if self.lane_id < 0 else -1.0
        result = {}
        for lane_id, (inner, outer) in borders.items():
            # lanes on the driver's own side have the inner border on the left
            left, right = (inner, outer) if lane_id * self.lane_id > 0 else (outer, inner)
            result[lane_id] = facing * (left - centre), facing * (right - centre)
        return result

    def lanes(self, s_m: Array) -> Iterator[tuple[LaneKey, Array, Array]]:
        """Lanes at arc lengths ``(S,)``: key, left and right border; NaN where a lane has no width."""
        columns, lateral = self._columns(), self._lateral(s_m)
        ego = columns.index(self.lane_id)
        for column, lane_id in enumerate(columns):
            left, right = lateral[lane_id]
            if lane_id == self.lane_id:
                yield EGO, left, right
                continue
            kind = self.road.sections[self.section].lanes[lane_id].kind
            there = left - right > THINNEST_M
            if kind != "none" and there.any():
                key = (column - ego, kind, 1 if lane_id * self.lane_id > 0 else -1)
                yield key, np.where(there, left, np.nan), np.where(there, right, np.nan)

    def marks(self, s_m: Array) -> Iterator[tuple[MarkKey, Array, NDArray[np.bool_]]]:
        """Marks at arc lengths ``(S,)``: key, offset, and where they are painted."""
        section, columns, lateral = self.road.sections[self.section], self._columns(), self._lateral(s_m)
        ego = columns.index(self.lane_id)
        own_side = [column for column, lane_id in enumerate(columns) if lane_id * self.lane_id > 0]
        for lane_id, lane in section.lanes.items():
            if lane_id == 0:
                # lane 0 is the left border of the first lane on the driver's own side
                border = own_side[0]
                offset = lateral[columns[border]][0]
            elif lane_id * self.lane_id > 0:
                border = columns.index(lane_id) + 1
                offset = lateral[lane_id][1]
            else:
                border = columns.index(lane_id)
                offset = lateral[lane_id][0]
            index = lane.mark_index(s_m - section.start_m)
            for number, mark in enumerate(lane.marks):
                painted = index == number
                if mark.kind == "none" or not painted.any():
                    continue
                kind = mark.kind
                if self.lane_id > 0 and kind.count(" ") == 1 and kind != "botts dots":
                    kind = " ".join(reversed(kind.split()))
                key = (border - ego, kind, mark.color, mark.width_m, mark.dash_m, mark.gap_m)
                yield key, offset, painted


def assemble(name: str, behind: list[LanePiece], ahead: list[LanePiece], length_m: float, text: str) -> Road:
    """Sample pieces laid end to end on the grid of a road.

    Args:
        name: for messages and reports.
        behind: pieces that end where the road starts, in the order they are driven.
        ahead: pieces from there on.
        length_m: of the road proper.
        text: the map's text.
    """
    pieces = [*behind, *ahead]
    starts = np.cumsum([0.0, *(piece.length_m for piece in pieces)]) - sum(piece.length_m for piece in behind)
    samples = math.ceil((LEAD_IN_M + length_m + LEAD_OUT_M) / STEP_M) + 1
    grid: Array = np.arange(samples, dtype=np.float64) * STEP_M - LEAD_IN_M
    mapped = np.clip(grid, starts[0], starts[-1])
    owner = np.clip(np.searchsorted(starts, mapped + 1e-9, side="right") - 1, 0, len(pieces) - 1)

    point, heading = np.zeros(samples, dtype=complex), np.zeros(samples)
    curvature, elevation = np.zeros(samples), np.zeros(samples)
    lanes: dict[LaneKey, tuple[Array, Array]] = {}
    marks: dict[MarkKey, Array] = {}
    for index in np.unique(owner):
        piece, here = pieces[index], np.flatnonzero(owner == index)
        s_m = piece.road_s(mapped[here] - starts[index])
        point[here], heading[here], curvature[here], _ = piece.centre(s_m)
        elevation[here] = piece.road.elevation.at(s_m)[0]
        for lane_key, left_m, right_m in piece.lanes(s_m):
            left, right = lanes.setdefault(lane_key, (np.full(samples, np.nan), np.full(samples, np.nan)))
            left[here], right[here] = left_m, right_m
        for mark_key, offset_m, painted in piece.marks(s_m):
            marks.setdefault(mark_key, np.full(samples, np.nan))[here[painted]] = offset_m[painted]

    crossing = np.array([piece.road.in_junction for piece in pieces])[owner]
    for left, right in lanes.values():
        _bridge(left, crossing)
        _bridge(right, crossing)

    first, last = _outlook(grid, curvature, length_m, float(starts[0]), float(starts[-1]))
    end = np.clip(np.arange(samples), first, last)
    straight = end != np.arange(samples)
    # marks often stop a little before a junction: what is repeated is the cross-section of before that
    back = math.ceil(FADED_M / STEP_M)
    section = np.where(straight, np.clip(end, first + back, max(last - back, first + back)), end)
    curvature[straight] = 0.0
    point = point[end] + (grid - grid[end]) * np.exp(1j * heading[end])
    placed = {
        key: Lane(lanes[key][0][section], lanes[key][1][section], kind=key[1], direction=key[2])
        for key in sorted(lanes)
    }
    return Road(
        name=name,
        x_m=point.real.copy(),
        y_m=point.imag.copy(),
        heading_rad=np.unwrap(heading[end]),
        curvature_per_m=curvature,
        elevation_m=elevation[end],
        length_m=float(length_m),
        ego_lane=placed[EGO],
        lanes=tuple(placed.values()),
        marks=tuple(LaneMark(marks[key][section], *key[1:]) for key in sorted(marks)),
        opendrive=text,
    )


def _bridge(border_m: Array, crossing: NDArray[np.bool_]) -> None:
    """Lead a border that a lane has before and behind a junction across it, in place.

    Paths across a junction have only the lanes of their own direction; the others are paths of their own.
    """
    edges = np.flatnonzero(np.diff(crossing.astype(np.int8), prepend=0, append=0))
    for first, end in edges.reshape(-1, 2):
        gap = np.arange(first, end)
        if first > 0 and end < len(border_m) and np.isnan(border_m[gap]).all():
            border_m[gap] = np.interp(gap, [first - 1, end], border_m[[first - 1, end]])


def _outlook(grid: Array, curvature: Array, length_m: float, start_m: float, end_m: float) -> tuple[int, int]:
    """First and last sample to take from the map: all of the road, and before and beyond it until a sharp curve."""
    unfit = (grid < start_m - 1e-6) | (grid > end_m + 1e-6) | (np.abs(curvature) * OUTLOOK_RADIUS_M > 1.0)
    before, beyond = np.flatnonzero(unfit & (grid < 0)), np.flatnonzero(unfit & (grid > length_m))
    return int(before[-1]) + 1 if len(before) else 0, int(beyond[0]) - 1 if len(beyond) else len(grid) - 1
