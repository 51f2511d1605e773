"""What the unmodified client asks about actors of any kind, and walkers."""

from __future__ import annotations

from typing import Any

import pytest

carla = pytest.importorskip("carla")


def test_blueprints_are_found_by_pattern_and_attribute(world: Any) -> None:
    library = world.get_blueprint_library()

    cars = library.filter("vehicle.*")
    four = [one for one in cars if int(one.get_attribute("number_of_wheels")) == 4]

    assert len(cars) > 40
    assert 20 < len(four) < len(cars)
    assert library.find("sensor.camera.rgb").get_attribute("fov").as_float() == 90.0
    assert len(library.filter("walker.pedestrian.*")) == 52
    with pytest.raises(IndexError):
        library.find("vehicle.no.such")


def test_spawning_finding_and_destroying(world: Any, tools: Any) -> None:
    car = tools.car(world, role_name="hero", color="255,0,0")
    world.tick()

    found = world.get_actor(car.id)
    listed = world.get_actors().filter("vehicle.tesla.*")

    assert found.attributes["role_name"] == "hero"
    assert found.attributes["color"] == "255,0,0"
    assert [actor.id for actor in listed] == [car.id]
    assert found.bounding_box.extent.x == pytest.approx(2.396)
    assert list(found.semantic_tags) == [14]
    assert car.destroy()
    world.tick()
    assert world.get_actors().find(car.id) is None


def test_nothing_spawns_where_something_stands(world: Any, tools: Any) -> None:
    tools.car(world)

    with pytest.raises(RuntimeError, match="Spawn failed because of collision at spawn position"):
        tools.car(world)
    assert world.try_spawn_actor(world.get_blueprint_library().find("vehicle.audi.tt"), tools.place()) is None
    assert tools.car(world, tools.place(x=110.0)) is not None


def test_a_car_settles_on_the_road_and_does_not_fall_through(world: Any, tools: Any) -> None:
    car = tools.car(world, tools.place(z=2.0))
    tools.ticks(world, 20)

    assert car.get_location().z == pytest.approx(0.0, abs=1e-4)


def test_what_is_attached_rides_along_and_goes_with_its_parent(world: Any, tools: Any) -> None:
    car = tools.car(world, tools.place(yaw=90.0))
    blueprint = world.get_blueprint_library().find("sensor.other.imu")
    imu = world.spawn_actor(blueprint, carla.Transform(carla.Location(x=1, y=0.5, z=2)), attach_to=car)
    world.tick()

    place = imu.get_transform()

    assert imu.parent.id == car.id
    assert place.location.x == pytest.approx(tools.start[0] - 0.5, abs=1e-4)
    assert place.location.y == pytest.approx(tools.start[1] + 1.0, abs=1e-4)
    assert place.rotation.yaw == pytest.approx(90.0)
    car.destroy()
    world.tick()
    assert world.get_actors().find(imu.id) is None


def test_transforms_and_locations_are_set(world: Any, tools: Any) -> None:
    car = tools.car(world)
    car.set_transform(tools.place(x=150.0, yaw=10.0))
    world.tick()
    turned = car.get_transform()
    car.set_location(carla.Location(160.0, -1.75, 0.0))
    world.tick()

    assert turned.location.x == pytest.approx(150.0)
    assert turned.rotation.yaw == pytest.approx(10.0, abs=1e-4)
    assert car.get_location().y == pytest.approx(-1.75, abs=1e-4)
    assert car.get_transform().rotation.yaw == pytest.approx(10.0, abs=1e-4)


def test_an_actor_that_is_gone_cannot_be_destroyed_again(client: Any, world: Any, tools: Any) -> None:
    car = tools.car(world)
    number = car.id
    car.destroy()

    (answer,) = client.apply_batch_sync([carla.command.DestroyActor(number)], False)

    assert answer.has_error()
    assert "unable to destroy actor: not found" in answer.error


def test_a_sensor_that_is_not_simulated_is_no_blueprint(world: Any) -> None:
    with pytest.raises(IndexError):
        world.get_blueprint_library().find("sensor.camera.dvs")


def test_a_push_moves_both(world: Any, tools: Any) -> None:
    behind, ahead = tools.car(world), tools.car(world, tools.place(x=108.0))
    behind.set_target_velocity(carla.Vector3D(10.0, 0.0, 0.0))
    tools.ticks(world, 40)

    assert ahead.get_location().x > 110.0
    assert tools.speed(ahead) == pytest.approx(5.0, rel=0.1)
    assert ahead.get_location().x - behind.get_location().x >= 2 * 2.396 - 1e-3


def test_props_stand_in_the_way(world: Any, tools: Any) -> None:
    library = world.get_blueprint_library()
    world.spawn_actor(library.find("static.prop.container"), tools.place(x=120.0, z=0.0))
    car = tools.car(world)
    car.set_target_velocity(carla.Vector3D(10.0, 0.0, 0.0))
    tools.ticks(world, 60)

    assert car.get_location().x <= 120.0 - 3.0 - 2.396 + 1e-3
    assert tools.speed(car) < 0.1


def test_walkers_walk_and_turn(world: Any, tools: Any) -> None:
    blueprint = world.get_blueprint_library().find("walker.pedestrian.0005")
    walker = world.spawn_actor(blueprint, tools.place(y=5.0, z=1.0))
    walker.apply_control(carla.WalkerControl(direction=carla.Vector3D(0, 1, 0), speed=1.5, jump=False))
    tools.ticks(world, 40)

    assert walker.get_location().y == pytest.approx(5.0 + 3.0, abs=1e-3)
    assert walker.get_location().z == pytest.approx(0.93, abs=1e-3)
    assert walker.get_transform().rotation.yaw == pytest.approx(90.0, abs=0.1)
    assert walker.get_control().speed == pytest.approx(1.5)
    assert walker.get_velocity().y == pytest.approx(1.5)


def test_ai_walkers_can_be_asked_for_but_find_no_way(world: Any, tools: Any) -> None:
    library = world.get_blueprint_library()
    walker = world.spawn_actor(library.find("walker.pedestrian.0001"), tools.place(y=6.0, z=1.0))
    controller = world.spawn_actor(library.find("controller.ai.walker"), carla.Transform(), attach_to=walker)
    world.tick()

    assert world.get_random_location_from_navigation() is None
    assert controller.parent.id == walker.id


def test_friction_triggers_of_scenario_runners_are_accepted(world: Any, tools: Any) -> None:
    blueprint = world.get_blueprint_library().find("static.trigger.friction")
    blueprint.set_attribute("friction", "0.0001")
    blueprint.set_attribute("extent_x", "300")
    trigger = world.spawn_actor(blueprint, tools.place())
    world.tick()

    assert trigger.get_location().x == pytest.approx(tools.start[0])
    assert [actor.id for actor in world.get_actors().filter("static.trigger.*")] == [trigger.id]
    assert trigger.destroy()


def test_an_actor_has_no_parts_but_itself(world: Any, tools: Any) -> None:
    car = tools.car(world)
    world.tick()

    assert list(car.get_component_names()) == list(car.get_bone_names()) == list(car.get_socket_names()) == []
    assert car.get_component_world_transform("body").location.x == pytest.approx(tools.start[0])
    assert car.get_component_relative_transform("body").location.x == 0.0
    assert list(car.get_bone_world_transforms()) == list(car.get_bone_relative_transforms()) == []
    assert list(car.get_socket_world_transforms()) == list(car.get_socket_relative_transforms()) == []


def test_the_box_of_an_actor_that_is_gone_is_empty(client: Any, world: Any, tools: Any) -> None:
    # an error in its place ends the process of a client whose Traffic Manager asks
    car = tools.car(world)
    client.apply_batch_sync([carla.command.DestroyActor(car.id)], False)

    box = car.bounding_box

    assert (box.extent.x, box.extent.y, box.extent.z) == (0.0, 0.0, 0.0)


def test_a_walker_has_no_bones_to_pose(world: Any, tools: Any) -> None:
    blueprint = world.get_blueprint_library().find("walker.pedestrian.0005")
    walker = world.spawn_actor(blueprint, tools.place(y=5.0, z=1.0))
    walker.set_bones(carla.WalkerBoneControlIn())
    walker.show_pose()
    walker.hide_pose()
    walker.get_pose_from_animation()
    world.tick()

    assert list(walker.get_bones().bone_transforms) == []
    assert walker.get_location().y == pytest.approx(5.0)


def test_a_camera_has_neither_ros_topics_nor_buffers(world: Any) -> None:
    camera = world.spawn_actor(world.get_blueprint_library().find("sensor.camera.rgb"), carla.Transform())
    camera.enable_for_ros()
    enabled = camera.is_enabled_for_ros()
    camera.disable_for_ros()

    assert not enabled
    with pytest.raises(RuntimeError, match="no G-buffer"):
        camera.listen_to_gbuffer(carla.GBufferTextureID.SceneDepth, print)
