"""Where rays end: on the ground or on a box. Depth, labels, LiDAR and radar are made of this.

Convention: CARLA's frame. The ground is a level plane at the height of the road under the sensor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulator.carla.actors import Actor, world_box_centre

if TYPE_CHECKING:
    from simulator.carla.episode import Episode

Array = NDArray[np.float64]

GROUND, SKY = -1, -2
"""What a ray meets that meets no body."""


@dataclass(frozen=True)
class Body:
    """A box that rays end on."""

    actor: Actor
    centre: Array
    half_size: Array
    yaw_rad: float


@dataclass(frozen=True)
class Hits:
    """Where M rays end.

    Attributes:
        distance_m: ``(M,)`` in lengths of the ray's direction; inf for the sky.
        body: ``(M,)`` index of the body, or ``GROUND`` or ``SKY``.
        cos_incidence: ``(M,)`` cosine of the angle to the surface's normal; 0 for the sky.
    """

    distance_m: Array
    body: NDArray[np.int64]
    cos_incidence: Array


def bodies_of(episode: Episode, without: Actor | None) -> list[Body]:
    """Everything solid in a world but one actor."""
    return [
        Body(
            actor,
            np.array(world_box_centre(actor)),
            np.array(actor.half_size_m),
            math.radians(actor.pose[4]),
        )
        for actor in episode.actors.values()
        if actor.solid and actor is not without
    ]


def cast(origin: Array, directions: Array, bodies: Sequence[Body], ground_m: float) -> Hits:
    """Follow rays.

    Args:
        origin: ``(3,)`` or ``(M, 3)``.
        directions: ``(M, 3)``, of any length but 0.
        bodies: what they may meet.
        ground_m: height of the ground; -inf for none.
    """
    count = len(directions)
    origin = np.broadcast_to(origin, (count, 3))
    distance = np.full(count, np.inf)
    body = np.full(count, SKY)
    cosine = np.zeros(count)
    down = directions[:, 2]
    if math.isfinite(ground_m):
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = (ground_m - origin[:, 2]) / down
        meets = (down < 0) & (reach >= 0)
        distance[meets], body[meets] = reach[meets], GROUND
        cosine[meets] = -down[meets] / np.linalg.norm(directions[meets], axis=1)
    for index, box in enumerate(bodies):
        candidates = _towards(origin, directions, box)
        if not len(candidates):
            continue
        near, axis = _enter(origin[candidates], directions[candidates], box)
        nearer = near < distance[candidates]
        rays = candidates[nearer]
        distance[rays], body[rays] = near[nearer], index
        chosen = directions[rays]
        along = chosen @ _axes(box.yaw_rad).T
        picked = np.take_along_axis(np.abs(along), axis[nearer][:, None], axis=1)[:, 0]
        cosine[rays] = picked / np.linalg.norm(chosen, axis=1)
    return Hits(distance, body, cosine)


def _axes(yaw_rad: float) -> Array:
    """``(3, 3)`` rows are the axes of a box that stands upright."""
    cos, sin = math.cos(yaw_rad), math.sin(yaw_rad)
    return np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _towards(origin: Array, directions: Array, box: Body) -> NDArray[np.int64]:
    """Rays that pass the sphere around a box."""
    to_centre = box.centre - origin
    length = (directions**2).sum(1)
    along = (to_centre * directions).sum(1)
    reach = (box.half_size**2).sum()
    outside = (to_centre**2).sum(1)
    passing = outside - along**2 / length
    return np.flatnonzero((passing <= reach) & ((along > 0) | (outside <= reach)))


def _enter(origin: Array, directions: Array, box: Body) -> tuple[Array, NDArray[np.int64]]:
    """Where rays enter a box, inf where they do not (or begin inside), and by the faces of which axis."""
    axes = _axes(box.yaw_rad)
    start = (origin - box.centre) @ axes.T
    way = directions @ axes.T
    way = np.where(np.abs(way) < 1e-12, 1e-12, way)
    first = (-np.sign(way) * box.half_size - start) / way
    last = (np.sign(way) * box.half_size - start) / way
    axis = first.argmax(1)
    near, far = first.max(1), last.min(1)
    return np.where((near <= far) & (near >= 0), near, np.inf), axis
