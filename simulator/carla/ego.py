"""The car of a CarlaWorld: the scenario's own where the server has it, driven by steering angle and acceleration."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from simulator.carla.blueprints import OWN_PREFIX
from simulator.carla.calibration import calibrate, turn_wheels
from simulator.carla.poses import Pose, from_iso
from simulator.carla.session import Session
from simulator.vehicle import PRESETS, VehicleParameters
from simulator.world import InvalidInput, VehicleState

if TYPE_CHECKING:
    import carla

USUAL_CAR = "vehicle.lincoln.mkz_2020"

SPAWN_LIFT_M = 0.3
"""Cars are spawned a little above the road, so that they do not stand in it."""


def transform_at(pose: Pose, lift_m: float = 0.0) -> carla.Transform:
    """A pose as the client has it."""
    import carla

    x, y, z, pitch, yaw, roll = pose
    return carla.Transform(carla.Location(x, y, z + lift_m), carla.Rotation(pitch, yaw, roll))


def blueprint_of(session: Session, vehicle: VehicleParameters, kind: str | None) -> carla.ActorBlueprint:
    """The blueprint of the car.

    Args:
        session: connected.
        vehicle: the scenario's car, which this project's servers have.
        kind: blueprint that has to be taken; None for the scenario's car, or a usual one.

    Raises:
        InvalidInput: the server does not have it.
    """
    library = session.world.get_blueprint_library()
    known = {blueprint.id for blueprint in library}
    own = [OWN_PREFIX + name for name, car in PRESETS.items() if car == vehicle]
    wanted = [kind] if kind is not None else [*own[:1], USUAL_CAR]
    found = next((name for name in wanted if name in known), None)
    if found is None:
        raise InvalidInput(f"world.car: {wanted[0]!r} is no blueprint of the CARLA server")
    return library.find(found)


class Ego:
    """The car.

    Args:
        session: synchronous, with nothing in the car's way for a hundred metres.
        vehicle: that the scenario has.
        kind: blueprint to take instead; None for the scenario's own where the server has it.
        start: how the drive begins.

    Attributes:
        actor: on the server.
        rear_axle_m: from the actor's origin back to its rear axle.
        speed_mps: as it was read last.
    """

    def __init__(
        self, session: Session, vehicle: VehicleParameters, kind: str | None, start: VehicleState
    ) -> None:
        self._session, self._ratio = session, vehicle.steering_ratio
        blueprint = blueprint_of(session, vehicle, kind)
        blueprint.set_attribute("role_name", "hero")
        self.actor: carla.Vehicle = session.spawn(blueprint, transform_at(_pose_of(start, 0.0), SPAWN_LIFT_M))
        self.rear_axle_m = self._measure_rear_axle()
        self._first_pose = transform_at(_pose_of(start, self.rear_axle_m))
        self._calibration = calibrate(session, self.actor, self._first_pose)
        self.speed_mps = 0.0

    def _measure_rear_axle(self) -> float:
        """From the origin of the car's body back to its rear axle; the car has to have settled."""
        self._session.tick()
        pose = self.actor.get_transform()
        yaw = math.radians(pose.rotation.yaw)
        ahead = [
            (wheel.position.x / 100 - pose.location.x) * math.cos(yaw)
            + (wheel.position.y / 100 - pose.location.y) * math.sin(yaw)
            for wheel in self.actor.get_physics_control().wheels
        ]
        return -float(np.mean(sorted(ahead)[: max(len(ahead) // 2, 1)]))

    def stand(self, state: VehicleState) -> None:
        """Stand at the start, the wheels turned as the state has them; takes a few ticks."""
        self.actor.set_transform(self._first_pose)
        # at a stand the steering curve is that of speed 0
        turn_wheels(self._session, self.actor, self._calibration.steer(self._wheel(state.steering_rad), 0.0))
        self.actor.set_transform(self._first_pose)

    def roll(self, state: VehicleState) -> None:
        """Have the speed of the start from now on."""
        import carla

        self.speed_mps = float(state.speed_mps)
        forward = self._first_pose.get_forward_vector()
        velocity = (self.speed_mps * part for part in (forward.x, forward.y, forward.z))
        self.actor.set_target_velocity(carla.Vector3D(*velocity))

    def control(self, steering_rad: torch.Tensor, acceleration_mps2: torch.Tensor) -> carla.VehicleControl:
        """What a driver does who wants a steering-wheel angle and an acceleration at the present speed."""
        import carla

        throttle, brake = self._calibration.pedals(float(acceleration_mps2))
        steer = self._calibration.steer(self._wheel(steering_rad), self.speed_mps)
        return carla.VehicleControl(throttle=throttle, steer=steer, brake=brake)

    def read(self) -> VehicleState:
        """Where the car is, in ISO axes at its rear axle."""
        import carla

        pose = self.actor.get_transform()
        velocity, turning = self.actor.get_velocity(), self.actor.get_angular_velocity()
        acceleration = self.actor.get_acceleration()
        wheel = math.radians(self.actor.get_wheel_steer_angle(carla.VehicleWheelLocation.FL_Wheel))
        yaw = -math.radians(pose.rotation.yaw)
        cos, sin = math.cos(yaw), math.sin(yaw)
        rate = -math.radians(turning.z)
        self.speed_mps = velocity.x * cos - velocity.y * sin
        values = (
            pose.location.x - self.rear_axle_m * cos,
            -pose.location.y - self.rear_axle_m * sin,
            yaw,
            self.speed_mps,
            acceleration.x * cos - acceleration.y * sin,
            -wheel * self._ratio,
            rate,
            -velocity.x * sin - velocity.y * cos - self.rear_axle_m * rate,
        )
        return VehicleState(*(torch.tensor([value], dtype=torch.float64) for value in values))

    def _wheel(self, steering_rad: torch.Tensor) -> float:
        """Angle of the front wheels, positive to the right, for one of the steering wheel."""
        return -float(steering_rad) / self._ratio


def _pose_of(state: VehicleState, rear_axle_m: float) -> Pose:
    """CARLA's pose of a car whose rear axle is at a state's place."""
    yaw = float(state.yaw_rad)
    x = float(state.x_m) + rear_axle_m * math.cos(yaw)
    y = float(state.y_m) + rear_axle_m * math.sin(yaw)
    return from_iso((x, y, 0.0, 0.0, yaw, 0.0))
