"""Roads of OpenDRIVE maps: a corridor along one lane, from wherever one likes.

``carla.Map`` (offline) says which lane leads to which; ``map_file`` has the numbers. Coordinates are those of the file,
which are ISO 8855 already; CARLA's left-handed ones (y and yaw of the other sign) do not appear here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulator.roads.client_map import client_map
from simulator.roads.corridor import LanePiece, assemble
from simulator.roads.map_file import MapRoad, parse_map, read_text
from simulator.roads.road import LEAD_IN_M, LEAD_OUT_M, Road
from simulator.world import InvalidInput

if TYPE_CHECKING:
    import carla

DRIVABLE = (
    "driving",
    "bidirectional",
    "entry",
    "exit",
    "onRamp",
    "offRamp",
    "connectingRamp",
    "slipLane",
    "HOV",
    "bus",
)
"""OpenDRIVE's lane types that a road may be started on."""

SHORTEST_M = 5.0
"""A road that ends sooner than this after its start is refused."""

LONGEST_M = 20_000.0
"""A road is followed no further than this, so that a ring road ends."""

BEYOND_M = 1e-3
"""How far beyond the end of a lane section the client is asked what follows; shorter sections are skipped."""

JUMP_M = 0.1
"""Where the centre line of a lane jumps by more than this, the map does not connect, and the road ends."""


@dataclass(frozen=True)
class Stretch:
    """A place to start from, and how far the road goes from there; as the arguments of ``load_opendrive``."""

    road_id: int
    lane_id: int
    s_m: float
    length_m: float


class Network:
    """A map: its roads, and which lane leads to which.

    Attributes:
        name: for messages.
        text: the OpenDRIVE text.
        roads: by id.
    """

    def __init__(self, source: str | Path) -> None:
        """Read a map.

        Args:
            source: path of an OpenDRIVE file of version 1.4 or later, or its text.

        Raises:
            InvalidInput: if there is no such file, or it is not a map that can be driven on.
        """
        self.text, self.name = read_text(source)
        root, self.roads = parse_map(self.text, self.name)
        self._map = client_map(self.name, root, self.roads)

    def start(self, road_id: int, lane_id: int, s_m: float) -> carla.Waypoint:
        """The client's waypoint at a place.

        Raises:
            InvalidInput: if there is no such road, no such lane to drive on, or s lies outside of the road.
        """
        road = self.roads.get(road_id)
        if road is None:
            raise InvalidInput(f"map {self.name!r} has no road {road_id}; it has {_some(self.roads)}")
        where = f"map {self.name!r}, road {road_id}"
        if not 0.0 <= s_m <= road.length_m:
            raise InvalidInput(f"{where}: s_m is {s_m}, but must be between 0 and {road.length_m:.3f}")
        # at the border of two sections, the one that lies ahead; and not at the very ends, which the client rounds away
        inside_m = s_m + (BEYOND_M if lane_id < 0 else -BEYOND_M)
        inside_m = min(max(inside_m, BEYOND_M), road.length_m - BEYOND_M)
        lanes = road.sections[road.section_index(inside_m)].lanes
        if lane_id == 0 or lane_id not in lanes or lanes[lane_id].kind not in DRIVABLE:
            found = [key for key, lane in lanes.items() if key and lane.kind in DRIVABLE]
            raise InvalidInput(
                f"{where}: lane_id is {lane_id}, but the lanes to drive on at s={s_m:g} are {_some(found)}"
            )
        waypoint = self._map.get_waypoint_xodr(road_id, lane_id, inside_m)
        if waypoint is None:
            raise InvalidInput(f"{where}: the CARLA client finds no lane {lane_id} at s={s_m:g}")
        return waypoint

    def nearest(self, x_m: float, y_m: float) -> carla.Waypoint | None:
        """The client's waypoint of the lane to drive on that is nearest to a place in the map's coordinates."""
        import carla

        return self._map.get_waypoint(carla.Location(x_m, -y_m, 0.0))

    def follow(
        self,
        road_id: int,
        lane_id: int,
        s_m: float,
        ahead: bool = True,
        through_junctions: bool = False,
        length_m: float = LONGEST_M,
    ) -> Iterator[LanePiece]:
        """The lane piece by piece from a place on, or back from it (each piece still runs the way of traffic).

        Ends where the lane does, at a junction unless told to go through (by the straightest way), where the map does
        not connect, where a ring closes, and with the piece that completes ``length_m``.

        Raises:
            InvalidInput: as ``start``.
        """
        waypoint = self.start(road_id, lane_id, s_m)
        seen: set[tuple[int, int, int]] = set()
        end: complex | None = None
        left_m = length_m
        while left_m > 0:
            road, lane_id = self.roads[waypoint.road_id], waypoint.lane_id
            index = road.section_index(waypoint.s)
            section = road.sections[index]
            if (road.road_id, index, lane_id) in seen:
                return
            rising = (lane_id < 0) == ahead
            entry, goal = (section.start_m, section.end_m) if rising else (section.end_m, section.start_m)
            entry = entry if seen else s_m
            seen.add((road.road_id, index, lane_id))
            if abs(goal - entry) > BEYOND_M:
                piece = _sample(road, index, lane_id, entry, goal, left_m)
                points = piece.centre(piece.s_m[[0, -1]])[0][:: 1 if ahead else -1]
                if end is not None and abs(points[0] - end) > JUMP_M:
                    return
                end = points[1]
                left_m -= piece.length_m
                yield piece
            step = abs(goal - waypoint.s) + BEYOND_M
            choices = waypoint.next(step) if ahead else waypoint.previous(step)
            choices = [way for way in choices if through_junctions or not way.is_junction]
            if not choices:
                return
            waypoint = min(choices, key=self._turn) if len(choices) > 1 else choices[0]

    def heads(self) -> list[Stretch]:
        """Where lanes begin: at the edge of the map, behind a junction or where a lane opens; everywhere in a ring."""
        every, heads = [], []
        for road in self.roads.values():
            for section in () if road.in_junction else road.sections:
                for lane_id, lane in section.lanes.items():
                    if lane_id == 0 or lane.kind not in DRIVABLE:
                        continue
                    half = 0.5 * (section.end_m - section.start_m)
                    head = Stretch(
                        road.road_id, lane_id, section.start_m if lane_id < 0 else section.end_m, 2 * half
                    )
                    every.append(head)
                    middle = self._map.get_waypoint_xodr(road.road_id, lane_id, section.start_m + half)
                    if middle and all(way.is_junction for way in middle.previous(half + BEYOND_M)):
                        heads.append(head)
        return heads or every

    def _turn(self, waypoint: carla.Waypoint) -> float:
        """By how much the lane ahead turns until its section ends [rad]."""
        road = self.roads[waypoint.road_id]
        section = road.sections[road.section_index(waypoint.s)]
        headings = road.plan.at(np.array([section.start_m, section.end_m]))[1]
        return abs(math.remainder(float(headings[1] - headings[0]), 2 * math.pi))


def load_opendrive(
    source: str | Path | Network,
    road_id: int,
    lane_id: int,
    s_m: float = 0.0,
    length_m: float | None = None,
    through_junctions: bool = False,
) -> Road:
    """Take a corridor out of a map.

    Args:
        source: path of an OpenDRIVE file, its text, or a network read before.
        road_id: road to start on.
        lane_id: lane to start on; negative ids run with rising s, positive ones against it.
        s_m: where to start, along the road.
        length_m: at most how far to go; None as far as the lane goes.
        through_junctions: whether to go on across junctions, by the straightest way, or to end there.

    Returns:
        The road, in the map's coordinates, with the map's text. Behind its start and beyond its end it follows the same
        lane while the map has it, then goes on straight with the cross-section that it had.

    Raises:
        InvalidInput: if the map cannot be read, has no such place, or the road ends at once.
    """
    network = source if isinstance(source, Network) else Network(source)
    wanted = LONGEST_M if length_m is None else length_m
    if not SHORTEST_M <= wanted <= LONGEST_M:
        raise InvalidInput(f"length_m is {length_m}, but must be between {SHORTEST_M:g} and {LONGEST_M:g}")
    name = f"{network.name} road {road_id} lane {lane_id} from s={s_m:g}"
    ahead = list(network.follow(road_id, lane_id, s_m, True, through_junctions, wanted + LEAD_OUT_M))
    found = sum(piece.length_m for piece in ahead)
    if found < SHORTEST_M:
        raise InvalidInput(
            f"{name}: the road ends after {found:.2f} m, at the end of the lane or at a junction; "
            f"start at least {SHORTEST_M:g} m before it"
        )
    behind = list(network.follow(road_id, lane_id, s_m, False, through_junctions, LEAD_IN_M))[::-1]
    return assemble(name, behind, ahead, min(wanted, found), network.text)


def longest_stretch(
    source: str | Path | Network, min_radius_m: float = 0.0, through_junctions: bool = False
) -> Stretch:
    """Find the longest way to go without a curve sharper than a radius.

    Args:
        source: as for ``load_opendrive``.
        min_radius_m: the sharpest curve allowed.
        through_junctions: whether it may lead across junctions, or lies between two.

    Raises:
        InvalidInput: if the map cannot be read, or has no such stretch.
    """
    network = source if isinstance(source, Network) else Network(source)
    best = Stretch(0, 0, 0.0, 0.0)
    passed: set[tuple[int, int, int]] = set()
    for head in network.heads():
        pieces: list[LanePiece] = []
        for piece in network.follow(head.road_id, head.lane_id, head.s_m, True, through_junctions):
            # where an earlier way came along, this one could only be its end
            if not pieces and piece.place in passed:
                break
            pieces.append(piece)
        if not pieces:
            continue
        passed.update(piece.place for piece in pieces)
        starts = np.cumsum([0.0, *(piece.length_m for piece in pieces)])
        arc_m = np.concatenate([start + piece.arc_m for start, piece in zip(starts, pieces, strict=False)])
        bends = np.concatenate([np.abs(piece.centre(piece.s_m)[2]) for piece in pieces])
        owners = np.repeat(np.arange(len(pieces)), [len(piece.s_m) for piece in pieces])
        for first, last in _runs(bends * min_radius_m <= 1.0):
            if arc_m[last] - arc_m[first] > best.length_m + 0.1:
                piece = pieces[owners[first]]
                s_m = float(np.concatenate([part.s_m for part in pieces])[first])
                best = Stretch(piece.road.road_id, piece.lane_id, s_m, float(arc_m[last] - arc_m[first]))
    if best.length_m < SHORTEST_M:
        raise InvalidInput(
            f"map {network.name!r} has no stretch without a curve sharper than {min_radius_m:g} m"
        )
    return best


def _sample(
    road: MapRoad, section: int, lane_id: int, entry_m: float, goal_m: float, wanted_m: float
) -> LanePiece:
    """A piece from where a lane is entered to the end of its section, or as far as is wanted of a much longer one."""
    enough_m = 2.0 * wanted_m  # the road's reference line may well be longer than the lane
    if abs(goal_m - entry_m) > enough_m:
        near_m = entry_m + math.copysign(enough_m, goal_m - entry_m)
        piece = LanePiece.between(road, section, lane_id, *sorted((entry_m, near_m)))
        if piece.length_m >= wanted_m:
            return piece
    return LanePiece.between(road, section, lane_id, *sorted((entry_m, goal_m)))


def _runs(flags: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and last index of every run of True."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    for first, last in edges.reshape(-1, 2):
        yield int(first), int(last) - 1


def _some(ids: Iterable[int]) -> str:
    """Some ids for a message."""
    ids = sorted(ids)
    return ", ".join(map(str, ids[:12])) + (f", ... ({len(ids)} in all)" if len(ids) > 12 else "") or "none"
