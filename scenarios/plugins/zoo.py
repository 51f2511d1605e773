"""Victims that are not this project's own: published networks, whose files the user brings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from scenarios.registry import Options, Plugin
from scenarios.store import file_hash
from simulator.world import InvalidInput

FilePath = Annotated[str, Field(min_length=1, max_length=4096)]


class TwinLiteNetOptions(Options):
    """TwinLiteNet, a segmentation network that was trained on real roads.

    Attributes:
        weights: path of its authors' ``best.pth``.
        input_height: of the frames that it is shown, 640 or (192) 320 pixels wide: four times as fast, half as far.
    """

    type: Literal["twinlitenet"]
    weights: FilePath
    input_height: Literal[192, 360] = 360

    def fingerprint(self) -> str:
        """Hash of the weights."""
        return file_hash(given_file("weights", self.weights, "TwinLiteNet's published best.pth"))


class SupercomboOptions(Options):
    """A driving network of openpilot's, or one that looks like it.

    Attributes:
        model: path of an ONNX file.
    """

    type: Literal["supercombo"]
    model: FilePath

    def fingerprint(self) -> str:
        """Hash of the model."""
        return file_hash(given_file("model", self.model, "a supercombo.onnx"))


TWINLITENET = Plugin(
    "twinlitenet",
    "Follows the lane lines that TwinLiteNet, a published network for real roads, segments in the wide camera",
    "scenarios.plugins.zoo_factories:twinlitenet",
    TwinLiteNetOptions,
)
SUPERCOMBO = Plugin(
    "supercombo",
    "An openpilot driving network (supercombo.onnx, 0.6.6 to 0.9.6) with openpilot's planner and controller",
    "scenarios.plugins.openpilot_factories:supercombo",
    SupercomboOptions,
    extra="openpilot",
)


def given_file(option: str, path: str, what: str) -> Path:
    """The file that an option of an assistant names.

    Raises:
        InvalidInput: there is none.
    """
    if not Path(path).is_file():
        raise InvalidInput(f"assistant.{option}: there is no file {path}; give the path of {what}")
    return Path(path)
