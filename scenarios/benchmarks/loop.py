"""How fast the closed loop is, and where the time goes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch

from lkas.driver import DriverAssistant, load_driver
from lkas.network import DriverNet
from scenarios.cores import threads
from simulator.camera import CAMERAS
from simulator.embedded import EmbeddedWorld, Start
from simulator.renderer import Renderer
from simulator.roads.layout import LaneLayout
from simulator.roads.segments import Clothoid, Line, build_road
from simulator.scene import Scene
from simulator.weather import PRESETS
from simulator.world import CAMERA_PERIOD_S, InvalidInput

WARM_UP_STEPS = 10
SPEED_MPS = 25.0


@dataclass(frozen=True)
class Speed:
    """How fast one arrangement is.

    Attributes:
        worlds: stepped together.
        threads: that torch may use.
        real_time_factor: simulated seconds of all worlds per second.
        render_ms: for one frame of one world.
        network_ms: likewise.
        rest_ms: likewise: planner, controller, vehicle, truth.
    """

    worlds: int
    threads: int
    real_time_factor: float
    render_ms: float
    network_ms: float
    rest_ms: float


@dataclass
class Stopwatch:
    """Adds up the time spent in functions."""

    seconds: dict[str, float] = field(default_factory=dict)

    def watch(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, on the clock."""

        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

        return timed


@contextmanager
def on_the_clock(stopwatch: Stopwatch) -> Iterator[None]:
    """Time rendering and seeing."""
    render, see = Renderer.photograph, DriverAssistant.see
    try:
        Renderer.photograph = stopwatch.watch("render", render)  # type: ignore[method-assign]
        DriverAssistant.see = stopwatch.watch("network", see)  # type: ignore[method-assign]
        yield
    finally:
        Renderer.photograph, DriverAssistant.see = render, see  # type: ignore[method-assign]


def network() -> DriverNet:
    """The shipped driver; before there is one, an untrained network, which is as fast."""
    try:
        return load_driver()
    except InvalidInput:
        return DriverNet().requires_grad_(False).eval()


def places(count: int, length_m: float) -> list[Scene]:
    """So many places to drive, each with a bend, a weather and a look of its own; the first one at a clear noon."""
    sharpest = 0.002
    weathers = list(PRESETS.values())
    scenes = []
    for index in range(count):
        bend = sharpest * math.cos(math.pi * index / count)
        road = build_road(f"bench {index}", [Line(50.0), Clothoid(length_m, 0.0, bend)], LaneLayout.one_way())
        scenes.append(Scene(road, weather=weathers[index % len(weathers)], seed=index))
    return scenes


def closed_loop(worlds: int, thread_count: int, steps: int, repetitions: int = 3) -> Speed:
    """Drive and measure; the median of some repetitions.

    Args:
        worlds: stepped together, each in another place.
        thread_count: that torch may use.
        steps: camera frames that are measured, after a warm-up.
        repetitions: how often.
    """
    length_m = SPEED_MPS * CAMERA_PERIOD_S * (steps + WARM_UP_STEPS)
    with torch.no_grad(), threads(thread_count):
        # the network drives without the true path, so nobody needs it
        scenes, start = places(worlds, length_m), Start(speed_mps=SPEED_MPS)
        world = EmbeddedWorld(scenes, start, cameras=[CAMERAS["model"]], ahead=False)
        assistant = DriverAssistant(network())
        measured = [_measure(world, assistant, steps) for _ in range(repetitions)]
        world.close()
    total_s = median(seconds for seconds, _ in measured)
    frames = steps * worlds
    render_ms, network_ms = (
        1e3 * median(watch.seconds[name] for _, watch in measured) / frames for name in ("render", "network")
    )
    factor = frames * CAMERA_PERIOD_S / total_s
    return Speed(
        worlds, thread_count, factor, render_ms, network_ms, 1e3 * total_s / frames - render_ms - network_ms
    )


def _measure(world: EmbeddedWorld, assistant: DriverAssistant, steps: int) -> tuple[float, Stopwatch]:
    assistant.reset(world.size)
    observation = world.reset(0)
    for _ in range(WARM_UP_STEPS):
        observation = world.step(assistant(observation).command)
    stopwatch = Stopwatch()
    with on_the_clock(stopwatch):
        began = time.perf_counter()
        for _ in range(steps):
            observation = world.step(assistant(observation).command)
        return time.perf_counter() - began, stopwatch


def loop() -> list[Speed]:
    """The two arrangements that are promised a speed."""
    return [closed_loop(1, 1, steps=200), closed_loop(16, 2, steps=40)]
