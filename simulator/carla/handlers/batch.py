"""Several commands in one call: their answers are ids or errors, and one that fails does not stop the others."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from simulator.carla.poses import pose_of
from simulator.carla.rpc import Dispatcher, Refusal

if TYPE_CHECKING:
    from simulator.carla.server import Server

SPAWN, DESTROY, WALKER_STATE, LIGHTS, CONSOLE = 0, 1, 7, 18, 20

METHODS = {
    1: "destroy_actor",
    2: "apply_control_to_vehicle",
    3: "apply_ackermann_control_to_vehicle",
    4: "apply_control_to_walker",
    5: "apply_physics_control",
    6: "set_actor_transform",
    8: "set_actor_target_velocity",
    9: "set_actor_target_angular_velocity",
    10: "add_actor_impulse",
    11: "add_actor_force",
    12: "add_actor_angular_impulse",
    13: "add_actor_torque",
    14: "set_actor_simulate_physics",
    15: "set_actor_enable_gravity",
    16: "set_actor_autopilot",
    17: "show_vehicle_debug_telemetry",
    19: "set_actor_location",
    21: "set_traffic_light_state",
}
"""Commands that are calls, by their number."""


def register(dispatcher: Dispatcher, server: Server) -> None:
    """Answer these calls."""
    calls = BatchCalls(server, dispatcher)
    dispatcher.bare("apply_batch", calls.apply)
    dispatcher.done("set_actor_autopilot", calls.autopilot)


class BatchCalls:
    """Carries out commands."""

    def __init__(self, server: Server, dispatcher: Dispatcher) -> None:
        """Commands are calls to the same dispatcher."""
        self._server, self._dispatcher = server, dispatcher

    def autopilot(self, number: int, enabled: bool) -> None:
        """The client's Traffic Manager drives, not the server; nothing is to be done here."""
        self._server.episode.find(number)

    def apply(self, commands: list[Any], tick: bool) -> Any:
        """Carry out commands, then tick if asked to."""
        results = [self._answer(command[0], None) for command in commands]
        if not tick:
            return results
        frame = self._server.tick()
        return results if not inspect.isawaitable(frame) else _after(frame, results)

    def _answer(self, command: list[Any], spawned: int | None) -> list[Any]:
        """``Response<ActorId>``."""
        kind, arguments = command
        if kind == SPAWN:
            return self._attempt(lambda: self._spawn(*arguments))
        number = arguments[0] or spawned or 0 if kind != CONSOLE else 0
        if kind == WALKER_STATE:
            return self._attempt(lambda: self._move_walker(number, *arguments[1:]))
        method = "set_vehicle_light_state" if kind == LIGHTS else METHODS.get(kind)
        if method is None:
            return [[0, [f"command {kind} is not supported by this server"]]]
        rest = [[arguments[1]]] if kind == LIGHTS else arguments[1:]
        return self._attempt(lambda: self._call(method, number, rest))

    def _call(self, method: str, number: int, rest: list[Any]) -> int:
        self._dispatcher.handler(method)(number, *rest)
        return number

    def _attempt(self, action: Callable[[], int]) -> list[Any]:
        try:
            return [[1, action()]]
        except (Refusal, ValueError, TypeError, KeyError, IndexError) as error:
            return [[0, [str(error)]]]

    def _spawn(self, description: list[Any], transform: list[Any], parent: list[Any], *rest: Any) -> int:
        """Spawn and carry out what is to be done with the new actor."""
        holder = parent[1] if parent[0] else None
        actor = self._server.episode.spawn(description, pose_of(transform), holder)
        for command in rest[-1] if rest else ():
            self._answer(command[0], actor.number)
        return actor.number

    def _move_walker(self, number: int, transform: list[Any], speed: float) -> int:
        walker = self._server.episode.find_walker(number)
        walker.move_to(pose_of(transform))
        walker.speed_mps = float(speed)
        return number


async def _after(frame: Awaitable[int], results: list[Any]) -> list[Any]:
    await frame
    return results
