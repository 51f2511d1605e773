"""CarlaWorld: one world of a CARLA server, behind the same contract as the embedded one.

The map is the scenario's own (sent as OpenDRIVE, or one of the server's towns), the truth is read from it, and other
cars are moved as the scenario says, so that a scenario file means the same here. The car is the server's: with a server
of this project it is the scenario's car to the last parameter; with another one it is whatever that server has, driven
through a calibrated mapping. It has been tested against this project's server only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import torch

from simulator.camera import Camera
from simulator.carla.blueprints import OTHER_CAR
from simulator.carla.ego import Ego, transform_at
from simulator.carla.eye import Eye
from simulator.carla.hints import declare, hint_of
from simulator.carla.poses import ORIGIN, from_iso
from simulator.carla.road_textures import lay_layer, take_away
from simulator.carla.session import Session, reaching
from simulator.embedded import EmbeddedWorld, Start, WorldState
from simulator.objects import Boxes
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.vehicle import VehicleParameters
from simulator.world import CAMERA_PERIOD_S, Command, InvalidInput, Observation, VehicleState

if TYPE_CHECKING:
    import carla

SIMILAR_CAR = "vehicle.tesla.model3"
"""What other cars are on a server that is not of this project."""


@dataclass(frozen=True)
class Place:
    """Which server, and how to use it.

    Attributes:
        host: its address.
        port: of its calls.
        timeout_s: of every call.
        town: one of the server's maps, which must be that of the scenario; None to send the scenario's.
        patch: how dirt gets onto the road: laid into the pictures, or sent as a texture, which is exact; None for a
            texture where the server can lay it.
        car: blueprint of the car; None for the scenario's own where the server has it.
        centred: ask for pictures with the principal point in the middle even of a server that can do otherwise.
    """

    host: str = "127.0.0.1"
    port: int = 2000
    timeout_s: float = 60.0
    town: str | None = None
    patch: Literal["composite", "texture"] | None = None
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
        layers: what lies on the road besides what the scene has; may be set between frames.
    """

    size = 1

    def __init__(
        self, place: Place, scene: Scene, start: Start, vehicle: VehicleParameters,
        cameras: Sequence[Camera] = (), latency_s: float = 0.0, layers: Sequence[SurfaceLayer] = (),
    ) -> None:  # fmt: skip
        self.late_frames = round(latency_s / CAMERA_PERIOD_S)
        if abs(self.late_frames * CAMERA_PERIOD_S - latency_s) > 1e-6:
            raise InvalidInput(
                f"world.latency_s: {latency_s} s is not possible with CARLA, which takes one command a tick; give a "
                f"multiple of {CAMERA_PERIOD_S:g}"
            )
        if vehicle.model != "kinematic":
            raise InvalidInput(
                f"vehicle.model {vehicle.model!r} does not exist on CARLA servers; give a kinematic one, or drive "
                "in the embedded world"
            )
        if any(camera.exposure != 1 for camera in cameras):
            raise InvalidInput(
                "camera.exposure: pictures of CARLA servers are not exposed by us; leave this out, or drive in the "
                "embedded world"
            )
        if scene.road.opendrive is None:
            raise InvalidInput(
                f"road {scene.road.name!r} has no OpenDRIVE that could be sent to a CARLA server"
            )
        self.place, self.scene, self.vehicle, self.cameras = place, scene, vehicle, tuple(cameras)
        self.layers = tuple(layers)
        # it knows the truth and where the other cars are; nothing is simulated or drawn in it
        self.reference = EmbeddedWorld([scene], start, vehicle)
        self._session: Session | None = None
        self._run: _Run | None = None

    def reset(self, seed: int) -> Observation:
        """Start again."""
        self.close()
        self._session = Session(self.place.host, self.place.port, self.place.timeout_s)
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

    @cached_property
    def map_text(self) -> str:
        """The scenario's map, with what this project's servers need to know of its looks."""
        text = self.scene.road.opendrive
        assert text is not None
        hint = hint_of(self.scene)
        return text if hint is None else declare(text, hint)

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
        if world.place.town is None:
            session.load_text(world.map_text)
        else:
            session.load_town(world.place.town)
        session.synchronise(CAMERA_PERIOD_S)
        self._set_weather()
        self._library = session.world.get_blueprint_library()
        # who has this car can lay textures, too
        self._own_server = OTHER_CAR in {blueprint.id for blueprint in self._library}
        self._lays_textures = (
            self._own_server if world.place.patch is None else world.place.patch == "texture"
        )
        self._begin = world.reference.start(0)
        self._ego = Ego(session, world.vehicle, world.place.car, self._begin.vehicle)
        self._others = self._spawn_others()
        detector = self._library.find("sensor.other.collision")
        self._collisions = session.listen(session.spawn(detector, transform_at(ORIGIN), self._ego.actor))
        self._eyes: dict[str, Eye] = {}
        self._queue: list[carla.VehicleControl] = []
        self._laid: tuple[SurfaceLayer, ...] = ()
        self._hit = False

    def begin(self, seed: int) -> Observation:
        """The first instant: the car stands at its start, its wheels turned as they would be."""
        world, state = self._world, self._begin.vehicle
        self._seed, self._frame, self._s = seed, 0, self._begin.s_m
        self._place_others()
        self._ego.stand(state)
        self._eyes = {
            camera.name: Eye(self._session, self._ego, camera, world.scene, world.place.centred)
            for camera in world.cameras
        }
        self._lay()
        frame = self._session.tick()
        self._ego.roll(state)
        hold = self._ego.control(state.steering_rad, torch.zeros_like(state.steering_rad))
        self._queue = [hold] * world.late_frames
        # what calibrating ran into
        self._collisions.all_until(frame)
        return self._observe(frame, state)

    def step(self, command: Command) -> Observation:
        """One camera period."""
        self._queue.append(self._ego.control(command.steering_rad, command.acceleration_mps2))
        self._ego.actor.apply_control(self._queue.pop(0))
        self._frame += 1
        self._place_others()
        self._lay()
        frame = self._session.tick()
        return self._observe(frame, self._ego.read())

    def _observe(self, frame: int, state: VehicleState) -> Observation:
        world = self._world
        count = torch.tensor([self._frame])
        whole = WorldState(state, self._begin.memory, self._s, count, torch.full_like(count, self._seed))
        seen = world.reference.observe(whole)
        place = seen.truth.s_m
        self._s = place + 0.5 * CAMERA_PERIOD_S * state.speed_mps
        dirt = () if self._lays_textures else self._laid
        frames = {name: eye.look(frame, state, place, dirt) for name, eye in self._eyes.items()}
        # after the pictures, which are waited for: a collision's message may still be on its way before them
        self._hit |= bool(self._collisions.all_until(frame))
        truth = replace(seen.truth, collided=seen.truth.collided | self._hit)
        return replace(seen, truth=truth, frames=frames)

    def _lay(self) -> None:
        """Bring the road's dirt to what the world's is now."""
        wanted = tuple(self._world.layers)
        if list(map(id, wanted)) == list(map(id, self._laid)):
            return
        if self._lays_textures:
            for layer in self._laid:
                take_away(self._session.world, layer)
            for layer in wanted:
                lay_layer(self._session.world, layer)
        else:
            for eye in self._eyes.values():
                eye.expect_dirt()
        self._laid = wanted

    def _set_weather(self) -> None:
        import carla

        self._session.world.set_weather(carla.WeatherParameters(**vars(self._world.scene.weather)))

    def _boxes(self, frame: int) -> Boxes | None:
        time_s = torch.tensor([frame * CAMERA_PERIOD_S], dtype=torch.float64)
        return self._world.reference.other_cars(time_s)

    def _spawn_others(self) -> list[carla.Actor]:
        boxes = self._boxes(0)
        if boxes is None:
            return []
        blueprint = self._library.find(OTHER_CAR if self._own_server else SIMILAR_CAR)
        blueprint.set_attribute("color", ",".join(str(round(255 * float(c))) for c in boxes.color[0, 0]))
        others = []
        for index in range(boxes.x_m.shape[1]):
            # spawned out of the way: where it belongs, something may still be standing
            actor = self._session.spawn(blueprint, transform_at(ORIGIN, 200.0 + 10.0 * index))
            actor.set_simulate_physics(False)
            others.append(actor)
        return others

    def _place_others(self) -> None:
        boxes = self._boxes(self._frame)
        if boxes is None:
            return
        poses = torch.stack([boxes.x_m[0], boxes.y_m[0], boxes.yaw_rad[0]], 1).tolist()
        for actor, (x, y, yaw) in zip(self._others, poses, strict=True):
            actor.set_transform(transform_at(from_iso((x, y, 0.0, 0.0, yaw, 0.0))))
