"""Traffic lights take turns: of those of a junction, one phase is green, then yellow, then all wait, then the next."""

from __future__ import annotations

from collections.abc import Iterable

from simulator.carla.actors import GREEN, RED, YELLOW, TrafficLight


class LightGroup:
    """The lights of one junction.

    Each phase keeps green and yellow for the times of its first light; before the next one, everybody has red for that
    light's red time.
    """

    def __init__(self, phases: Iterable[list[TrafficLight]]) -> None:
        """Take lights, those of one phase together."""
        self.phases = list(phases)
        self.lights = [light for phase in self.phases for light in phase]
        self.reset()

    def reset(self) -> None:
        """Begin again: the first phase is green."""
        self._turn = 0
        self._show(GREEN)

    def _show(self, state: int) -> None:
        for index, phase in enumerate(self.phases):
            for light in phase:
                wanted = state if index == self._turn else RED
                if light.light != wanted or index == self._turn:
                    light.elapsed_s = 0.0
                light.light = wanted
        self._state = state

    def advance(self, duration_s: float) -> None:
        """Let time pass; a frozen group stays as it is."""
        if not self.lights or self.lights[0].frozen:
            return
        for light in self.lights:
            light.elapsed_s += duration_s
        leader = self.phases[self._turn][0]
        if leader.elapsed_s + 1e-9 < leader.times_s[self._state]:
            return
        if self._state == RED:
            self._turn = (self._turn + 1) % len(self.phases)
            self._show(GREEN)
        else:
            self._show(YELLOW if self._state == GREEN else RED)

    def set_light(self, light: TrafficLight, state: int) -> None:
        """Show a state on one light; the turn goes on from there if it is that light's."""
        light.light, light.elapsed_s = state, 0.0
        for index, phase in enumerate(self.phases):
            if light in phase and state in (RED, YELLOW, GREEN) and (state != RED or index == self._turn):
                self._turn, self._state = index, state
