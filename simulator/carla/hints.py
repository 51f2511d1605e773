"""What a map that is sent to a server may say beyond CARLA: which corridor of it is meant, and how that looks.

With it a camera of this project's server sees to the bit what one of the embedded world sees; CARLA's own server
ignores it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np

from simulator.roads.opendrive import Network, load_opendrive
from simulator.roads.road import Road
from simulator.scene import Scene
from simulator.surface.style import SurfaceStyle
from simulator.world import InvalidInput

CODE = "dirtyroad.scene"
"""OpenDRIVE's ``userData`` of this code holds a ``SceneHint`` as JSON."""

SAME_ROAD_M = 0.02
"""Corridors that are nowhere farther apart are the same."""


@dataclass(frozen=True)
class SceneHint:
    """Which part of a map is meant, and how it looks.

    Attributes:
        road: OpenDRIVE's road to begin on.
        lane: the lane.
        s_m: where.
        length_m: of the corridor.
        through_junctions: whether it leads across junctions.
        seed: of the looks.
        surface: fields of ``SurfaceStyle``.
    """

    road: int
    lane: int
    s_m: float
    length_m: float
    through_junctions: bool
    seed: int
    surface: Mapping[str, Any]

    def corridor(self, network: Network) -> Road:
        """The part of a map that is meant.

        Raises:
            InvalidInput: there is no such part.
        """
        return load_opendrive(network, self.road, self.lane, self.s_m, self.length_m, self.through_junctions)


def declare(text: str, hint: SceneHint) -> str:
    """A map with a hint in it."""
    value = quoteattr(json.dumps(asdict(hint)))
    return text.replace("</OpenDRIVE>", f'<userData code="{CODE}" value={value}/></OpenDRIVE>')


def hint_in(text: str) -> SceneHint | None:
    """The hint in a map, None if there is none.

    Raises:
        InvalidInput: there is one that cannot be read.
    """
    if CODE not in text:
        return None
    element = ElementTree.fromstring(text).find(f"userData[@code='{CODE}']")
    if element is None:
        return None
    try:
        hint = SceneHint(**json.loads(element.get("value", "")))
        SurfaceStyle(**hint.surface)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"userData {CODE} of the map cannot be read: {error}") from None
    return hint


def hint_of(scene: Scene) -> SceneHint | None:
    """How a server of this project finds a scene's corridor in its map; None if it could not.

    The corridor is looked for where the road begins, and loaded as the server would, to see whether it is the same.
    """
    road = scene.road
    assert road.opendrive is not None
    network = Network(road.opendrive)
    first = int(np.flatnonzero(road.s_m >= 0.0)[0])
    waypoint = network.nearest(float(road.x_m[first]), float(road.y_m[first]))
    if waypoint is None:
        return None
    surface = dict(vars(scene.surface))
    for through_junctions in (False, True):
        hint = SceneHint(
            waypoint.road_id,
            waypoint.lane_id,
            waypoint.s,
            road.length_m,
            through_junctions,
            scene.seed,
            surface,
        )
        try:
            found = hint.corridor(network)
        except InvalidInput:
            continue
        if _same(found, road):
            return hint
    return None


def _same(one: Road, other: Road) -> bool:
    """Whether two corridors run alike."""
    if len(one.x_m) != len(other.x_m):
        return False
    apart = np.hypot(one.x_m - other.x_m, one.y_m - other.y_m)
    return bool(apart.max() < SAME_ROAD_M)
