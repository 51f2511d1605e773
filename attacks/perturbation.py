"""What an attack leaves behind, and what it reports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulator.surface.layer import SurfaceLayer
from simulator.world import InvalidInput

IMAGE, PLACEMENT = "patch.png", "patch.json"
"""The two files of a saved patch."""

_GREYS = 65535


@dataclass(frozen=True)
class RoadPatch:
    """Dirt on the road.

    Attributes:
        cells: ``(rows, columns)`` float32, change of brightness; first row nearest, first column on the left.
        s_m: arc length of its near edge.
        d_m: lateral position of its middle line.
        length_m: along the road.
        width_m: across.
        road_brightness: of the asphalt that it was made for: where the print is so bright, nothing is changed.
    """

    cells: Tensor
    s_m: float
    d_m: float
    length_m: float
    width_m: float
    road_brightness: float = 0.4

    def save(self, folder: Path) -> None:
        """Write an image that can be printed, and its placement.

        The image is what a person sees who stands before the patch and looks along the road: the far end is on top.
        It has 16 bits of grey, so that shades come back as they were.
        """
        cv2.imwrite(str(folder / IMAGE), self._greys()[::-1])
        placement = {
            "near_edge_s_m": self.s_m,
            "middle_d_m": self.d_m,
            "length_m": self.length_m,
            "width_m": self.width_m,
            "road_brightness": self.road_brightness,
        }
        (folder / PLACEMENT).write_text(json.dumps(placement, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> RoadPatch:
        """Read a saved patch.

        Raises:
            InvalidInput: a file is missing, cannot be read, or lacks something.
        """
        image = cv2.imread(str(folder / IMAGE), cv2.IMREAD_UNCHANGED) if (folder / IMAGE).is_file() else None
        if image is None or image.ndim != 2 or image.dtype not in (np.uint8, np.uint16):
            raise InvalidInput(f"{folder / IMAGE}: there is no grey picture of 8 or 16 bits")
        try:
            placement = json.loads((folder / PLACEMENT).read_text(encoding="utf-8"))
            names = ("near_edge_s_m", "middle_d_m", "length_m", "width_m", "road_brightness")
            s, d, length, width, road = (float(placement[name]) for name in names)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidInput(
                f"{folder / PLACEMENT}: it does not say where the patch lies ({error!r})"
            ) from error
        if not (length > 0 and width > 0):
            raise InvalidInput(
                f"{folder / PLACEMENT}: length_m ({length:g}) and width_m ({width:g}) must be positive"
            )
        whole = 255 if image.dtype == np.uint8 else _GREYS
        return cls(_cells(image[::-1], whole, road), s, d, length, width, road)

    def as_printed(self) -> RoadPatch:
        """The same as it comes back from its image."""
        return replace(self, cells=_cells(self._greys(), _GREYS, self.road_brightness))

    def _greys(self) -> NDArray[np.uint16]:
        grey = (self.cells.numpy() + self.road_brightness).clip(0.0, 1.0)
        return np.asarray((grey * _GREYS).round(), np.uint16)


def _cells(image: NDArray[Any], whole: int, road_brightness: float) -> Tensor:
    return torch.from_numpy((image.astype(np.float64) / whole - road_brightness).astype(np.float32))


def lay(patches: Sequence[RoadPatch]) -> SurfaceLayer:
    """One patch for each of N worlds as a layer; they may lie in different places but must be of one size."""
    first = patches[0]
    places = torch.tensor([(patch.s_m, patch.d_m) for patch in patches], dtype=torch.float64)
    cells = torch.stack([patch.cells for patch in patches])[:, None]
    return SurfaceLayer(cells, places[:, 0], places[:, 1], first.length_m, first.width_m)


@dataclass(frozen=True)
class AttackResult:
    """What came of an attack.

    Attributes:
        patch: what it leaves on the road.
        history: loss and whatever else an attack watches, by name, one value an iteration.
    """

    patch: RoadPatch
    history: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Stealth:
    """Size of a change of brightness, in units of the road's brightness.

    Attributes:
        l1: mean over all cells.
        l2: root mean square over all cells.
        linf: of the cell that is changed most.
        area_share: share of the cells that are changed by a step of brightness or more.
    """

    l1: float
    l2: float
    linf: float
    area_share: float

    @classmethod
    def of(cls, cells: NDArray[Any]) -> Stealth:
        """Of a patch's ``(rows, columns)`` changes of brightness."""
        size = np.abs(cells, dtype=np.float64)
        return cls(
            float(size.mean()),
            float(np.sqrt(np.square(size).mean())),
            float(size.max()),
            float((size > 1e-3).mean()),
        )
