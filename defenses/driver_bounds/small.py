"""A driver small enough to prove something about: it looks at one frame and says where its path lies.

What a bound loses grows with every layer, so there are five; there is no memory, nothing is multiplied by anything, and
the planner is told that no lane line was seen, so that it follows the path alone.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from defenses.driver_bounds.curvature import LinearPlan
from lkas.frames import pack_yuv
from lkas.heads import LAYOUT, POINTS, spread_m
from simulator.errors import InvalidInput

WEIGHTS = Path(__file__).parent / "small.safetensors"
"""Of the small driver that is shipped."""

PACKED = (6, 112, 256)
"""Shape of a packed frame without its sky rows."""

GREY, UNIT = 100.0, 40.0
"""Usual brightness of a road in a packed frame, and how much brightness differs."""

_BASIS = 6


class Mind(nn.Module):
    """From what the first convolution makes of a frame to a path."""

    curves: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(16, 1, 1))
        self.sight = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(16, 16, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 4, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 7 * 16, 64),
            nn.ReLU(),
        )
        self.path = nn.Linear(64, _BASIS)
        cosines = torch.cos(math.pi / POINTS * torch.arange(_BASIS)[:, None] * (torch.arange(POINTS) + 0.5))
        self.register_buffer("curves", cosines * spread_m(), persistent=False)

    def features(self, seen: Tensor) -> Tensor:
        """What the path is a linear function of, ``(N, 64)``."""
        features: Tensor = self.sight(seen / UNIT + self.shift)
        return features

    def forward(self, seen: Tensor) -> Tensor:
        """From ``(N, 16, 28, 64)`` to the path, as :class:`SmallDriver`."""
        path: Tensor = self.path(self.features(seen)) @ self.curves
        return path


class SmallDriver(nn.Module):
    """From one packed frame to a path."""

    def __init__(self) -> None:
        super().__init__()
        self.eye, self.mind = nn.Conv2d(6, 16, 5, 4, 2, bias=False), Mind()
        for layer in (self.eye, *self.mind.sight):  # what is seen keeps its size from layer to layer
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        with torch.no_grad():  # grey is seen as nothing at first
            self.mind.shift.copy_(-GREY / UNIT * self.eye.weight.sum((1, 2, 3))[:, None, None])

    def forward(self, packed: Tensor) -> Tensor:
        """Look once.

        Args:
            packed: ``(N, 6, 112, 256)`` packed YUV in [0, 255] without its sky rows.

        Returns:
            ``(N, 33)`` the path at ``DISTANCES_M`` [m], positive left.
        """
        path: Tensor = self.mind(self.eye(packed))
        return path

    def initial_hidden(self, size: int) -> Tensor:
        """The memory that it does not have: ``(size, 0)``."""
        return self.eye.weight.new_zeros(size, 0)

    def look(self, before: Tensor, now: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """As ``DriverNet.look``: the output vector ``(N, 343)`` with a path and, for the rest, that nothing is seen."""
        output = self.eye.weight.new_zeros(len(now), LAYOUT.size)
        output[:, LAYOUT.path] = self(now)
        output[:, LAYOUT.lane_logits] = -20.0
        output[:, LAYOUT.lead.stop - 1] = -20.0
        return output, hidden


class SmallCurvature(nn.Module):
    """From frames to desired curvature, with the planner as a linear form; see ``DesiredCurvature``.

    Args:
        network: a small driver.
        plan: what the planner makes of its output.
    """

    def __init__(self, network: SmallDriver, plan: LinearPlan) -> None:
        super().__init__()
        last, weight = network.mind.path, plan.weight[LAYOUT.path]
        self.network, self.row = network, nn.Linear(last.in_features, 1)
        with torch.no_grad():
            row = network.mind.curves.double() @ weight  # of every basis curve
            self.row.weight.copy_(row @ last.weight.double())
            # of the output vector nothing else depends on the frame
            output, _ = network.look(*(last.weight.new_zeros(1, *PACKED),) * 2, network.initial_hidden(1))
            rest = output[0].double().index_fill(0, torch.arange(LAYOUT.size)[LAYOUT.path], 0)
            self.row.bias.copy_(row @ last.bias.double() + plan.weight @ rest + plan.constant)
        self.requires_grad_(False).eval()

    def forward(self, hidden: Tensor, *frames: Tensor) -> Tensor:
        """Look at the last of some frames ``(N, 3, 224, 512)`` RGB in [0, 1]: ``(N, 1)`` desired curvature [1/m]."""
        curvature: Tensor = self.row(self.network.mind.features(self.network.eye(pack_yuv(frames[-1]))))
        return curvature


def is_small(path: Path) -> bool:
    """Whether a file holds a small driver, as far as its names tell."""
    try:
        with safe_open(path, "pt") as file:
            return "mind.path.weight" in file.keys()  # noqa: SIM118
    except (OSError, SafetensorError):
        return False


def load_small_driver(path: Path = WEIGHTS) -> SmallDriver:
    """A trained small driver.

    Raises:
        InvalidInput: there is no such file, or it holds something else.
    """
    network = SmallDriver()
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InvalidInput(f"{path}: does not hold a small driver: {str(error).splitlines()[0]}") from error
    return network.requires_grad_(False).eval()
