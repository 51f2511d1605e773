"""Traffic lights take turns."""

from __future__ import annotations

from simulator.carla.actors import GREEN, RED, YELLOW, TrafficLight
from simulator.carla.lights import LightGroup
from simulator.carla.poses import ORIGIN


def _group() -> tuple[LightGroup, list[TrafficLight]]:
    lights = [TrafficLight(n, "traffic.traffic_light", {}, ORIGIN, (1.0, 1.0, 1.0)) for n in range(3)]
    return LightGroup([lights[:2], lights[2:]]), lights


def _states(lights: list[TrafficLight]) -> list[int]:
    return [light.light for light in lights]


def test_a_cycle_has_green_yellow_and_red_for_all() -> None:
    group, lights = _group()
    seen = []
    for _ in range(31):
        seen.append(_states(lights))
        group.advance(1.0)

    assert seen[0] == [GREEN, GREEN, RED]
    assert [states[0] for states in seen[:15]] == [GREEN] * 10 + [YELLOW] * 3 + [RED] * 2
    assert [states[2] for states in seen[15:30]] == [GREEN] * 10 + [YELLOW] * 3 + [RED] * 2
    assert seen[30] == [GREEN, GREEN, RED]
    assert all(not (states[0] != RED and states[2] != RED) for states in seen)


def test_frozen_lights_stay() -> None:
    group, lights = _group()
    for light in lights:
        light.frozen = True

    group.advance(100.0)

    assert _states(lights) == [GREEN, GREEN, RED]
    assert lights[0].elapsed_s == 0.0


def test_a_light_that_is_set_goes_on_from_there() -> None:
    group, lights = _group()

    group.set_light(lights[2], GREEN)
    group.advance(10.0)

    assert lights[2].light == YELLOW
