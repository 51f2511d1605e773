"""Calls about traffic lights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.carla.actors import GREEN, RED, UNKNOWN, YELLOW, TrafficLight
from simulator.carla.poses import finite
from simulator.carla.rpc import Dispatcher, Refusal

if TYPE_CHECKING:
    from simulator.carla.server import Server


def register(dispatcher: Dispatcher, server: Server) -> None:
    """Answer these calls."""
    calls = LightCalls(server)
    value, done = dispatcher.value, dispatcher.done
    done("set_traffic_light_state", calls.set_state)
    done("set_traffic_light_green_time", lambda number, time: calls.set_time(number, GREEN, time))
    done("set_traffic_light_yellow_time", lambda number, time: calls.set_time(number, YELLOW, time))
    done("set_traffic_light_red_time", lambda number, time: calls.set_time(number, RED, time))
    done("freeze_traffic_light", calls.freeze)
    done("reset_traffic_light_group", lambda number: server.episode.group_of(calls.light(number)).reset())
    done("reset_all_traffic_lights", calls.reset_all)
    done("freeze_all_traffic_lights", calls.freeze_all)
    value("get_group_traffic_lights", calls.group)
    value("get_light_boxes", calls.boxes)


class LightCalls:
    """Answers that need more than a line."""

    def __init__(self, server: Server) -> None:
        """Of a server."""
        self._server = server

    def light(self, number: int) -> TrafficLight:
        """A traffic light by id."""
        return self._server.episode.find_light(number)

    def set_state(self, number: int, state: int) -> None:
        """Show a state."""
        light = self.light(number)
        if state not in range(UNKNOWN + 1):
            raise Refusal(f"{state} is no state of a traffic light")
        self._server.episode.group_of(light).set_light(light, state)

    def set_time(self, number: int, state: int, time_s: float) -> None:
        """How long a state lasts."""
        self.light(number).times_s[state] = max(finite(time_s), 0.0)

    def freeze(self, number: int, frozen: bool) -> None:
        """A light and those of its junction stay as they are."""
        for light in self._server.episode.group_of(self.light(number)).lights:
            light.frozen = bool(frozen)

    def freeze_all(self, frozen: bool) -> None:
        """All lights stay as they are."""
        for light in self._server.episode.of_kind(TrafficLight):
            light.frozen = bool(frozen)

    def reset_all(self) -> None:
        """All junctions begin again."""
        for group in self._server.episode.light_groups:
            group.reset()

    def group(self, number: int) -> list[int]:
        """Lights of the same junction."""
        return [light.number for light in self._server.episode.group_of(self.light(number)).lights]

    def boxes(self, number: int) -> list[Any]:
        """One box, about where the lamps would be."""
        light = self.light(number)
        x, y, z = light.pose[:3]
        place, half_size = (x, y, z + 3.0), (0.2, 0.2, 0.5)
        return [self._server.layout.box(place, half_size, light.pose[3:], light.number)]
