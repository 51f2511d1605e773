"""Supercombo: drives by an openpilot driving network that the user owns, as an ONNX file of any known version.

Byte frames are seen through onnxruntime. Float frames are seen through the same graph in PyTorch, so that everything,
the recurrent memory included, keeps its graph, from pixels to steering. What the network says goes through the same
planner and controller as with every assistant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lkas.frames import pack_yuv
from lkas.layouts import FEATURES
from lkas.outputs import ModelOutputs, parse
from lkas.perception import Decision
from lkas.pilot import Pilot
from lkas.zoo.onnx_module import OnnxModule
from lkas.zoo.supercombo_inputs import NORMALISED, Input, Meaning, recognise
from simulator.onnx_network import open_network
from simulator.world import InvalidInput, Observation

DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
"""Types of inputs, by onnxruntime's names."""

RIGHT_HAND_TRAFFIC = (1.0, 0.0)


@dataclass
class Memory:
    """What is shown again with the next frame.

    Attributes:
        frames: the last packed frame of each camera, ``(N, 6, 128, 256)``.
        features: ``(N, K, 512)`` feature vectors, the newest last; K is 1 for a recurrent state.
        curvatures: ``(N, K, 1)`` desired curvatures as the network gives them, the newest last.
    """

    frames: dict[str, Tensor]
    features: Tensor
    curvatures: Tensor


class Supercombo:
    """An assistant around an openpilot driving network.

    Args:
        path: the ONNX file.
        pilot: what steers; by default with openpilot 0.6's car.

    Attributes:
        layout: where its outputs are.
        inputs: what it is shown.

    Raises:
        InvalidInput: no such file, no ONNX, or none of the known versions.
    """

    def __init__(self, path: str | Path, pilot: Pilot | None = None) -> None:
        self.path, self.pilot = Path(path), pilot or Pilot()
        self._session = open_network(self.path)
        ports = self._session.get_inputs()
        sizes = [
            int(np.prod([s for s in port.shape[1:] if isinstance(s, int)]))
            for port in self._session.get_outputs()
        ]
        try:
            self.layout, self.inputs = recognise([(p.name, p.shape[1:]) for p in ports], sum(sizes))
        except InvalidInput as error:
            raise InvalidInput(f"{self.path}: {error}") from error
        for port in ports:
            if port.type not in DTYPES:
                raise InvalidInput(
                    f"{self.path}: input {port.name} is a {port.type}; accepted are {', '.join(DTYPES)}"
                )
        self._dtypes = {port.name: DTYPES[port.type] for port in ports}
        self._memory: Memory | None = None

    @cached_property
    def network(self) -> OnnxModule:
        """The same graph in PyTorch; inputs are those of ``inputs``, of one frame."""
        return OnnxModule(self.path).eval()

    @property
    def cameras(self) -> tuple[str, ...]:
        """The model camera, and the wide one of those networks that look twice."""
        twice = any(port.meaning is Meaning.WIDE_FRAMES for port in self.inputs)
        return ("model", "big_model") if twice else ("model",)

    def reset(self, size: int) -> None:
        """Forget everything; the next observations are of ``size`` worlds."""
        self._memory = None
        self.pilot.reset(size)

    def see(self, observation: Observation) -> ModelOutputs:
        """What the network says of the next frames; from float frames, with their graph."""
        differentiable = observation.frames["model"].is_floating_point()
        with torch.set_grad_enabled(differentiable and torch.is_grad_enabled()):
            now = {name: self._pack(observation.frames[name]) for name in self.cameras}
            memory = self._memory or self._blank(now)
            speed = observation.state.speed_mps.to(now["model"])
            shown = [self._show(port, now, memory, speed) for port in self.inputs]
            output = self._compute(shown, differentiable)
            said = parse(output.to(observation.state.speed_mps.dtype), self.layout.version)
            self._memory = self._remember(now, memory, output)
        return said

    def __call__(self, observation: Observation) -> Decision:
        """Look once and decide."""
        perception = self.see(observation).perception
        # the first versions say nothing of the car's own motion
        return self.pilot(replace(perception, pose=torch.nan_to_num(perception.pose)), observation)

    def _pack(self, frames: Tensor) -> Tensor:
        packed = pack_yuv(frames)
        return (packed - 128) / 128 if self.layout.version in NORMALISED else packed

    def _blank(self, now: dict[str, Tensor]) -> Memory:
        """The memory at first: empty, and a first frame stands for its own predecessor."""
        size, like = len(now["model"]), now["model"]
        rows = {port.meaning: port.shape[0] for port in self.inputs}
        return Memory(
            now,
            like.new_zeros(size, rows.get(Meaning.FEATURES, 1), FEATURES),
            like.new_zeros(size, rows.get(Meaning.CURVATURES, 1), 1),
        )

    def _show(self, port: Input, now: dict[str, Tensor], memory: Memory, speed_mps: Tensor) -> Tensor:
        """What goes into an input, ``(N, *shape)``."""
        match port.meaning:
            case Meaning.FRAME:
                return now["model"]
            case Meaning.FRAMES:
                return torch.cat([memory.frames["model"], now["model"]], 1)
            case Meaning.WIDE_FRAMES:
                return torch.cat([memory.frames["big_model"], now["big_model"]], 1)
            case Meaning.TRAFFIC:
                return speed_mps.new_tensor(RIGHT_HAND_TRAFFIC).expand(len(speed_mps), -1)
            case Meaning.CAR:
                delay = torch.full_like(speed_mps, self.pilot.vehicle.predicted_delay_s)
                return torch.stack([speed_mps, delay], 1)
            case Meaning.STATE:
                return memory.features[:, -1]
            case Meaning.FEATURES:
                return memory.features
            case Meaning.CURVATURES:
                return memory.curvatures
            case Meaning.DESIRE | Meaning.NAVIGATION:  # nobody wants to turn or to change lanes
                return speed_mps.new_zeros(len(speed_mps), *port.shape)

    def _compute(self, shown: list[Tensor], differentiable: bool) -> Tensor:
        """The output vectors ``(N, size)``, world by world, as the files are made for one car."""
        worlds = [[value[world : world + 1] for value in shown] for world in range(len(shown[0]))]
        if differentiable:
            outputs = [self.network(*values) for values in worlds]
        else:
            names = [port.name for port in self.inputs]
            outputs = [
                tuple(
                    torch.from_numpy(np.asarray(value, np.float32))
                    for value in self._session.run(
                        None,
                        {
                            name: np.ascontiguousarray(value.numpy(), self._dtypes[name])
                            for name, value in zip(names, values, strict=True)
                        },
                    )
                )
                for values in worlds
            ]
        return torch.cat([torch.cat([part.flatten(1) for part in parts], 1) for parts in outputs])

    def _remember(self, now: dict[str, Tensor], memory: Memory, output: Tensor) -> Memory:
        slices = self.layout.slices
        curvatures = memory.curvatures
        if "desired_curvature" in slices:
            newest = output[:, slices["desired_curvature"]][:, :1]
            curvatures = torch.cat([curvatures[:, 1:], newest[:, None]], 1)
        features = torch.cat([memory.features[:, 1:], output[:, None, slices["features"]]], 1)
        return Memory(now, features, curvatures)
