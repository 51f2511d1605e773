"""DriverAssistant: the shipped driver, from frames to steering through its network, planner and controller."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from lkas.frames import pack_yuv
from lkas.network import GROUP, SKY_ROWS, ByteStem, DriverNet, fuse, parse
from lkas.perception import Decision
from lkas.pilot import Pilot
from simulator.workers import workers
from simulator.world import InvalidInput, Observation

WEIGHTS = Path(__file__).parent / "weights"
"""Where trained drivers are, ``<name>.safetensors`` with a card ``<name>.json``."""


def find_weights(weights: str | Path) -> Path:
    """The file that a name in ``lkas/weights``, or the path of a safetensors file, means.

    Raises:
        InvalidInput: if there is no such file.
    """
    path = WEIGHTS / f"{weights}.safetensors" if Path(weights).suffix != ".safetensors" else Path(weights)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in WEIGHTS.glob("*.safetensors"))) or "none yet"
        raise InvalidInput(f"weights: there is no file {path}; give a .safetensors file, or one of: {known}")
    return path


def load_driver(weights: str | Path = "standard", device: torch.device | str = "cpu") -> DriverNet:
    """A trained network.

    Args:
        weights: a name in ``lkas/weights``, or the path of a safetensors file.
        device: where it is to run.

    Raises:
        InvalidInput: if there is no such file, it holds something else, or there is no such device.
    """
    path = find_weights(weights)
    try:
        trained = load_file(path)
        network = DriverNet.shaped_like(trained)
        network.load_state_dict(trained)
    except (SafetensorError, RuntimeError, KeyError, ValueError) as error:
        raise InvalidInput(
            f"weights: {path} does not hold a driver network: {str(error).splitlines()[0]}"
        ) from error
    try:
        network = network.to(device)
    except (RuntimeError, AssertionError) as error:
        # the latter comes from a torch that was built without the device
        reason = str(error).splitlines()[0]
        raise InvalidInput(f"device: '{device}' cannot be used here ({reason}); give cpu") from error
    return network.requires_grad_(False).eval()


@dataclass(frozen=True)
class _Memory:
    """What a few worlds remember: how the stem responded to their last frames, and the state of the network."""

    response: Tensor
    hidden: Tensor


class DriverAssistant:
    """Looks through the model camera and steers.

    Byte frames are driven without gradients. With float frames everything, the recurrent memory included, keeps its
    graph, from pixels to steering.

    The network may be on another device than the world: frames are taken to it, and what it says is taken back.

    Args:
        network: what sees.
        pilot: what steers, where the world is; by default with openpilot 0.6's car.
    """

    def __init__(self, network: DriverNet, pilot: Pilot | None = None) -> None:
        self.network = fuse(network)
        self._respond_to_bytes = ByteStem(self.network)
        self.pilot = pilot or Pilot()
        self._memories: list[_Memory] | None = None
        self._pool: ThreadPoolExecutor | None = None

    @property
    def cameras(self) -> tuple[str, ...]:
        """The model camera."""
        return ("model",)

    def reset(self, size: int) -> None:
        """Forget everything; the next observations are of ``size`` worlds."""
        self._memories = None
        self.pilot.reset(size)

    def see(self, frames: Tensor) -> Tensor:
        """Output vector ``(N, 343)`` of the network for the next frames, ``uint8`` or float as worlds give them."""
        groups = frames.split(GROUP)
        memories: Sequence[_Memory | None] = self._memories or [None] * len(groups)
        if len(groups) == 1 or torch.get_num_threads() == 1 or frames.is_floating_point():
            seen = list(map(self._look, groups, memories))
        else:
            self._pool = self._pool or workers()
            seen = list(self._pool.map(self._look, groups, memories))
        outputs, self._memories = [output for output, _ in seen], [memory for _, memory in seen]
        # outside of inference mode, so that what follows is an ordinary tensor
        return torch.cat(outputs)

    def _look(self, frames: Tensor, memory: _Memory | None) -> tuple[Tensor, _Memory]:
        differentiable = frames.is_floating_point()
        with torch.inference_mode(not differentiable):
            weight = self.network.features.weight
            frames = frames.to(weight.device)
            if differentiable:
                now = self.network.respond(pack_yuv(frames, SKY_ROWS).to(weight.dtype))
            else:
                now = self._respond_to_bytes(frames)
            # the first frame stands for its own predecessor
            before = now if memory is None else memory.response
            hidden = self.network.initial_hidden(len(frames)) if memory is None else memory.hidden
            output, hidden = self.network.follow(before, now, hidden)
            return output, _Memory(now, hidden)

    def __call__(self, observation: Observation) -> Decision:
        """Look once and decide."""
        output = self.see(observation.frames["model"])
        return self.pilot(parse(output.to(observation.state.speed_mps)), observation)
