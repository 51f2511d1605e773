"""Several commands of the unmodified client in one call."""

from __future__ import annotations

from typing import Any

import pytest

carla = pytest.importorskip("carla")


def test_a_batch_answers_one_by_one(client: Any, world: Any, tools: Any) -> None:
    blueprint = world.get_blueprint_library().find("vehicle.audi.tt")
    spawn = [carla.command.SpawnActor(blueprint, tools.place(x=x)) for x in (100.0, 101.0, 120.0)]
    moving = carla.command.ApplyTargetVelocity(carla.command.FutureActor, carla.Vector3D(5.0, 0.0, 0.0))
    spawn[2] = spawn[2].then(moving)

    answers = client.apply_batch_sync(spawn, True)

    assert [bool(answer.has_error()) for answer in answers] == [False, True, False]
    assert "collision" in answers[1].error
    third = world.get_actor(answers[2].actor_id)
    assert tools.speed(third) == pytest.approx(5.0)


def test_every_command_of_a_batch(client: Any, world: Any, tools: Any) -> None:
    car = tools.car(world)
    walker = world.spawn_actor(
        world.get_blueprint_library().find("walker.pedestrian.0003"), tools.place(y=6.0, z=1.0)
    )
    command, vector = carla.command, carla.Vector3D(1.0, 0.0, 0.0)
    batch = [
        command.ApplyVehicleControl(car, carla.VehicleControl(throttle=0.3)),
        command.ApplyVehicleAckermannControl(car, carla.VehicleAckermannControl(speed=1.0)),
        command.ApplyWalkerControl(walker, carla.WalkerControl(vector, 1.0, False)),
        command.ApplyVehiclePhysicsControl(car, car.get_physics_control()),
        command.ApplyTransform(car, tools.place(x=130.0)),
        command.ApplyWalkerState(walker, tools.place(x=130.0, y=7.0, z=1.0), 1.0),
        command.ApplyTargetVelocity(car, vector),
        command.ApplyTargetAngularVelocity(car, vector),
        command.ApplyImpulse(car, vector),
        command.ApplyForce(car, vector),
        command.ApplyAngularImpulse(car, vector),
        command.ApplyTorque(car, vector),
        command.SetSimulatePhysics(car, True),
        command.SetEnableGravity(car, True),
        command.SetVehicleLightState(car, carla.VehicleLightState.Position),
        command.DestroyActor(walker),
    ]

    answers = client.apply_batch_sync(batch, True)

    assert [answer.error for answer in answers] == [""] * len(batch)
    assert car.get_light_state() == carla.VehicleLightState.Position
    assert car.get_location().x == pytest.approx(130.0, abs=0.2)
    assert world.get_actors().find(walker.id) is None


def test_a_batch_without_waiting_is_carried_out(client: Any, world: Any, tools: Any) -> None:
    car = tools.car(world)
    client.apply_batch([carla.command.ApplyTransform(car, tools.place(x=140.0))])
    world.tick()

    assert car.get_location().x == pytest.approx(140.0)
