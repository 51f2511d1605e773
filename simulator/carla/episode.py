"""The server's world: a map, and the actors on it, advanced step by step.

What a step does: cars and walkers move (in the order of their ids), push each other apart, whatever is attached rides
along, traffic lights take turns; then the frame counts up, and sensors look.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from typing import Any, TypeVar

from simulator.carla.actors import (
    BICYCLE,
    BUS,
    CAR,
    DYNAMIC,
    MOTORCYCLE,
    PEDESTRIAN,
    SIGN_TAG,
    STATIC,
    TRAFFIC_LIGHT_TAG,
    TRUCK,
    Actor,
    Car,
    Sign,
    TrafficLight,
    Walker,
)
from simulator.carla.blueprints import OWN_PREFIX, Blueprint
from simulator.carla.contacts import Contact, resolve, touching
from simulator.carla.layouts import ACTOR, ACTOR_ACTIVE, SNAPSHOT_HEADER, Layout
from simulator.carla.lights import LightGroup
from simulator.carla.physics import Physics
from simulator.carla.poses import ORIGIN, Pose, compose
from simulator.carla.rpc import Refusal
from simulator.carla.scenery import Scenery
from simulator.carla.sensors.device import Device, Sensor
from simulator.carla.sensors.kinds import DEVICES
from simulator.carla.signals import LIGHT_TYPE, LIMIT_TYPE, STOP_TYPE, RegionIndex
from simulator.carla.stepping import ride_along, step_car, step_walker
from simulator.carla.streaming import Streams
from simulator.carla.town import Town
from simulator.vehicle import PRESETS

LOG = logging.getLogger(__name__)

MOST_ACTORS = 10_000

Kind = TypeVar("Kind", bound=Actor)

_VEHICLE_TAGS = {"truck": TRUCK, "bus": BUS, "motorcycle": MOTORCYCLE, "bicycle": BICYCLE}


class Episode:
    """A world from its loading to the next.

    Attributes:
        number: of the episode.
        town: the map.
        scenery: what cameras see of it.
        actors: everything, by id.
        spectator: where somebody looks from; it has no effect.
        time_s: simulated since the episode began.
        contacts: who touched whom in the last step.
    """

    def __init__(
        self, number: int, town: Town, streams: Streams, library: dict[str, Blueprint], layout: Layout,
        first_id: int = 1,
    ) -> None:  # fmt: skip
        """Begin, with the map's own actors; ids of actors count from ``first_id``."""
        self.number, self.town = number, town
        self.scenery = Scenery(town)
        self._streams, self._library, self._layout = streams, library, layout
        self.actors: dict[int, Actor] = {}
        self.time_s = 0.0
        self.contacts: list[Contact] = []
        self._next = first_id
        first = town.spawn_points[0] if town.spawn_points else ORIGIN
        self.spectator = self._add(Actor(self.next_id(), "spectator", {}, first, (0.0, 0.0, 0.0)))
        self.light_groups: list[LightGroup] = []
        self._add_signals()

    def next_id(self) -> int:
        """An id that nobody has had."""
        self._next += 1
        return self._next - 1

    def _add(self, actor: Actor) -> Actor:
        self.actors[actor.number] = actor
        return actor

    def _add_signals(self) -> None:
        """Lights and signs of the map."""
        phases: dict[str, dict[str, list[TrafficLight]]] = {}
        lights, limits = [], []
        for signal in self.town.signals:
            if signal.kind == LIGHT_TYPE:
                half, centre = _trigger_box(signal.pose, signal.regions)
                group = phases.setdefault(signal.group, {})
                light = TrafficLight(
                    self.next_id(), "traffic.traffic_light", {}, signal.pose, half, centre, TRAFFIC_LIGHT_TAG,
                    sign_id=signal.sign_id, pole_index=sum(map(len, group.values())),
                )  # fmt: skip
                group.setdefault(signal.phase, []).append(light)
                self._add(light)
                lights += [(region, light.number) for region in signal.regions]
                continue
            kind = "traffic.stop" if signal.kind == STOP_TYPE else "traffic.yield"
            if signal.kind == LIMIT_TYPE:
                kind = f"traffic.speed_limit.{signal.value:g}"
            half, centre = _trigger_box(signal.pose, signal.regions)
            sign = Sign(self.next_id(), kind, {}, signal.pose, half, centre, SIGN_TAG, sign_id=signal.sign_id)
            self._add(sign)
            if signal.kind == LIMIT_TYPE and signal.value > 0:
                limits += [(region, round(signal.value)) for region in signal.regions]
        self._light_regions, self._limit_regions = RegionIndex(lights), RegionIndex(limits)
        self.light_groups = [LightGroup(group.values()) for group in phases.values()]

    def of_kind(self, kind: type[Kind]) -> list[Kind]:
        """All actors of a class, by id."""
        return [actor for actor in self.actors.values() if isinstance(actor, kind)]

    def find(self, number: int) -> Actor:
        """An actor by id.

        Raises:
            Refusal: there is none.
        """
        actor = self.actors.get(number)
        if actor is None:
            raise Refusal(f"unable to find actor: {number} not found")
        return actor

    def find_car(self, number: int) -> Car:
        """A vehicle by id.

        Raises:
            Refusal: there is none.
        """
        return self._find_of(Car, number, "vehicle")

    def find_walker(self, number: int) -> Walker:
        """A walker by id.

        Raises:
            Refusal: there is none.
        """
        return self._find_of(Walker, number, "walker")

    def find_light(self, number: int) -> TrafficLight:
        """A traffic light by id.

        Raises:
            Refusal: there is none.
        """
        return self._find_of(TrafficLight, number, "traffic light")

    def _find_of(self, kind: type[Kind], number: int, what: str) -> Kind:
        actor = self.find(number)
        if not isinstance(actor, kind):
            raise Refusal(f"actor {number} is no {what}")
        return actor

    def spawn(self, description: list[Any], pose: Pose, parent: int | None = None) -> Actor:
        """Make an actor.

        Args:
            description: ``ActorDescription``.
            pose: where; relative to the parent if there is one.
            parent: id of the actor it is attached to.

        Raises:
            Refusal: there is no such blueprint or parent, or something stands there.
        """
        _, kind, values = description
        blueprint = self._library.get(kind)
        if blueprint is None:
            raise Refusal("Spawn failed because of invalid actor description")
        if len(self.actors) >= MOST_ACTORS:
            raise Refusal(f"Spawn failed: there are {MOST_ACTORS} actors already")
        attributes = {attribute.name: attribute.value for attribute in blueprint.attributes}
        attributes |= {str(name): str(value) for name, _, value in values}
        place = ORIGIN
        if parent is not None:
            holder = self.actors.get(parent)
            if holder is None:
                raise Refusal("unable to attach actor: parent actor not found")
            place, pose = pose, compose(holder.pose, pose)
        actor = self._make(blueprint, attributes, pose)
        actor.uid, actor.description = blueprint.uid, values
        actor.parent, actor.place = parent or 0, place
        if actor.solid and parent is None:
            solids = [other for other in self.actors.values() if other.solid]
            if touching(actor, solids):
                raise Refusal("Spawn failed because of collision at spawn position")
        actor.number = self.next_id()
        if isinstance(actor, Sensor) and actor.device is not None:
            actor.stream = self._streams.open()
        return self._add(actor)

    def _make(self, blueprint: Blueprint, attributes: dict[str, str], pose: Pose) -> Actor:
        kind, half = blueprint.name, blueprint.half_size_m
        if kind.startswith("vehicle."):
            base, wheels = blueprint.value("base_type"), int(blueprint.value("number_of_wheels"))
            own = PRESETS.get(kind.removeprefix(OWN_PREFIX))
            physics = Physics.of_size(half, base, wheels) if own is None else Physics.of_preset(own)
            tag = _VEHICLE_TAGS.get(base, CAR)
            car = Car(0, kind, attributes, pose, half, (0.0, 0.0, half[2]), tag, solid=True, physics=physics)
            car.place_rolling()
            return car
        if kind.startswith("walker."):
            return Walker(0, kind, attributes, pose, half, tag=PEDESTRIAN, solid=True)
        if kind.startswith("sensor."):
            make = DEVICES.get(kind)
            sensor = Sensor(0, kind, attributes, pose, half)
            sensor.device = None if make is None else make(sensor)
            return sensor
        if kind.startswith("static.prop."):
            tag = STATIC if kind.startswith("static.prop.street") else DYNAMIC
            return Actor(0, kind, attributes, pose, half, (0.0, 0.0, half[2]), tag, solid=True)
        return Actor(0, kind, attributes, pose, half)

    def destroy(self, number: int) -> None:
        """Take an actor out of the world, and what is attached to it.

        Raises:
            Refusal: there is none of that id, or it belongs to the map.
        """
        actor = self.actors.get(number)
        if actor is None or actor is self.spectator or isinstance(actor, (TrafficLight, Sign)):
            raise Refusal("unable to destroy actor: not found")
        del self.actors[number]
        if actor.stream:
            self._streams.close(actor.stream)
        for other in [other for other in self.actors.values() if other.parent == number]:
            self.destroy(other.number)

    def clear(self) -> None:
        """End all streams of sensors: the episode is over."""
        for actor in self.actors.values():
            if actor.stream:
                self._streams.close(actor.stream)
        self.actors.clear()

    def advance(self, duration_s: float) -> None:
        """Let time pass."""
        town = self.town
        moving: list[Actor] = []
        for actor in self.actors.values():
            if actor.parent:
                continue
            if isinstance(actor, Car):
                step_car(actor, town, duration_s)
                self._govern(actor)
            elif isinstance(actor, Walker):
                step_walker(actor, town, duration_s)
            if actor.solid:
                moving.append(actor)
        self.contacts = resolve(moving) if len(moving) > 1 else []
        for actor in self.actors.values():
            parent = self.actors.get(actor.parent) if actor.parent else None
            if parent is not None:
                ride_along(actor, parent)
        for group in self.light_groups:
            group.advance(duration_s)
        self.time_s += duration_s

    def _govern(self, car: Car) -> None:
        """Find the light and the speed limit that hold for a car: those at its front bumper."""
        yaw = math.radians(car.pose[4])
        x = car.pose[0] + car.half_size_m[0] * math.cos(yaw)
        y = car.pose[1] + car.half_size_m[0] * math.sin(yaw)
        lights = self._light_regions.at(x, y, yaw)
        found = self.actors.get(lights[0]) if lights else None
        car.traffic_light = found if isinstance(found, TrafficLight) else None
        limits = self._limit_regions.at(x, y, yaw)
        if limits:
            car.speed_limit_kmh = float(limits[0])

    def snapshot(self, wall_s: float, step_s: float) -> bytes:
        """Where everything is, as the world observer sends it (without the sensors' header)."""
        parts = [SNAPSHOT_HEADER.pack(self.number, wall_s, step_s, 0, 0, 0, 0)]
        pack = ACTOR.pack
        parts += [
            pack(
                actor.number,
                ACTOR_ACTIVE,
                *actor.pose,
                *actor.velocity,
                *actor.angular_velocity,
                *actor.acceleration,
                actor.state(),
            )
            for actor in self.actors.values()
        ]
        return b"".join(parts)

    def sensors(self) -> Iterable[tuple[Sensor, Device]]:
        """Sensors that send from here, by id."""
        for actor in list(self.actors.values()):
            if isinstance(actor, Sensor) and actor.device is not None:
                yield actor, actor.device

    def message_of(self, actor: Actor) -> list[Any]:
        """As ``Actor``, with the token of its stream."""
        token = self._streams.token(actor.stream) if actor.stream else b""
        return actor.message(self._layout, token)

    def group_of(self, light: TrafficLight) -> LightGroup:
        """The group that a light takes turns in."""
        return next(group for group in self.light_groups if light in group.lights)


def _trigger_box(
    pose: Pose, regions: list[Any]
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Half size and middle, in the frame of a signal, of a box around what it governs."""
    if not regions:
        return (0.5, 0.5, 1.0), (0.0, 0.0, 1.0)
    yaw = math.radians(pose[4])
    cos, sin = math.cos(yaw), math.sin(yaw)
    xs, ys = [], []
    for region in regions:
        turn = region.yaw_rad
        for along in (-region.half_length_m, region.half_length_m):
            for across in (-region.half_width_m, region.half_width_m):
                dx = region.x_m + along * math.cos(turn) - across * math.sin(turn) - pose[0]
                dy = region.y_m + along * math.sin(turn) + across * math.cos(turn) - pose[1]
                xs.append(cos * dx + sin * dy)
                ys.append(cos * dy - sin * dx)
    half = 0.5 * (max(xs) - min(xs)), 0.5 * (max(ys) - min(ys)), 1.0
    return half, (0.5 * (max(xs) + min(xs)), 0.5 * (max(ys) + min(ys)), 1.0)
