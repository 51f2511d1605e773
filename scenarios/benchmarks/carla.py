"""How fast the CARLA server is, with the client that drives it: without a camera, with a small and with a large one."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

from scenarios.plugins.carla_process import serving
from simulator.world import CAMERA_PERIOD_S, InfrastructureError

TIMEOUT_S = 60.0
WARM_UP_TICKS = 10


@dataclass(frozen=True)
class Throughput:
    """How fast one arrangement is.

    Attributes:
        camera: width and height of its picture, or ``none``.
        ticks_per_s: of one synchronous world with one car, the client included.
    """

    camera: str
    ticks_per_s: float


def throughput() -> list[Throughput]:
    """The three arrangements that are promised a speed, on a server of its own.

    Raises:
        InfrastructureError: the server does not start, or does not answer.
    """
    with serving() as (_, port, _):
        return [
            Throughput("none", _measure(port, None, ticks=1000)),
            Throughput("512 x 256", _measure(port, (512, 256), ticks=100)),
            Throughput("800 x 600", _measure(port, (800, 600), ticks=50)),
        ]


def _measure(port: int, size: tuple[int, int] | None, ticks: int, repetitions: int = 3) -> float:
    """Ticks a second, the median of some repetitions; every picture is waited for."""
    import carla

    try:
        client = carla.Client("127.0.0.1", port)
        client.set_timeout(TIMEOUT_S)
        world = client.load_world("Straight")
        settings = world.get_settings()
        settings.synchronous_mode, settings.fixed_delta_seconds = True, CAMERA_PERIOD_S
        world.apply_settings(settings)
        library = world.get_blueprint_library()
        car = world.spawn_actor(
            library.find("vehicle.tesla.model3"), carla.Transform(carla.Location(20.0, 1.75, 0.3))
        )
        pictures: queue.Queue[Any] = queue.Queue()
        if size is not None:
            blueprint = library.find("sensor.camera.rgb")
            for name, value in zip(("image_size_x", "image_size_y"), size, strict=True):
                blueprint.set_attribute(name, str(value))
            place = carla.Transform(carla.Location(0.2, 0.0, 1.22))
            # a camera that nobody holds stops sending
            camera = world.spawn_actor(blueprint, place, attach_to=car)
            camera.listen(pictures.put)

        def run(count: int) -> float:
            began = time.perf_counter()
            for _ in range(count):
                world.tick(TIMEOUT_S)
                if size is not None:
                    pictures.get(timeout=TIMEOUT_S)
            return count / (time.perf_counter() - began)

        run(WARM_UP_TICKS)
        return median(run(ticks) for _ in range(repetitions))
    except RuntimeError as error:
        raise InfrastructureError(f"CARLA server: {error}") from error
    except queue.Empty:
        raise InfrastructureError(f"CARLA server: no picture within {TIMEOUT_S:g} s") from None
