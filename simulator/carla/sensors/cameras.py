"""Cameras: pictures by ``simulator.renderer``; depth and labels by geometry.

A camera sees the road of its corridor, the sky, cars as cars, and walkers and props as coloured boxes; no buildings,
no trees and no poles. Every camera is a pinhole without distortion; its principal point is in the middle of the picture
unless an attribute of this server's own says otherwise.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from simulator.camera import Camera, Mount, Mounts
from simulator.carla.actors import Actor, Car, Walker, world_box_centre
from simulator.carla.corridor import STEEPEST_RAD, Corridor
from simulator.carla.layouts import IMAGE_HEADER
from simulator.carla.poses import rotation
from simulator.carla.raycast import Array, Body, Hits, bodies_of, cast
from simulator.carla.sensors.device import Sensor, vehicle_of
from simulator.carla.sensors.ranging import labels_of
from simulator.objects import Boxes
from simulator.renderer import Renderer, to_uint8
from simulator.weather import Weather
from simulator.world import InvalidInput, VehicleState

if TYPE_CHECKING:
    from simulator.carla.episode import Episode

LOG = logging.getLogger(__name__)

FARTHEST_M = 1000.0
"""What a depth camera shows for the sky."""

MOST_PIXELS = 4096
MOST_RENDERERS = 2

Pixels = NDArray[np.uint8]


LIMITS = {
    "fov": (90.0, 1.0, 170.0),
    "image_size_x": (800, 8, MOST_PIXELS),
    "image_size_y": (600, 8, MOST_PIXELS),
}
"""What is drawn: by default, at least, at most."""


def _held(sensor: Sensor, name: str) -> float:
    """An attribute, held within what is drawn."""
    usual, least, most = LIMITS[name]
    return min(max(sensor.number_of(name, usual), least), most)


def _fov_deg(sensor: Sensor) -> float:
    return _held(sensor, "fov")


def _camera_of(sensor: Sensor) -> Camera:
    """Intrinsics by attributes."""
    for name, (usual, least, most) in LIMITS.items():
        asked, held = sensor.number_of(name, usual), _held(sensor, name)
        if asked != held:
            # a client whose intrinsics come from its attributes would be wrong, and not know
            LOG.warning(
                "%s: %s is %g, %g is drawn: it must be %g to %g", sensor.kind, name, asked, held, least, most
            )
    width, height = int(_held(sensor, "image_size_x")), int(_held(sensor, "image_size_y"))
    camera = Camera.from_fov(sensor.kind, width, height, _fov_deg(sensor))
    principal = sensor.number_of("principal_x", -1.0), sensor.number_of("principal_y", -1.0)
    if min(principal) < 0:
        return camera
    # a field of view in degrees loses the last digits of a focal length
    focal = round(camera.fx, 9)
    return replace(camera, fx=focal, fy=focal, cx=principal[0], cy=principal[1])


def _message(sensor: Sensor, camera: Camera, pixels: Pixels) -> bytes:
    """An image message of ``(H, W, 4)`` B, G, R, A."""
    return IMAGE_HEADER.pack(camera.width, camera.height, _fov_deg(sensor)) + pixels.tobytes()


class RgbCamera:
    """A colour camera."""

    def __init__(self, sensor: Sensor) -> None:
        """Read the attributes; nothing is drawn before somebody looks."""
        self._camera = _camera_of(sensor)
        self._renderers: dict[tuple[Corridor, Weather, Mount], Renderer] = {}
        self._pictures = 0

    def measure(self, sensor: Sensor, episode: Episode, step_s: float) -> bytes:
        """A picture."""
        own = vehicle_of(sensor, episode)
        x, y = sensor.pose[0], -sensor.pose[1]
        height = sensor.pose[2] - episode.town.ground_m(sensor.pose[0], sensor.pose[1])
        upright = own is not None and own.pose[3] == own.pose[5] == 0.0
        yaw = -math.radians((own if own is not None else sensor).pose[4])
        pixels = np.zeros((self._camera.height, self._camera.width, 4), np.uint8)
        pixels[..., 3] = 255
        try:
            corridor, (s, _, heading) = episode.scenery.look(x, y, yaw)
        except InvalidInput as error:
            LOG.warning("camera %d sees nothing: %s", sensor.number, error)
            return _message(sensor, self._camera, pixels)
        fixed = upright and abs(math.remainder(yaw - heading, 2 * math.pi)) < STEEPEST_RAD
        if not fixed:
            yaw = heading
        mount = _mount(sensor, height, yaw, fixed and sensor.parent == (own.number if own else 0))
        state = VehicleState.at(*(torch.tensor([value], dtype=torch.float64) for value in (x, y, yaw, 0.0)))
        renderer = self._renderer(corridor, episode.scenery.weather, mount, fixed)
        place, layers = torch.tensor([s], dtype=torch.float64), episode.scenery.layers(corridor)
        boxes = _boxes(episode, own)
        with torch.no_grad():
            if fixed:
                picture = renderer.photograph(state, place, self._pictures, layers, boxes)
            else:
                mounts = Mounts.of(mount, 1, torch.float32)
                picture = to_uint8(renderer(state, place, self._pictures, layers, boxes, mounts))
        self._pictures += 1
        pixels[..., 2::-1] = picture[0].numpy()
        return _message(sensor, self._camera, pixels)

    def _renderer(self, corridor: Corridor, weather: Weather, mount: Mount, fixed: bool) -> Renderer:
        # a camera that moves on its car has its rays worked out in every frame
        key = corridor, weather, mount if fixed else Mount()
        if key not in self._renderers:
            while len(self._renderers) >= MOST_RENDERERS:
                del self._renderers[next(iter(self._renderers))]
            camera = self._camera.with_mount(**vars(mount)) if fixed else self._camera
            scene = corridor.scene(weather)
            self._renderers[key] = Renderer([scene], camera, stretch=corridor.stretch)
        return self._renderers[key]


def _mount(sensor: Sensor, height_m: float, yaw_rad: float, by_place: bool) -> Mount:
    """How a camera is held above its foot, relative to a heading."""
    _, _, _, pitch, yaw, roll = sensor.place if by_place else sensor.pose
    turn = -math.radians(yaw) if by_place else math.remainder(-math.radians(yaw) - yaw_rad, 2 * math.pi)
    # rounding of the height would make another mount of every frame
    return Mount(0.0, 0.0, max(round(height_m, 6), 0.05), math.radians(roll), -math.radians(pitch), turn)


def _boxes(episode: Episode, own: Actor | None) -> Boxes | None:
    """Everything solid but the car that carries the camera."""
    others = [actor for actor in episode.actors.values() if actor.solid and actor is not own]
    if not others:
        return None
    rows = [
        (centre[0], -centre[1], -math.radians(actor.pose[4]), *(2 * half for half in actor.half_size_m))
        for actor in others
        for centre in [world_box_centre(actor)]
    ]
    x, y, yaw, length, width, height = torch.tensor([rows], dtype=torch.float64).unbind(-1)
    color = torch.tensor([[_color(actor) for actor in others]], dtype=torch.float64)
    kinds = tuple("car" if isinstance(actor, Car) else "barrier" for actor in others)
    return Boxes(x, y, yaw, length, width, height, color, torch.ones_like(x, dtype=torch.bool), kinds)


def _color(actor: Actor) -> tuple[float, float, float]:
    """Of the paint."""
    if isinstance(actor, Walker):
        return 0.45, 0.30, 0.25
    try:
        red, green, blue = (
            min(max(int(part), 0), 255) / 255 for part in actor.attributes["color"].split(",")
        )
    except (KeyError, ValueError):
        return 0.5, 0.45, 0.4
    return red, green, blue


class _RayCamera:
    """A camera that follows the ray of every pixel."""

    def __init__(self, sensor: Sensor) -> None:
        self._camera = camera = _camera_of(sensor)
        right = (np.arange(camera.width) + 0.5 - camera.cx) / camera.fx
        up = (camera.cy - np.arange(camera.height) - 0.5) / camera.fy
        grid_up, grid_right = np.meshgrid(up, right, indexing="ij")
        ahead = np.ones(grid_up.size)
        self._rays: Array = np.column_stack([ahead, grid_right.ravel(), grid_up.ravel()])

    def measure(self, sensor: Sensor, episode: Episode, step_s: float) -> bytes:
        """An image."""
        bodies = bodies_of(episode, without=vehicle_of(sensor, episode))
        directions = self._rays @ np.array(rotation(sensor.pose)).T
        ground = episode.town.ground_m(sensor.pose[0], sensor.pose[1])
        hits = cast(np.array(sensor.pose[:3]), directions, bodies, ground)
        pixels = np.zeros((len(directions), 4), np.uint8)
        pixels[:, 3] = 255
        self._paint(pixels, hits, bodies, sensor, episode)
        return _message(sensor, self._camera, pixels)

    def _paint(
        self, pixels: Pixels, hits: Hits, bodies: list[Body], sensor: Sensor, episode: Episode
    ) -> None:
        raise NotImplementedError

    def _labels(self, hits: Hits, bodies: list[Body], sensor: Sensor, episode: Episode) -> NDArray[np.int64]:
        reach = np.where(np.isfinite(hits.distance_m), hits.distance_m, 0.0)
        return labels_of(hits.body, bodies, episode, sensor, self._rays * reach[:, None])


class DepthCamera(_RayCamera):
    """Depth along the optical axis, coded in 24 bits of 1000 m."""

    def _paint(
        self, pixels: Pixels, hits: Hits, bodies: list[Body], sensor: Sensor, episode: Episode
    ) -> None:
        share = np.minimum(hits.distance_m, FARTHEST_M) / FARTHEST_M
        code = np.round(share * (2**24 - 1)).astype(np.uint32)
        for byte, channel in enumerate((2, 1, 0)):
            pixels[:, channel] = (code >> (8 * byte)) & 255


class SemanticCamera(_RayCamera):
    """Labels in the red channel."""

    def _paint(
        self, pixels: Pixels, hits: Hits, bodies: list[Body], sensor: Sensor, episode: Episode
    ) -> None:
        pixels[:, 2] = self._labels(hits, bodies, sensor, episode)


class InstanceCamera(_RayCamera):
    """Labels in the red channel, ids of actors in the green and blue one."""

    def _paint(
        self, pixels: Pixels, hits: Hits, bodies: list[Body], sensor: Sensor, episode: Episode
    ) -> None:
        pixels[:, 2] = self._labels(hits, bodies, sensor, episode)
        numbers = np.array([*(body.actor.number for body in bodies), 0])
        found = numbers[np.where(hits.body >= 0, hits.body, len(bodies))]
        pixels[:, 1], pixels[:, 0] = found & 255, (found >> 8) & 255
