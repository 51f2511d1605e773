"""Everything that has a place in the server's world: cars, walkers, sensors, traffic lights, things.

Poses are CARLA's (see ``poses``); velocities m/s, angular velocities deg/s, as they go over the wire.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from simulator.carla.layouts import LIGHT_STATE, VEHICLE_STATE, WALKER_STATE, Layout
from simulator.carla.motion import Rolling
from simulator.carla.physics import Physics
from simulator.carla.poses import NOWHERE, ORIGIN, Pose, Vector, apply, rotation

NONE_TAG, PEDESTRIAN, CAR, TRUCK, BUS, MOTORCYCLE, BICYCLE, STATIC = 0, 12, 14, 15, 16, 18, 19, 20
TRAFFIC_LIGHT_TAG, SIGN_TAG, DYNAMIC = 7, 8, 21

NO_STATE = bytes(54)

RED, YELLOW, GREEN, OFF, UNKNOWN = range(5)
"""States of a traffic light."""


@dataclass(eq=False)
class Actor:
    """Anything.

    Attributes:
        number: its id.
        kind: blueprint id.
        attributes: values by name, as strings.
        pose: in the world.
        half_size_m: of its box: along, across, up.
        box_centre_m: middle of the box in the actor's own frame.
        tag: of semantic segmentation.
        uid: of its blueprint.
        description: attributes as the client sent them.
        parent: id of the actor it is attached to, 0 for none.
        place: pose in the parent's frame.
        stream: number of its stream; 0 for none.
        solid: whether others collide with it.
        physics_on: whether it moves by itself.
    """

    number: int
    kind: str
    attributes: dict[str, str]
    pose: Pose
    half_size_m: Vector
    box_centre_m: Vector = NOWHERE
    tag: int = NONE_TAG
    uid: int = 0
    description: list[Any] = field(default_factory=list)
    parent: int = 0
    place: Pose = ORIGIN
    stream: int = 0
    solid: bool = False
    physics_on: bool = True
    velocity: Vector = NOWHERE
    angular_velocity: Vector = NOWHERE
    acceleration: Vector = NOWHERE

    def box(self, layout: Layout) -> list[Any]:
        """As ``BoundingBox``, in the actor's own frame."""
        return layout.box(self.box_centre_m, self.half_size_m, NOWHERE, self.number)

    def message(self, layout: Layout, token: bytes) -> list[Any]:
        """As ``Actor``."""
        description = [self.uid, self.kind, self.description]
        tags = bytes([self.tag]) if self.tag else b""
        return [self.number, self.parent, description, self.box(layout), tags, token]

    def state(self) -> bytes:
        """What is particular to the kind, for a snapshot: 54 bytes."""
        return NO_STATE

    def move_to(self, pose: Pose) -> None:
        """Put it somewhere."""
        self.pose = pose

    def number_of(self, attribute: str, default: float) -> float:
        """The value of an attribute as a finite number."""
        try:
            value = float(self.attributes[attribute])
        except (KeyError, ValueError):
            return default
        return value if math.isfinite(value) else default


@dataclass
class Control:
    """What a driver does: fields as in ``carla.VehicleControl``."""

    throttle: float = 0.0
    steer: float = 0.0
    brake: float = 0.0
    hand_brake: bool = False
    reverse: bool = False
    manual_gear_shift: bool = False
    gear: int = 0


@dataclass
class Ackermann:
    """What an Ackermann controller is asked for: fields as in ``carla.VehicleAckermannControl``."""

    steer: float = 0.0
    steer_speed: float = 0.0
    speed: float = 0.0
    acceleration: float = 0.0
    jerk: float = 0.0


@dataclass(eq=False)
class Car(Actor):
    """A vehicle of any kind.

    Attributes:
        physics: its parameters.
        rolling: its motion.
        control: what the driver does.
        ackermann: what is asked of the Ackermann controller, None while the driver drives.
        ackermann_settings: gains, kept for whoever asks.
        lights: flags of ``carla.VehicleLightState``.
        speed_limit_kmh: of the road, by the last sign that it passed.
        traffic_light: the one that governs it, if any.
        constant_mps: forward speed that is held whatever happens, None for none.
        spin_radps: turn about its vertical axis that lasts for the next step.
        push_mps: velocity that is added at the next step.
        doors_open: which.
    """

    physics: Physics = field(default_factory=Physics)
    rolling: Rolling = field(default_factory=Rolling)
    control: Control = field(default_factory=Control)
    ackermann: Ackermann | None = None
    ackermann_settings: list[float] = field(default_factory=lambda: [0.15, 0.0, 0.25, 0.01, 0.0, 0.01])
    lights: int = 0
    speed_limit_kmh: float = 30.0
    traffic_light: TrafficLight | None = None
    constant_mps: float | None = None
    spin_radps: float = 0.0
    push_mps: Vector = NOWHERE
    doors_open: set[int] = field(default_factory=set)

    def state(self) -> bytes:
        """Control, speed limit and light."""
        control, light = self.control, self.traffic_light
        return VEHICLE_STATE.pack(
            control.throttle,
            control.steer,
            control.brake,
            control.hand_brake,
            control.reverse,
            control.manual_gear_shift,
            self.gear,
            self.speed_limit_kmh,
            GREEN if light is None else light.light,
            light is not None,
            0 if light is None else light.number,
            0,
        )

    @property
    def gear(self) -> int:
        """Which one an automatic gearbox would have in."""
        if self.control.manual_gear_shift:
            return self.control.gear
        if self.control.reverse:
            return -1
        return 0 if self.rolling.speed_mps == 0.0 else min(1 + int(abs(self.rolling.speed_mps) / 8.0), 6)

    def move_to(self, pose: Pose) -> None:
        """Put it somewhere; it keeps its speed."""
        self.pose = pose
        self.place_rolling()

    def place_rolling(self) -> None:
        """Bring the rear axle to where the body is."""
        yaw = math.radians(self.pose[4])
        back = self.physics.rear_axle_m
        self.rolling.x_m = self.pose[0] - back * math.cos(yaw)
        self.rolling.y_m = self.pose[1] - back * math.sin(yaw)
        self.rolling.yaw_rad = yaw

    def take_speed_of(self, velocity: Vector) -> None:
        """Roll with the part of a velocity that lies along the heading; tyres do not let a car slide."""
        forward = rotation(self.pose)
        along = (forward[0][0], forward[1][0], forward[2][0])
        self.rolling.speed_mps = sum(a * v for a, v in zip(along, velocity, strict=True))
        self.velocity = tuple_of(self.rolling.speed_mps * a for a in along)


@dataclass(eq=False)
class Walker(Actor):
    """A pedestrian.

    Attributes:
        direction: where it walks.
        speed_mps: how fast.
        jump: whether it is asked to (it does not).
    """

    direction: Vector = (1.0, 0.0, 0.0)
    speed_mps: float = 0.0
    jump: bool = False

    def state(self) -> bytes:
        """Its control."""
        return WALKER_STATE.pack(*self.direction, self.speed_mps, self.jump).ljust(54, b"\0")


@dataclass(eq=False)
class TrafficLight(Actor):
    """A traffic light.

    Attributes:
        sign_id: of the signal in the map.
        light: its state now.
        elapsed_s: for how long.
        times_s: by state: red, yellow, green.
        frozen: whether it stays as it is.
        pole_index: place among the lights of its junction.
    """

    sign_id: str = ""
    light: int = RED
    elapsed_s: float = 0.0
    times_s: list[float] = field(default_factory=lambda: [2.0, 3.0, 10.0])
    frozen: bool = False
    pole_index: int = 0

    def state(self) -> bytes:
        """Times and state."""
        red, yellow, green = self.times_s
        sign = self.sign_id.encode()[:31]
        return LIGHT_STATE.pack(
            sign, green, yellow, red, self.elapsed_s, self.pole_index, self.frozen, self.light
        ).ljust(54, b"\0")


@dataclass(eq=False)
class Sign(Actor):
    """A traffic sign."""

    sign_id: str = ""

    def state(self) -> bytes:
        """The signal's id in the map."""
        return self.sign_id.encode()[:31].ljust(54, b"\0")


def tuple_of(numbers: Any) -> Vector:
    """Three numbers as a vector."""
    x, y, z = numbers
    return x, y, z


def world_box_centre(actor: Actor) -> Vector:
    """Middle of an actor's box in the world."""
    x, y, z = apply(rotation(actor.pose), actor.box_centre_m)
    return actor.pose[0] + x, actor.pose[1] + y, actor.pose[2] + z
