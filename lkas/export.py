"""The driver as an ONNX file that looks like one of openpilot's driving networks: same inputs, same output vector.

Such a file runs wherever openpilot's networks run, and is what tests the way of a user's own network through
``lkas.zoo.supercombo``.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx
import torch
from onnx import TensorProto
from torch import Tensor, nn
from torch.nn import functional

from lkas.layouts import FEATURES, LAYOUTS
from lkas.network import DriverNet, fuse, parse
from lkas.outputs import ModelOutputs
from lkas.packing import pack
from lkas.zoo.supercombo_inputs import INPUTS, NORMALISED, Meaning
from simulator.world import InvalidInput

OUTPUT = "outputs"
OPSET = 18

EXPORTABLE = tuple(
    version for version, inputs in INPUTS.items() if any(port.meaning is Meaning.FRAMES for port in inputs)
)
"""Versions whose networks are shown two frames, as the driver needs them."""


class OpenpilotDriver(nn.Module):
    """The driver with the inputs and the output vector of one of openpilot's versions.

    Its memory takes the first part of the recurrent state, or of the newest feature vector; the rest is zero. Inputs
    that it has no use for (desires, traffic, the wide camera, ...) do not change what it says.

    Args:
        network: a trained driver.
        version: one of ``EXPORTABLE``.
    """

    def __init__(self, network: DriverNet, version: str) -> None:
        super().__init__()
        if version not in EXPORTABLE:
            reason = (
                "shows only one frame, and the driver compares two" if version in INPUTS else "is not known"
            )
            raise InvalidInput(f"layout {version}: it {reason}; give one of {', '.join(EXPORTABLE)}")
        self.network = fuse(network)
        self.version = version
        self._meanings = [port.meaning for port in INPUTS[version]]

    def forward(self, *inputs: Tensor) -> Tensor:
        """Look once.

        Args:
            inputs: those of the version, of one frame each.

        Returns:
            ``(1, size)``.
        """
        shown = dict(zip(self._meanings, inputs, strict=True))
        frames = shown[Meaning.FRAMES]
        if self.version in NORMALISED:
            frames = frames * 128 + 128
        state = shown[Meaning.STATE] if Meaning.STATE in shown else shown[Meaning.FEATURES][:, -1]
        output, hidden = self.network(frames, state[:, : self.network.hidden_size])
        features = functional.pad(hidden, (0, FEATURES - self.network.hidden_size))
        return pack(ModelOutputs(parse(output), features), self.version)


def export_driver(network: DriverNet, version: str, path: str | Path) -> Path:
    """Write a driver as ONNX.

    Args:
        network: a trained driver.
        version: one of ``EXPORTABLE``.
        path: the file that is written; its folder must be there.

    Raises:
        InvalidInput: the version is not known or shows only one frame, or the file cannot be written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise InvalidInput(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise InvalidInput(f"{path}: this is a folder; give the name of a file")
    module = OpenpilotDriver(network, version).eval()
    inputs = INPUTS[version]
    example = tuple(torch.zeros(1, *port.shape) for port in inputs)
    # the exporter tells what optional packages it does without
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                example,
                input_names=[port.name for port in inputs],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    finally:
        log.setLevel(level)
    assert program is not None
    model = program.model_proto
    _describe(model, version)
    unfinished = path.with_name(f"{path.name}.part")
    try:
        unfinished.write_bytes(model.SerializeToString())
        unfinished.replace(path)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be written ({error.strerror})") from error
    return path


def _describe(model: onnx.ModelProto, version: str) -> None:
    """Say in the file what it is, and check that inputs and output are those of the version."""
    model.producer_name = "dirtyroad"
    model.doc_string = f"dirtyroad's driver with the inputs and outputs of openpilot {version}"
    onnx.checker.check_model(model)
    shapes = [
        (value.name, tuple(size.dim_value for size in value.type.tensor_type.shape.dim))
        for value in (*model.graph.input, *model.graph.output)
    ]
    expected = [(port.name, (1, *port.shape)) for port in INPUTS[version]]
    assert shapes == [*expected, (OUTPUT, (1, LAYOUTS[version].size))], shapes
    assert all(value.type.tensor_type.elem_type == TensorProto.FLOAT for value in model.graph.input)
