"""Calls about the world as a whole: versions, maps, settings, ticks, weather, blueprints, rays, textures."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from simulator.carla.actors import Sign, Walker, world_box_centre
from simulator.carla.poses import finite, transform_of, vector_of
from simulator.carla.raycast import GROUND, SKY, bodies_of, cast
from simulator.carla.road_textures import Texture
from simulator.carla.rpc import Dispatcher, Refusal
from simulator.carla.sensors.inertial import GRAVITY_MPS2
from simulator.carla.settings import Settings
from simulator.carla.town import PREFIX, SENT_NAME, Town
from simulator.world import InvalidInput

if TYPE_CHECKING:
    from simulator.carla.server import Server

LOG = logging.getLogger(__name__)

LARGEST_TEXTURE = 4_000_000


def register(dispatcher: Dispatcher, server: Server) -> None:
    """Answer these calls."""
    calls = WorldCalls(server)
    value, done = dispatcher.value, dispatcher.done
    value("version", lambda: server.layout.version)
    value("get_available_maps", lambda: [f"/Game/{PREFIX}{name}" for name in server.maps.names])
    value("get_episode_info", lambda: [server.episode.number, [server.streams.token(1)]])
    value("get_map_info", calls.map_info)
    value("get_map_data", lambda: server.episode.town.text)
    value("get_required_files", lambda folder: [])
    value("request_file", calls.no_file)
    value("get_navigation_mesh", lambda: b"")
    value("get_episode_settings", lambda: server.settings.message())
    value("set_episode_settings", lambda message: server.apply_settings(Settings.of(message)))
    value("tick_cue", server.tick)
    done("load_new_episode", lambda name, reset, layers=0: server.load(str(name), bool(reset)))
    done("copy_opendrive_to_file", calls.take_map)
    done("load_map_layer", lambda layers: None)
    done("unload_map_layer", lambda layers: None)
    value("get_actor_definitions", lambda: [found.message() for found in server.library.values()])
    value("get_weather_parameters", lambda: server.episode.scenery.weather_values)
    done("set_weather_parameters", calls.set_weather)
    value("get_imui_gravity", lambda: calls.gravity)
    done("set_imui_gravity", calls.set_gravity)
    value("get_all_level_BBs", calls.level_boxes)
    value("get_environment_objects", lambda tag: [])
    done("enable_environment_objects", lambda numbers, enabled: None)
    value("get_names_of_all_objects", lambda: server.episode.scenery.names)
    done("apply_color_texture_to_objects", calls.lay_colors)
    done("apply_float_color_texture_to_objects", calls.lay_float_colors)
    value("project_point", calls.project_point)
    value("cast_ray", calls.cast_ray)
    value("query_lights_state", lambda client: [])
    done("update_lights_state", lambda client, lights, discard=False: None)
    done("update_day_night_cycle", lambda client, active: None)
    for name in ("draw_debug_shape", "clear_debug_shape", "clear_debug_string"):
        done(name, lambda *anything: None)
    done("set_annotations_traverse_translucency", lambda enabled: None)


class WorldCalls:
    """Answers that need more than a line."""

    def __init__(self, server: Server) -> None:
        """Of a server."""
        self._server = server
        self.gravity = GRAVITY_MPS2

    def map_info(self) -> list[Any]:
        """``MapInfo``."""
        town = self._server.episode.town
        return [PREFIX + town.name, [transform_of(pose) for pose in town.spawn_points]]

    def no_file(self, name: str) -> bytes:
        """There are no files to fetch."""
        raise Refusal(f"file {name!r} is not there: this server has no navigation meshes and no caches")

    def take_map(self, text: str, parameters: list[Any]) -> None:
        """Keep a map for the next ``load_new_episode``, if it can be used."""
        try:
            self._server.sent_map = Town(SENT_NAME, text)
        except InvalidInput as error:
            raise Refusal(f"the OpenDRIVE map cannot be used: {error}") from None

    def set_weather(self, message: list[Any]) -> None:
        """Take over a weather."""
        self._server.episode.scenery.set_weather([finite(number) for number in message])

    def set_gravity(self, gravity: float) -> None:
        """Kept for whoever asks; without effect."""
        self.gravity = finite(gravity)

    def level_boxes(self, tag: int) -> list[Any]:
        """Boxes in the world of everything that has a label; of all labels for 255."""
        box = self._server.layout.box
        return [
            box(world_box_centre(actor), actor.half_size_m, actor.pose[3:], actor.number)
            for actor in self._server.episode.actors.values()
            if actor.tag and tag in (actor.tag, 255) and not isinstance(actor, (Walker, Sign))
        ]

    def _label(self, body: int, actors: list[Any], place: list[float]) -> list[Any]:
        """``LabelledPoint``."""
        if body >= 0:
            return [place, actors[body].tag]
        pose = (place[0], place[1], place[2], 0.0, 0.0, 0.0)
        x, y = np.array([place[0]]), np.array([place[1]])
        return [place, int(self._server.episode.scenery.ground_labels(x, y, pose)[0])]

    def _ground(self, x_m: float, y_m: float) -> float:
        return self._server.episode.town.ground_m(x_m, y_m)

    def project_point(self, place: list[float], direction: list[float], distance: float) -> list[Any]:
        """The first thing on a way, as ``optional``-like ``[found, LabelledPoint]``."""
        origin, way, reach = vector_of(place), vector_of(direction), finite(distance)
        length = math.hypot(*way)
        if length == 0 or reach <= 0:
            return [False, [[0.0, 0.0, 0.0], 0]]
        bodies = bodies_of(self._server.episode, without=None)
        unit = np.array([way]) / length
        hits = cast(np.array(origin), unit, bodies, self._ground(origin[0], origin[1]))
        far, body = float(hits.distance_m[0]), int(hits.body[0])
        if body == SKY or far > reach:
            return [False, [[0.0, 0.0, 0.0], 0]]
        where = [float(a + far * b) for a, b in zip(origin, unit[0], strict=True)]
        return [True, self._label(body, [found.actor for found in bodies], where)]

    def cast_ray(self, start: list[float], end: list[float]) -> list[Any]:
        """Everything on a way, in its order: where a ray enters boxes, and where it meets the ground."""
        first, last = vector_of(start), vector_of(end)
        way = np.array([[b - a for a, b in zip(first, last, strict=True)]])
        if not way.any():
            return []
        bodies = bodies_of(self._server.episode, without=None)
        ground = self._ground(first[0], first[1])
        found = []
        for index in range(-1, len(bodies)):
            part = [] if index < 0 else [bodies[index]]
            hits = cast(np.array(first), way, part, ground if index < 0 else -math.inf)
            far = float(hits.distance_m[0])
            if far <= 1.0:
                where = [float(a + far * b) for a, b in zip(first, way[0], strict=True)]
                found.append((far, self._label(GROUND if index < 0 else 0, [b.actor for b in part], where)))
        return [label for _, label in sorted(found, key=lambda entry: entry[0])]

    def lay_colors(self, names: list[str], parameter: int, texture: list[Any]) -> None:
        """A texture of colours: where its alpha is 255 it hides the road, where it is 0 the road shows."""
        width, height, pixels = texture
        rgba = self._pixels(pixels, width, height) / 255.0
        alpha = rgba[3]
        self._lay(names, rgba[:3] * alpha, 1.0 - alpha)

    def lay_float_colors(self, names: list[str], parameter: int, texture: list[Any]) -> None:
        """A texture of numbers: the road's brightness times ``1 - alpha``, plus the colour, which may be negative."""
        width, height, pixels = texture
        rgba = self._pixels(pixels, width, height)
        self._lay(names, rgba[:3], 1.0 - rgba[3])

    def _pixels(self, pixels: list[Any], width: int, height: int) -> torch.Tensor:
        """``(4, height, width)``."""
        if not (0 < width * height <= LARGEST_TEXTURE and len(pixels) == width * height):
            raise ValueError(f"a texture of {width} x {height} has {len(pixels)} pixels")
        values = np.asarray(pixels, np.float32).reshape(height, width, 4)
        if not np.isfinite(values).all():
            raise ValueError("a texture has pixels that are no numbers")
        return torch.from_numpy(values).permute(2, 0, 1)

    def _lay(self, names: list[str], add: torch.Tensor, keep: torch.Tensor) -> None:
        texture = Texture(add, None if bool((keep == 1.0).all()) else keep)
        found = [self._server.episode.scenery.lay(name, texture) for name in names]
        if not any(found):
            raise Refusal(f"there are no objects {names!r}: see get_names_of_all_objects")
