"""What an attack leaves behind, and what it reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from simulator.surface.layer import SurfaceLayer


@dataclass(frozen=True)
class RoadPatch:
    """Dirt on the road.

    Attributes:
        cells: ``(rows, columns)`` float32, change of brightness; first row nearest, first column on the left.
        s_m: arc length of its near edge.
        d_m: lateral position of its middle line.
        length_m: along the road.
        width_m: across.
    """

    cells: Tensor
    s_m: float
    d_m: float
    length_m: float
    width_m: float


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
        stealth: how visible it is, by name with the unit in the name.
    """

    patch: RoadPatch
    history: dict[str, list[float]] = field(default_factory=dict)
    stealth: dict[str, float] = field(default_factory=dict)


def stealth_of(cells: Tensor) -> dict[str, float]:
    """Size of a change of brightness: mean, root mean square and largest deviation, and the share of cells changed."""
    size = cells.abs()
    return {
        "l1_mean_brightness": float(size.mean()),
        "l2_rms_brightness": float(size.square().mean().sqrt()),
        "linf_brightness": float(size.max()),
        "area_share": float((size > 1e-3).float().mean()),
    }
