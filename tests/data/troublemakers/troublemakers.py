"""An installed package whose driver makes trouble: crashes, hangs, fills the disk, has a fault."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path
from typing import Literal

from lkas.ground_truth import GroundTruthAssistant
from lkas.perception import Decision
from lkas.pilot import Pilot
from scenarios.registry import Options, Plugin
from simulator.vehicle import VehicleParameters
from simulator.world import Observation


class TroubleOptions(Options):
    """What it does in the middle of the drive; with ``once``, a file, only if that is not there yet."""

    type: Literal["troublemaker"]
    trouble: Literal["none", "crash", "hang", "fill_disk", "fault", "linger"]
    once: str = ""


TROUBLEMAKER = Plugin("troublemaker", "Makes trouble", "troublemakers:make", TroubleOptions)


class Troublemaker:
    """Drives well from the map, for a while."""

    cameras: tuple[str, ...] = ()

    def __init__(self, options: TroubleOptions, inner: GroundTruthAssistant) -> None:
        self._options = options
        self._inner = inner

    def reset(self, size: int) -> None:
        self._inner.reset(size)

    def __call__(self, observation: Observation) -> Decision:
        if observation.time_s > 0.2 and not (self._options.once and Path(self._options.once).exists()):
            if self._options.once:
                Path(self._options.once).touch()
            print(f"trouble: {self._options.trouble}")
            self.make_trouble()
        return self._inner(observation)

    def make_trouble(self) -> None:
        match self._options.trouble:
            case "crash":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                time.sleep(3600.0)
            case "linger":
                time.sleep(0.1)
            case "fill_disk":  # no file may become longer than this
                resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
            case "fault":
                raise ZeroDivisionError("a fault of the plugin")


def make(options: TroubleOptions, vehicle: VehicleParameters, latency_s: float) -> Troublemaker:
    """The factory."""
    return Troublemaker(options, GroundTruthAssistant(Pilot(vehicle, latency_s)))
