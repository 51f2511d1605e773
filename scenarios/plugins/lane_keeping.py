"""The built-in plugins, registered in ``pyproject.toml`` like anybody's: names, options, and where the code is."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from scenarios.registry import Options, Plugin, WorldOptions
from scenarios.store import file_hash


class EmbeddedOptions(WorldOptions):
    """The embedded world."""

    takes_plant: ClassVar[bool] = True

    type: Literal["embedded"]


EMBEDDED = Plugin(
    "embedded",
    "Deterministic world without server or GPU; many scenarios are stepped as one batch",
    "scenarios.factories:embedded",
    EmbeddedOptions,
    max_batch=64,
)


class GroundTruthOptions(Options):
    """The assistant that drives from the map."""

    type: Literal["ground_truth"]


class LaneKeepingOptions(Options):
    """The shipped driver.

    Attributes:
        weights: a name of ``lkas/weights``, or the path of a safetensors file.
        device: where the network runs, in torch's words (``cuda:1``); everything else is small and stays on the CPU.
    """

    type: Literal["lane_keeping"]
    weights: Annotated[str, Field(min_length=1, max_length=4096)] = "standard"
    device: Annotated[str, Field(pattern="^(cpu|cuda|mps|xpu)(:[0-9]{1,3})?$")] = "cpu"

    def fingerprint(self) -> str:
        """Hash of the weights."""
        from lkas.driver import find_weights

        return file_hash(find_weights(self.weights))


GROUND_TRUTH = Plugin(
    "ground_truth",
    "Drives from the map: what perfect perception would do",
    "scenarios.factories:ground_truth",
    GroundTruthOptions,
    reads_truth=True,
)
LANE_KEEPING = Plugin(
    "lane_keeping",
    "The shipped recurrent lane-keeping network with openpilot's planner and controller",
    "scenarios.factories:lane_keeping",
    LaneKeepingOptions,
)
