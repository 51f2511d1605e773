"""What the unmodified client asks about the world as a whole."""

from __future__ import annotations

import queue
from typing import Any

import pytest

carla = pytest.importorskip("carla")


def test_version_and_maps(client: Any, world: Any) -> None:
    assert client.get_server_version() == client.get_client_version() == "0.9.16"
    assert client.get_available_maps() == ["/Game/Carla/Maps/Straight"]
    assert world.get_map().name == "Carla/Maps/Straight"
    points = world.get_map().get_spawn_points()
    assert len(points) > 50
    assert all(abs(abs(point.location.y) - 1.75) < 1e-3 for point in points)


def test_an_unknown_map_is_refused(client: Any) -> None:
    with pytest.raises(RuntimeError, match="not found"):
        client.load_world("Town99")


def test_settings_are_kept_and_steps_have_the_length_asked_for(world: Any) -> None:
    settings = world.get_settings()
    settings.fixed_delta_seconds, settings.substepping, settings.max_substeps = 0.02, False, 7
    world.apply_settings(settings)

    back = world.get_settings()
    before = world.get_snapshot()
    frame = world.tick()
    after = world.get_snapshot()

    assert (back.synchronous_mode, back.substepping, back.max_substeps) == (True, False, 7)
    assert back.fixed_delta_seconds == pytest.approx(0.02)
    assert after.frame == frame == before.frame + 1
    assert after.timestamp.delta_seconds == pytest.approx(0.02)
    assert after.timestamp.elapsed_seconds - before.timestamp.elapsed_seconds == pytest.approx(0.02)


def test_an_asynchronous_world_ticks_by_itself(client: Any, world: Any) -> None:
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)

    first = world.wait_for_tick(20.0)
    second = world.wait_for_tick(20.0)

    assert second.frame > first.frame
    assert second.timestamp.delta_seconds > 0


def test_loading_destroys_actors_and_begins_another_episode(client: Any, world: Any, tools: Any) -> None:
    tools.car(world)
    world.tick()
    before = world.id

    client.load_world("Straight")
    after = client.get_world()

    assert after.id != before
    assert len(after.get_actors().filter("vehicle.*")) == 0
    assert not after.get_settings().synchronous_mode


def test_reloading_begins_again_on_the_same_map(client: Any, world: Any, tools: Any) -> None:
    tools.car(world)
    world.tick()

    again = client.reload_world(False)

    assert again.id != world.id
    assert again.get_map().name == "Carla/Maps/Straight"
    assert len(again.get_actors().filter("vehicle.*")) == 0
    # settings are kept where the client does not ask to reset them
    assert again.get_settings().synchronous_mode
    assert not client.reload_world().get_settings().synchronous_mode
    client.load_world_if_different("Straight")
    assert client.get_world().get_map().name == "Carla/Maps/Straight"


def test_a_map_that_was_sent_is_reloaded(client: Any, world: Any, chained_map: str) -> None:
    client.generate_opendrive_world(chained_map)

    assert client.reload_world().get_map().get_waypoint_xodr(2, -1, 10.0).road_id == 2


def test_no_files_are_needed_and_none_is_sent(client: Any) -> None:
    assert [list(client.get_required_files(folder, False)) for folder in ("", "Nav", "TM")] == [[], [], []]
    with pytest.raises(RuntimeError, match="not there"):
        client.request_file("Carla/Maps/Nav/Straight.bin")


def test_a_map_that_is_sent_becomes_the_world(client: Any, world: Any, chained_map: str) -> None:
    sent = client.generate_opendrive_world(chained_map)
    road = sent.get_map().get_waypoint_xodr(2, -1, 10.0)

    assert sent.get_map().name == "Carla/Maps/OpenDriveMap"
    assert road.lane_width == pytest.approx(3.0)
    with pytest.raises(RuntimeError, match="cannot be used"):
        client.generate_opendrive_world("<OpenDRIVE></OpenDRIVE>")


def test_weather_comes_back(world: Any) -> None:
    world.set_weather(carla.WeatherParameters.HardRainSunset)

    found = world.get_weather()

    assert found.precipitation == carla.WeatherParameters.HardRainSunset.precipitation
    assert found.sun_altitude_angle == carla.WeatherParameters.HardRainSunset.sun_altitude_angle


def test_the_spectator_goes_where_it_is_put(world: Any) -> None:
    spectator = world.get_spectator()
    spectator.set_transform(carla.Transform(carla.Location(5, 6, 7), carla.Rotation(-30, 40, 0)))
    world.tick()

    found = spectator.get_transform()

    assert (found.location.x, found.location.y, found.location.z) == (5, 6, 7)
    assert found.rotation.pitch == pytest.approx(-30)


def test_drawing_is_accepted(world: Any) -> None:
    debug, place = world.debug, carla.Location(1, 2, 3)
    debug.draw_point(place)
    debug.draw_line(place, place + carla.Location(x=1))
    debug.draw_arrow(place, place + carla.Location(x=1))
    debug.draw_box(carla.BoundingBox(place, carla.Vector3D(1, 1, 1)), carla.Rotation())
    debug.draw_string(place, "text")
    debug.draw_hud_point(place)
    debug.draw_hud_line(place, place + carla.Location(x=1))
    debug.draw_hud_arrow(place, place + carla.Location(x=1))
    debug.draw_hud_box(carla.BoundingBox(place, carla.Vector3D(1, 1, 1)), carla.Rotation())
    debug.clear_debug_shape()
    debug.clear_debug_string()

    assert world.tick() > 0


def test_rays_find_the_ground_and_cars(world: Any, tools: Any) -> None:
    tools.car(world, tools.place(z=0.0))
    world.tick()

    ground = world.ground_projection(carla.Location(50, 1.75, 5), 10.0)
    ahead = world.project_point(carla.Location(80, 1.75, 0.5), carla.Vector3D(1, 0, 0), 50.0)
    crossed = world.cast_ray(carla.Location(80, 1.75, 2.5), carla.Location(110, 1.75, -1.0))

    assert ground.label == carla.CityObjectLabel.Roads
    assert ground.location.z == pytest.approx(0.0, abs=1e-5)
    assert ahead.label == carla.CityObjectLabel.Car
    assert ahead.location.x == pytest.approx(100 - 2.396, abs=1e-3)
    assert carla.CityObjectLabel.Car in [point.label for point in crossed]


def test_level_boxes_have_the_labels_asked_for(world: Any, tools: Any) -> None:
    car = tools.car(world)
    world.tick()

    boxes = world.get_level_bbs(carla.CityObjectLabel.Car)

    assert len(boxes) == 1
    assert boxes[0].location.distance(car.get_transform().location) < 1.0
    assert world.get_level_bbs(carla.CityObjectLabel.Buildings) == []


def test_snapshots_list_actors_and_call_back(world: Any, tools: Any) -> None:
    car, seen = tools.car(world), queue.Queue()  # type: ignore[var-annotated]
    number = world.on_tick(seen.put)
    frame = world.tick()

    snapshot = seen.get(timeout=20.0)
    world.remove_on_tick(number)

    assert snapshot.frame == frame
    assert snapshot.has_actor(car.id)
    assert world.get_snapshot().find(car.id).get_transform().location.x == pytest.approx(tools.start[0])


def test_what_a_city_would_have_is_asked_for_in_vain_but_without_harm(world: Any) -> None:
    world.unload_map_layer(carla.MapLayer.Buildings)
    world.load_map_layer(carla.MapLayer.Buildings)
    world.enable_environment_objects({1, 2}, False)
    world.set_imui_sensor_gravity(9.0)
    world.set_annotations_traverse_translucency(True)
    world.get_lightmanager().set_day_night_cycle(False)

    assert world.get_environment_objects(carla.CityObjectLabel.Any) == []
    assert list(world.get_lightmanager().get_all_lights()) == []
    assert world.get_imui_sensor_gravity() == pytest.approx(9.0)
    assert world.tick() > 0
