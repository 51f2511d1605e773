"""Calls about actors of any kind: spawn, find, destroy, move, push, and what walkers and sensors add."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from simulator.carla.actors import Actor, Car, Walker, tuple_of
from simulator.carla.poses import NOWHERE, Vector, compose, finite, pose_of, transform_of, vector_of
from simulator.carla.rpc import Dispatcher, Refusal

if TYPE_CHECKING:
    from simulator.carla.server import Server


def register(dispatcher: Dispatcher, server: Server) -> None:
    """Answer these calls."""
    calls = ActorCalls(server)
    value, done = dispatcher.value, dispatcher.done
    value("get_spectator", lambda: server.episode.message_of(server.episode.spectator))
    value("get_actors_by_id", calls.by_id)
    value("spawn_actor", calls.spawn)
    value("spawn_actor_with_parent", calls.spawn)
    value("destroy_actor", calls.destroy)
    value("get_actor_bounding_box", calls.box)
    done("set_actor_location", calls.set_location)
    done("set_actor_transform", calls.set_transform)
    done("set_actor_target_velocity", calls.set_velocity)
    done("set_actor_target_angular_velocity", calls.set_angular_velocity)
    done("enable_actor_constant_velocity", calls.hold_velocity)
    done("disable_actor_constant_velocity", calls.release_velocity)
    done("add_actor_impulse", calls.push)
    done("add_actor_impulse_at_location", calls.push)
    done("add_actor_force", calls.push_for_a_step)
    done("add_actor_force_at_location", calls.push_for_a_step)
    done("add_actor_angular_impulse", calls.spin)
    done("add_actor_torque", calls.spin_for_a_step)
    done("set_actor_simulate_physics", calls.set_physics)
    done("set_actor_collisions", calls.set_solid)
    done("set_actor_enable_gravity", lambda number, enabled: None)
    done("set_actor_dead", calls.stop_for_good)
    value("get_sensor_token", calls.token)
    value("get_gbuffer_token", calls.no_buffer)
    done("enable_sensor_for_ros", lambda number: None)
    done("disable_sensor_for_ros", lambda number: None)
    value("is_sensor_enabled_for_ros", lambda number: False)
    done("apply_control_to_walker", calls.walk)
    value("get_bones_transform", lambda number: [[]])
    for name in ("set_bones_transform", "blend_pose", "get_pose_from_animation"):
        done(name, lambda number, *pose: calls.check_walker(number))
    for kind in ("component", "bone", "socket"):
        value(f"get_actor_{kind}_names", lambda number: [])
        value(f"get_actor_{kind}_world_transforms", lambda number: [])
        value(f"get_actor_{kind}_relative_transforms", lambda number: [])
    value("get_actor_component_world_transform", lambda number, name: transform_of(calls.actor(number).pose))
    value("get_actor_component_relative_transform", lambda number, name: [[0.0] * 3, [0.0] * 3])


class ActorCalls:
    """Answers that need more than a line."""

    def __init__(self, server: Server) -> None:
        """Of a server."""
        self._server = server

    def actor(self, number: int) -> Actor:
        """An actor by id."""
        return self._server.episode.find(number)

    def by_id(self, numbers: list[int]) -> list[Any]:
        """Those that there are."""
        episode = self._server.episode
        return [episode.message_of(episode.actors[n]) for n in numbers if n in episode.actors]

    def spawn(
        self, description: list[Any], transform: list[Any], parent: int | None = None, attachment: int = 0,
        socket: str = "",
    ) -> list[Any]:  # fmt: skip
        """A new actor; if it is attached, however it is to be, it is held rigidly."""
        episode = self._server.episode
        return episode.message_of(episode.spawn(description, pose_of(transform), parent))

    def destroy(self, number: int) -> bool:
        """Take an actor away."""
        self._server.episode.destroy(number)
        return True

    def box(self, number: int) -> list[Any]:
        """The box of an actor; an empty one for an actor that is gone: of an error a Traffic Manager would die."""
        actor = self._server.episode.actors.get(number)
        if actor is not None:
            return actor.box(self._server.layout)
        return self._server.layout.box(NOWHERE, NOWHERE, NOWHERE, number)

    def set_location(self, number: int, location: list[float]) -> None:
        """Put it somewhere, turned as it is."""
        actor = self.actor(number)
        self._move(actor, [location, list(actor.pose[3:])])

    def set_transform(self, number: int, transform: list[Any]) -> None:
        """Put it somewhere; attached actors are moved relative to their parents."""
        self._move(self.actor(number), transform)

    def _move(self, actor: Actor, transform: list[Any]) -> None:
        pose = pose_of(transform)
        parent = self._server.episode.actors.get(actor.parent)
        if parent is not None:
            actor.place = pose
            pose = compose(parent.pose, pose)
        actor.move_to(pose)

    def set_velocity(self, number: int, velocity: list[float]) -> None:
        """Let it have a speed at once."""
        actor, wanted = self.actor(number), vector_of(velocity)
        if isinstance(actor, Car):
            actor.take_speed_of(wanted)
        else:
            actor.velocity = wanted

    def set_angular_velocity(self, number: int, velocity: list[float]) -> None:
        """Let a car turn for a step [deg/s]."""
        actor, (_, _, about_z) = self.actor(number), vector_of(velocity)
        if isinstance(actor, Car):
            actor.spin_radps = math.radians(about_z)

    def hold_velocity(self, number: int, velocity: list[float]) -> None:
        """Let a car keep the forward part of a velocity in its own frame."""
        self._server.episode.find_car(number).constant_mps = vector_of(velocity)[0]

    def release_velocity(self, number: int) -> None:
        """Let it drive as it likes."""
        self._server.episode.find_car(number).constant_mps = None

    def push(self, number: int, impulse: list[float], place: object = None) -> None:
        """Push a car by an impulse [N s], at its centre wherever it is meant."""
        self._push(self.actor(number), vector_of(impulse), 1.0)

    def push_for_a_step(self, number: int, force: list[float], place: object = None) -> None:
        """Push a car by a force [N], likewise."""
        self._push(self.actor(number), vector_of(force), self._server.settings.period_s)

    def _push(self, actor: Actor, vector: Vector, duration_s: float) -> None:
        if isinstance(actor, Car):
            gain = duration_s / actor.physics.mass_kg
            pushed = (old + gain * new for old, new in zip(actor.push_mps, vector, strict=True))
            actor.push_mps = tuple_of(pushed)

    def spin(self, number: int, impulse: list[float]) -> None:
        """Turn a car about its vertical axis by an angular impulse."""
        self._spin(self.actor(number), vector_of(impulse)[2], 1.0)

    def spin_for_a_step(self, number: int, torque: list[float]) -> None:
        """Turn a car by a torque."""
        self._spin(self.actor(number), vector_of(torque)[2], self._server.settings.period_s)

    def _spin(self, actor: Actor, about_z: float, duration_s: float) -> None:
        if isinstance(actor, Car):
            actor.spin_radps += duration_s * about_z / actor.physics.car.yaw_inertia_kgm2

    def set_physics(self, number: int, enabled: bool) -> None:
        """Let it move by itself or not."""
        actor = self.actor(number)
        actor.physics_on = bool(enabled)
        if not enabled:
            actor.velocity = NOWHERE
            if isinstance(actor, Car):
                actor.rolling.speed_mps = actor.rolling.acceleration_mps2 = 0.0

    def set_solid(self, number: int, enabled: bool) -> None:
        """Let others collide with it or not; sensors never do."""
        actor = self.actor(number)
        if actor.kind.startswith(("vehicle.", "walker.", "static.prop.")):
            actor.solid = bool(enabled)

    def stop_for_good(self, number: int) -> None:
        """A walker that is dead walks no more."""
        actor = self.actor(number)
        if isinstance(actor, Walker):
            actor.speed_mps = 0.0

    def token(self, stream: int) -> list[bytes]:
        """What it takes to read a stream."""
        if stream not in self._server.streams:
            raise Refusal(f"there is no stream {stream}")
        self._server.streams.expect(stream)
        return [self._server.streams.token(stream)]

    def no_buffer(self, number: int, buffer: int) -> list[bytes]:
        """Cameras send one picture, and nothing that Unreal would have drawn on the way to it."""
        raise Refusal(f"there is no G-buffer {buffer}: this server does not render with Unreal")

    def check_walker(self, number: int) -> None:
        """A walker is a box without bones: there is nothing to pose."""
        self._server.episode.find_walker(number)

    def walk(self, number: int, control: list[Any]) -> None:
        """Let a walker walk."""
        walker = self._server.episode.find_walker(number)
        direction, speed, jump = control
        walker.direction, walker.speed_mps, walker.jump = vector_of(direction), finite(speed), bool(jump)
