"""What textures can be laid on: lanes of the map, and rectangles of the corridor that a map declares, all by name.

CARLA lays textures on named objects. A lane is ``Road_ID_Lane_ID``; a rectangle carries its place in its name, as
``Rectangle.name`` writes it, and need not be announced.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from simulator.carla.corridor import WIDEST_OFFSET_M, Corridor
from simulator.surface.layer import SurfaceLayer

if TYPE_CHECKING:
    import carla

NAMED_EVERY_M = 10.0
"""Lanes shorter than this may go without a name."""

RECTANGLE = "Rectangle"


@dataclass(frozen=True)
class Texture:
    """What is laid on the road.

    Attributes:
        add: ``(3, rows, columns)`` brightness added, first row the farthest, first column on the left.
        keep: ``(rows, columns)`` share of the road that still shows; None for all of it.
    """

    add: torch.Tensor
    keep: torch.Tensor | None

    @property
    def invisible(self) -> bool:
        """Whether the road is as without it."""
        return self.keep is None and not bool(self.add.any())


@dataclass(frozen=True)
class Rectangle:
    """A part of a corridor, straightened; as the attributes of ``SurfaceLayer``."""

    s_m: float
    d_m: float
    length_m: float
    width_m: float

    @property
    def name(self) -> str:
        """What it is called as an object."""
        return "_".join([RECTANGLE, *map(repr, vars(self).values())])

    @classmethod
    def named(cls, name: str) -> Rectangle | None:
        """The one of a name; None if it is no name of a rectangle."""
        kind, *numbers = name.split("_")
        try:
            values = [float(number) for number in numbers]
            rectangle = cls(*values)
        except (ValueError, TypeError):
            return None
        sound = all(map(math.isfinite, values)) and rectangle.length_m > 0 and rectangle.width_m > 0
        return rectangle if kind == RECTANGLE and sound else None

    def layer(self, texture: Texture, along: bool) -> SurfaceLayer:
        """A texture on it.

        Args:
            texture: seen from traffic.
            along: whether that traffic goes the corridor's way, and not against it.
        """
        axis = -2 if along else -1
        keep = None if texture.keep is None else texture.keep.flip(axis)[None, None]
        return SurfaceLayer(
            texture.add.flip(axis)[None], self.s_m, self.d_m, self.length_m, self.width_m, keep
        )


def rectangle_of(layer: SurfaceLayer) -> Rectangle:
    """Where a layer lies."""
    start, middle = layer.place(0)
    return Rectangle(float(start), float(middle), layer.length_m, layer.width_m)


def lay_layer(world: carla.World, layer: SurfaceLayer) -> None:
    """Send a layer to a server of this project, by CARLA's call for textures."""
    add = layer.add[0].detach().expand(3, -1, -1).flip(-2)
    hidden = torch.zeros_like(add[:1]) if layer.keep is None else 1 - layer.keep[0].detach().flip(-2)
    _send(world, layer, torch.cat([add, hidden]))


def take_away(world: carla.World, layer: SurfaceLayer) -> None:
    """Let the road be as without a layer that was sent."""
    _send(world, layer, torch.zeros(4, 1, 1))


def _send(world: carla.World, layer: SurfaceLayer, rgba: torch.Tensor) -> None:
    """``rgba (4, rows, columns)``."""
    import carla

    rows, columns = rgba.shape[1:]
    texture = carla.TextureFloatColor(columns, rows)
    for v, row in enumerate(rgba.permute(1, 2, 0).tolist()):
        for u, pixel in enumerate(row):
            texture.set(u, v, carla.FloatColor(*pixel))
    name = rectangle_of(layer).name
    world.apply_float_color_texture_to_object(name, carla.MaterialParameter.Diffuse, texture)


def lane_names(client: carla.Map) -> list[str]:
    """Of every lane of a map."""
    return sorted(
        {f"Road_{place.road_id}_Lane_{place.lane_id}" for place in client.generate_waypoints(NAMED_EVERY_M)}
    )


def lane_rectangle(
    name: str, client: carla.Map, length_m: float, corridor: Corridor
) -> tuple[Rectangle, bool] | None:
    """Where on a corridor a lane lies, and whether it runs the corridor's way; None if it is not there.

    Args:
        name: one of ``lane_names``.
        client: the map.
        length_m: of the lane's road.
        corridor: that is looked at.
    """
    _, road_id, _, lane_id = name.split("_")
    ends = [client.get_waypoint_xodr(int(road_id), int(lane_id), s) for s in (0.01, length_m - 0.01)]
    if int(lane_id) > 0:
        ends.reverse()
    if None in ends:
        return None
    first, last = (corridor.locate(end.transform.location.x, -end.transform.location.y) for end in ends)
    beside = max(abs(first.d_m), abs(last.d_m)) > WIDEST_OFFSET_M or abs(first.d_m - last.d_m) > 1.0
    if beside or first.s_m == last.s_m:
        return None
    middle, start = 0.5 * (first.d_m + last.d_m), min(first.s_m, last.s_m)
    lane = Rectangle(start, middle, abs(last.s_m - first.s_m), ends[0].lane_width)
    return lane, last.s_m > first.s_m
