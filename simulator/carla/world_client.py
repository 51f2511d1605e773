"""CarlaWorld: one world of a CARLA server, behind the same contract as the embedded one.

The map is the scenario's own (sent as OpenDRIVE, or one of the server's towns), the truth is read from it, and other
cars are moved as the scenario says, so that a scenario file means the same here. The car is the server's: with a server
of this project it is the scenario's car to the last parameter; with another one it is whatever that server has, driven
through a calibrated mapping. It has been tested against this project's server only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from simulator.camera import Camera
from simulator.carla.blueprints import OWN_PREFIX
from simulator.carla.calibration import Calibration, calibrate, turn_wheels
from simulator.carla.compositing import Composer
from simulator.carla.framing import Framing
from simulator.carla.poses import Pose, from_iso
from simulator.carla.scenery import Decal, SceneHint, declare
from simulator.carla.session import Inbox, Session, reaching
from simulator.embedded import EmbeddedWorld, Start, WorldState
from simulator.objects import Boxes
from simulator.roads.opendrive import Network, load_opendrive
from simulator.roads.road import Road
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.vehicle import PRESETS, VehicleParameters
from simulator.world import CAMERA_PERIOD_S, Command, InvalidInput, Observation, VehicleState

if TYPE_CHECKING:
    import carla

USUAL_CAR = "vehicle.lincoln.mkz_2020"
OTHER_CAR = "vehicle.audi.a2"
DECAL = "DirtyRoad_Patch"
PRINCIPAL = ("principal_x", "principal_y")
"""Attributes of cameras that this project's server has and CARLA's does not."""

SAME_ROAD_M = 0.02


@dataclass(frozen=True)
class Place:
    """Which server, and how to use it.

    Attributes:
        host: its address.
        port: of its calls.
        timeout_s: of every call.
        town: one of the server's maps, which must be that of the scenario; None to send the scenario's.
        patch: how dirt gets onto the road: laid into the pictures, or sent as a texture.
        car: blueprint of the car; None for the scenario's own where the server has it.
        centred: ask for pictures with the principal point in the middle even of a server that can do otherwise.
    """

    host: str = "127.0.0.1"
    port: int = 2000
    timeout_s: float = 60.0
    town: str | None = None
    patch: Literal["composite", "texture"] = "composite"
    car: str | None = None
    centred: bool = False


class CarlaWorld:
    """One world on a CARLA server, a ``simulator.world.World`` of size 1.

    Args:
        place: the server.
        scene: road, looks and weather.
        start: how the car begins, and what else is on the road.
        vehicle: the car of the scenario.
        cameras: what to look through; frames appear under the cameras' names.
        latency_s: how long commands take to leave the assistant's computer, in whole camera periods.
        layers: what lies on the road.
    """

    size = 1

    def __init__(
        self, place: Place, scene: Scene, start: Start, vehicle: VehicleParameters,
        cameras: Sequence[Camera] = (), latency_s: float = 0.0, layers: Sequence[SurfaceLayer] = (),
    ) -> None:  # fmt: skip
        self._late = round(latency_s / CAMERA_PERIOD_S)
        if abs(self._late * CAMERA_PERIOD_S - latency_s) > 1e-6:
            raise InvalidInput(
                f"world.latency_s: {latency_s} s is not possible with CARLA, which takes one command a tick; give a "
                f"multiple of {CAMERA_PERIOD_S:g}"
            )
        if vehicle.model != "kinematic":
            raise InvalidInput(
                f"vehicle.model {vehicle.model!r} does not exist on CARLA servers; give a kinematic one, or drive "
                "in the embedded world"
            )
        if scene.road.opendrive is None:
            raise InvalidInput(
                f"road {scene.road.name!r} has no OpenDRIVE that could be sent to a CARLA server"
            )
        self._place, self._scene, self._start, self._vehicle = place, scene, start, vehicle
        self._cameras, self._layers = tuple(cameras), tuple(layers)
        # it knows the truth and where the other cars are; nothing is simulated or drawn in it
        self._reference = EmbeddedWorld([scene], start, vehicle)
        self._session: Session | None = None
        self._run: _Run | None = None

    def reset(self, seed: int) -> Observation:
        """Start again."""
        self.close()
        self._session = Session(self._place.host, self._place.port, self._place.timeout_s)
        try:
            with reaching(self._session.address):
                self._run = _Run(self, self._session)
                return self._run.begin(seed)
        except BaseException:
            self.close()
            raise

    def step(self, command: Command) -> Observation:
        """Hold ``command`` for one camera period and look again."""
        if self._run is None or self._session is None:
            raise InvalidInput("the world has not been reset; call reset(seed) first")
        try:
            with reaching(self._session.address):
                return self._run.step(command)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Destroy what was spawned and restore the server's settings."""
        self._run = None
        session, self._session = self._session, None
        if session is not None:
            session.close()


class _Run:
    """What is on the server between two resets."""

    def __init__(self, world: CarlaWorld, session: Session) -> None:
        self._world, self._session = world, session
        self._scene, self._start, self._reference = world._scene, world._start, world._reference
        self._prepare_map()
        session.synchronise(CAMERA_PERIOD_S)
        session.world.set_weather(_weather(self._scene))
        self._lay_textures()
        first = self._reference.start(0)
        self._begin = first
        self._library = session.world.get_blueprint_library()
        self._ego = self._spawn_ego(_pose_of(first.vehicle, 0.0))
        self._rear_axle_m = self._measure_rear_axle()
        self._first_pose = _transform(_pose_of(first.vehicle, self._rear_axle_m))
        self._calibration: Calibration = calibrate(session, self._ego, self._first_pose)
        self._others = self._spawn_others()
        self._eyes = {camera.name: _Eye(self, camera) for camera in world._cameras}
        detector = session.spawn(
            self._library.find("sensor.other.collision"), _transform((0.0,) * 6), self._ego
        )
        self._collisions = session.listen(detector)
        self._queue: list[tuple[float, float]] = []
        self._hit = False

    @property
    def session(self) -> Session:
        """The connection."""
        return self._session

    @property
    def library(self) -> carla.BlueprintLibrary:
        """The server's blueprints."""
        return self._library

    @property
    def ego(self) -> carla.Vehicle:
        """The car."""
        return self._ego

    @property
    def rear_axle_m(self) -> float:
        """From the car's origin back to its rear axle."""
        return self._rear_axle_m

    @property
    def scene(self) -> Scene:
        """Road, looks and weather."""
        return self._scene

    @property
    def centred(self) -> bool:
        """Whether pictures are to be asked for as CARLA's own server has to be."""
        return self._world._place.centred

    @property
    def composed(self) -> tuple[SurfaceLayer, ...]:
        """Layers that are to be laid into pictures."""
        return self._world._layers if self._world._place.patch == "composite" else ()

    def begin(self, seed: int) -> Observation:
        """The first instant: the car stands at its start, its wheels turned as they would be."""
        state = self._begin.vehicle
        self._seed = seed
        self._frame = 0
        self._s = self._begin.s_m
        self._ego.set_transform(self._first_pose)
        self._place_others(0)
        wheel = -float(state.steering_rad) / self._world._vehicle.steering_ratio
        speed = float(state.speed_mps)
        # at a stand the steering curve is that of speed 0
        turn_wheels(self._session, self._ego, self._calibration.steer(wheel, 0.0))
        self._ego.set_transform(self._first_pose)
        for eye in self._eyes.values():
            eye.open()
        frame = self._session.tick()
        steer = self._calibration.steer(wheel, speed)
        self._queue = [(steer, 0.0)] * self._world._late
        forward = self._first_pose.get_forward_vector()
        import carla

        velocity = carla.Vector3D(*(speed * part for part in (forward.x, forward.y, forward.z)))
        self._ego.set_target_velocity(velocity)
        self._hit = False
        self._collisions.all_until(frame)
        return self._observe(frame, state)

    def step(self, command: Command) -> Observation:
        """One camera period."""
        import carla

        wheel = -float(command.steering_rad[0]) / self._world._vehicle.steering_ratio
        speed = self._speed
        self._queue.append((self._calibration.steer(wheel, speed), float(command.acceleration_mps2[0])))
        steer, acceleration = self._queue.pop(0)
        throttle, brake = self._calibration.pedals(acceleration)
        self._ego.apply_control(carla.VehicleControl(throttle=throttle, steer=steer, brake=brake))
        self._frame += 1
        self._place_others(self._frame)
        frame = self._session.tick()
        return self._observe(frame, self._read_state())

    def _observe(self, frame: int, state: VehicleState) -> Observation:
        self._speed = float(state.speed_mps)
        count = torch.tensor([self._frame])
        whole = WorldState(state, self._begin.memory, self._s, count, count * 0 + self._seed)
        seen = self._reference.observe(whole)
        travelled = 0.5 * CAMERA_PERIOD_S * state.speed_mps
        self._s = seen.truth.s_m + travelled
        self._hit |= bool(self._collisions.all_until(frame))
        truth = replace(seen.truth, collided=seen.truth.collided | self._hit)
        frames = {name: eye.look(frame, state, seen.truth.s_m) for name, eye in self._eyes.items()}
        return replace(seen, truth=truth, frames=frames)

    def _read_state(self) -> VehicleState:
        """Where the car is, in ISO axes at its rear axle."""
        import carla

        pose = self._ego.get_transform()
        velocity, turning = self._ego.get_velocity(), self._ego.get_angular_velocity()
        acceleration = self._ego.get_acceleration()
        wheel = math.radians(self._ego.get_wheel_steer_angle(carla.VehicleWheelLocation.FL_Wheel))
        yaw = -math.radians(pose.rotation.yaw)
        cos, sin = math.cos(yaw), math.sin(yaw)
        x = pose.location.x - self._rear_axle_m * cos
        y = -pose.location.y - self._rear_axle_m * sin
        rate = -math.radians(turning.z)
        along = velocity.x * cos - velocity.y * sin
        across = -velocity.x * sin - velocity.y * cos - self._rear_axle_m * rate
        values = (
            x, y, yaw, along, acceleration.x * cos - acceleration.y * sin,
            -wheel * self._world._vehicle.steering_ratio, rate, across,
        )  # fmt: skip
        return VehicleState(*(torch.tensor([value], dtype=torch.float64) for value in values))

    def _prepare_map(self) -> None:
        place, road = self._world._place, self._scene.road
        if place.town is not None:
            self._session.load_town(place.town)
            return
        assert road.opendrive is not None
        hint = hint_of(self._scene, self._decals())
        self._session.load_text(road.opendrive if hint is None else declare(road.opendrive, hint))

    def _decals(self) -> list[Decal]:
        if self._world._place.patch != "texture":
            return []
        return [
            Decal(f"{DECAL}_{index}", _number(layer.place(0)[0]), _number(layer.place(0)[1]), layer.length_m,
                  layer.width_m)
            for index, layer in enumerate(self._world._layers)
        ]  # fmt: skip

    def _lay_textures(self) -> None:
        import carla

        for decal, layer in zip(self._decals(), self._world._layers, strict=False):
            add = layer.add[0].detach().expand(3, -1, -1).flip(-2)
            keep = torch.ones_like(add[0]) if layer.keep is None else layer.keep[0, 0].flip(-2)
            rows, columns = add.shape[1:]
            texture = carla.TextureFloatColor(columns, rows)
            pixels = torch.cat([add, 1 - keep[None]]).permute(1, 2, 0).tolist()
            for v, row in enumerate(pixels):
                for u, pixel in enumerate(row):
                    texture.set(u, v, carla.FloatColor(*pixel))
            self._session.world.apply_float_color_texture_to_object(
                decal.name, carla.MaterialParameter.Diffuse, texture
            )

    def _spawn_ego(self, pose: Pose) -> carla.Vehicle:
        own = next((name for name, car in PRESETS.items() if car == self._world._vehicle), None)
        names = [self._world._place.car, None if own is None else OWN_PREFIX + own, USUAL_CAR]
        known = {blueprint.id for blueprint in self._library}
        wanted = [name for name in names if name is not None]
        name = next((name for name in wanted if name in known), None)
        if name is None or (self._world._place.car is not None and name != self._world._place.car):
            raise InvalidInput(f"world.car: {wanted[0]!r} is no blueprint of the CARLA server")
        blueprint = self._library.find(name)
        blueprint.set_attribute("role_name", "hero")
        return self._session.spawn(blueprint, _transform(pose, 0.3))

    def _measure_rear_axle(self) -> float:
        """From the origin of the car's body back to its rear axle; the car has to have settled."""
        self._session.tick()
        wheels = self._ego.get_physics_control().wheels
        pose = self._ego.get_transform()
        yaw = math.radians(pose.rotation.yaw)
        ahead = [
            (wheel.position.x / 100 - pose.location.x) * math.cos(yaw)
            + (wheel.position.y / 100 - pose.location.y) * math.sin(yaw)
            for wheel in wheels
        ]
        return -float(np.mean(sorted(ahead)[: max(len(ahead) // 2, 1)]))

    def _boxes(self, frame: int) -> Boxes | None:
        return self._reference.other_cars(torch.tensor([frame * CAMERA_PERIOD_S], dtype=torch.float64))

    def _spawn_others(self) -> list[carla.Actor]:
        boxes = self._boxes(0)
        if boxes is None:
            return []
        blueprint = self._library.find(OTHER_CAR)
        blueprint.set_attribute("color", ",".join(str(round(255 * float(c))) for c in boxes.color[0, 0]))
        others = []
        for index in range(boxes.x_m.shape[1]):
            # spawned out of the way: where it belongs, something may still be standing
            actor = self._session.spawn(
                blueprint, _transform((0.0, 0.0, 200.0 + 10.0 * index, 0.0, 0.0, 0.0))
            )
            actor.set_simulate_physics(False)
            others.append(actor)
        return others

    def _place_others(self, frame: int) -> None:
        boxes = self._boxes(frame)
        if boxes is None:
            return
        for actor, x, y, yaw in zip(
            self._others, boxes.x_m[0].tolist(), boxes.y_m[0].tolist(), boxes.yaw_rad[0].tolist(), strict=True
        ):
            actor.set_transform(_transform(from_iso((x, y, 0.0, 0.0, yaw, 0.0))))


class _Eye:
    """A camera on the car, and the one that masks dirt where there is any."""

    def __init__(self, run: _Run, camera: Camera) -> None:
        blueprint = run.library.find("sensor.camera.rgb")
        centred = run.centred or not blueprint.has_attribute(PRINCIPAL[0])
        self._framing = framing = Framing.of(camera, centred)
        self._run = run
        mount, (pitch, yaw) = camera.mount, framing.turn_rad
        pose = (
            mount.x_m - run.rear_axle_m, mount.y_m, mount.z_m,
            mount.pitch_rad + pitch, mount.yaw_rad + yaw, mount.roll_rad,
        )  # fmt: skip
        self._place = _transform(from_iso(pose))
        self._sensors = [self._spawn("sensor.camera.rgb")]
        self._composer = None
        if run.composed:
            self._composer = Composer(run.scene, camera, run.composed)
            self._sensors.append(self._spawn("sensor.camera.semantic_segmentation"))
        self._inboxes: list[Inbox] = []

    def _spawn(self, name: str) -> carla.Actor:
        blueprint = self._run.library.find(name)
        blueprint.set_attribute("image_size_x", str(self._framing.width))
        blueprint.set_attribute("image_size_y", str(self._framing.height))
        blueprint.set_attribute("fov", repr(self._framing.fov_deg))
        if not self._framing.centred:
            for attribute, value in zip(
                PRINCIPAL, (self._framing.camera.cx, self._framing.camera.cy), strict=True
            ):
                blueprint.set_attribute(attribute, repr(value))
        return self._run.session.spawn(blueprint, self._place, self._run.ego)

    def open(self) -> None:
        """From now on pictures are taken."""
        self._inboxes = [self._run.session.listen(sensor) for sensor in self._sensors]

    def look(self, frame: int, state: VehicleState, s_m: Tensor) -> Tensor:
        """The picture of a frame: ``(1, H, W, 3) uint8 RGB``."""
        images = [_pixels(inbox.of_frame(frame)) for inbox in self._inboxes]
        picture = np.ascontiguousarray(self._framing.crop(images[0])[..., 2::-1])
        if self._composer is not None:
            tags = np.ascontiguousarray(self._framing.crop(images[1])[..., 2])
            picture = self._composer(picture, state, s_m, tags)
        return torch.from_numpy(picture)[None]


def _pixels(image: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """``(H, W, 4)`` B, G, R, A."""
    return np.frombuffer(image.raw_data, np.uint8).reshape(image.height, image.width, 4)


def hint_of(scene: Scene, decals: Sequence[Decal] = ()) -> SceneHint | None:
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
    for through_junctions in (False, True):
        try:
            found = load_opendrive(
                network, waypoint.road_id, waypoint.lane_id, waypoint.s, road.length_m, through_junctions
            )
        except InvalidInput:
            continue
        if _same(found, road):
            surface = dict(vars(scene.surface))
            return SceneHint(
                waypoint.road_id, waypoint.lane_id, waypoint.s, road.length_m, through_junctions, scene.seed,
                surface, decals,
            )  # fmt: skip
    return None


def _same(one: Road, other: Road) -> bool:
    """Whether two corridors run alike."""
    if len(one.x_m) != len(other.x_m):
        return False
    apart = np.hypot(one.x_m - other.x_m, one.y_m - other.y_m)
    return bool(apart.max() < SAME_ROAD_M)


def _pose_of(state: VehicleState, rear_axle_m: float) -> Pose:
    """CARLA's pose of a car whose rear axle is at a state's place."""
    yaw = float(state.yaw_rad)
    x = float(state.x_m) + rear_axle_m * math.cos(yaw)
    y = float(state.y_m) + rear_axle_m * math.sin(yaw)
    return from_iso((x, y, 0.0, 0.0, yaw, 0.0))


def _transform(pose: Pose | tuple[float, ...], lift_m: float = 0.0) -> carla.Transform:
    import carla

    x, y, z, pitch, yaw, roll = pose
    return carla.Transform(carla.Location(x, y, z + lift_m), carla.Rotation(pitch, yaw, roll))


def _weather(scene: Scene) -> carla.WeatherParameters:
    import carla

    return carla.WeatherParameters(**vars(scene.weather))


def _number(value: float | Tensor) -> float:
    return float(value)
