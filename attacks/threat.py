"""Threat models: what an attacker may change, and by how much; shared by attacks and by certificates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from attacks.perturbation import RoadPatch
from attacks.target import RoadTarget
from simulator.roads.road import LEAD_IN_M, STEP_M
from simulator.surface.bake import paint
from simulator.surface.grid import LENGTH_M, lateral_m
from simulator.surface.layer import SurfaceLayer
from simulator.surface.marks import strokes
from simulator.world import InvalidInput

MID_GREY = 128 / 255
"""The published patch is no brighter than this."""

BUDGETS: Mapping[str, Mapping[str, float | None]] = {
    "published": {"darker": 0.0, "brighter": 1.0, "ceiling": MID_GREY, "area_share": 0.5},
    "paint": {"darker": 0.0, "brighter": 1.0, "ceiling": None, "area_share": 0.5},
}
"""Named budgets: both only brighten, half of the cells; up to mid grey, or up to the road's own lane paint."""

USUAL_PAINT = 0.9
"""Brightness of lane paint where no scene says it."""

USUAL_ASPHALT = 0.4
"""Brightness of the road where nothing says it."""

SHADES = 255
"""Steps of brightness from black to white that can be printed, unless a threat says otherwise."""


@dataclass(frozen=True)
class RoadPatchThreat:
    """A rectangle of road whose brightness may be changed, cell by cell.

    The published patch is 37.8 m long and 5.7 m wide with its edge 7 m ahead of the car (Sato et al., USENIX Security
    2021). Brightness is display brightness, 0 black to 1 white, under a clear noon.

    Attributes:
        length_m: along the road.
        width_m: across.
        cell_m: size of a cell, at most, and so the finest detail of the print; sides are divided evenly.
        ahead_m: from the car's camera foot at time zero to the patch's near edge.
        lateral_m: of the patch's middle line from the lane's centre, positive left.
        darker: how far a cell may go below the road's brightness.
        brighter: how far above.
        ceiling: the brightest that a cell may become; the brightness of the road's lane paint where None.
        area_share: share of the cells that may be changed at all, the attacker chooses which.
        keep_marks: leave the lane marks as they are.
        shades: steps of brightness from black to white that the printer has.
        blur_m: standard deviation of a Gaussian that softens the print; 0 for none.
        road_brightness: of the asphalt; what the target's scene says, cell by cell, where None.
    """

    length_m: float = 37.8
    width_m: float = 5.7
    cell_m: float = 0.1
    ahead_m: float = 7.0
    lateral_m: float = 0.0
    darker: float = 0.2
    brighter: float = 0.2
    ceiling: float | None = 1.0
    area_share: float = 1.0
    keep_marks: bool = True
    shades: int = SHADES
    blur_m: float = 0.0
    road_brightness: float | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Cells along and across the road."""
        return math.ceil(self.length_m / self.cell_m - 1e-9), math.ceil(self.width_m / self.cell_m - 1e-9)

    def check(self, target: RoadTarget) -> None:
        """Refuse a patch that does not lie on the road.

        Args:
            target: where it is to lie.

        Raises:
            InvalidInput: naming the field, the value and what would be accepted.
        """
        road, start_m = target.road, target.start_m
        if not 0 <= start_m <= road.length_m - self.length_m:
            raise InvalidInput(
                f"attack.ahead_m, attack.length_m: a patch from {start_m:.1f} m to {start_m + self.length_m:.1f} m "
                f"does not lie on road {road.name!r}, which goes from 0 to {road.length_m:.1f} m"
            )
        if self.darker <= 0 and self.brighter <= 0:
            raise InvalidInput(
                "attack.darker, attack.brighter: both are 0, so nothing may change; raise one of them"
            )
        if self.area_share <= 0:
            raise InvalidInput("attack.area_share: it is 0, so nothing may change; give a share up to 1")

    def allowed(self, target: RoadTarget) -> NDArray[np.float32]:
        """Which cells may change.

        Args:
            target: where the patch lies.

        Returns:
            ``(rows, columns) float32``, 0 where a kept lane mark touches the cell, or where its middle lies beside the
            road, as far as a scene tells that; else 1. First row nearest, first column on the left.
        """
        rows, columns = self.shape
        free = np.ones((rows, columns), np.float32)
        s, d = self._places(target)
        if target.scene is not None:
            left, right = self.edges_m(target)
            free[(d[None] > left[:, None]) | (d[None] < right[:, None])] = 0.0
        if not self.keep_marks:
            return free
        position = (s + LEAD_IN_M) / STEP_M
        reach = 0.5 * self.width_m / columns
        for mark in target.road.marks:
            middle = np.interp(position, np.arange(len(mark.offset_m)), mark.offset_m)
            for shift, _ in strokes(mark):
                # dashes are kept together with their gaps: paint must stay visible wherever its phase puts it
                touched = np.abs(d[None] - middle[:, None] - shift) < 0.5 * mark.width_m + reach
                free[touched & np.isfinite(middle)[:, None]] = 0.0
        return free

    def edges_m(self, target: RoadTarget) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lateral positions of the left and the right edge of the road at every row, ``(rows,)`` each."""
        lanes = target.road.lanes
        left = np.fmax.reduce([lane.left_m for lane in lanes])
        right = np.fmin.reduce([lane.right_m for lane in lanes])
        position = (self._places(target)[0] + LEAD_IN_M) / STEP_M
        count = np.arange(len(left))
        return np.interp(position, count, left), np.interp(position, count, right)

    def check_width(self, target: RoadTarget) -> None:
        """Refuse a patch that is wider than the road.

        Args:
            target: where it is to lie, on a road whose edges are known.

        Raises:
            InvalidInput: naming the field, the value and what would be accepted.
        """
        left, right = self.edges_m(target)
        road_m = float(np.min(left - right))
        if self.width_m > road_m:
            raise InvalidInput(
                f"attack.width_m: a patch of {self.width_m:g} m is wider than road {target.road.name!r}, which is "
                f"{road_m:.2f} m from edge to edge there"
            )

    def bounds(self, target: RoadTarget) -> tuple[Tensor, Tensor]:
        """How far every cell may be changed.

        Args:
            target: where the patch lies; how bright the road is there is only known with its scene.

        Returns:
            The largest darkening (negative) and brightening, ``(rows, columns) float32`` each.

        Raises:
            InvalidInput: nothing may change, because the road is as bright as the ceiling, marked, or not there.
        """
        free = torch.from_numpy(self.allowed(target))
        low, high = torch.full_like(free, -self.darker), torch.full_like(free, self.brighter)
        if target.scene is not None or self.road_brightness is not None:
            road = self.brightness_below(target)
            ceiling = self.ceiling
            if ceiling is None:
                ceiling = USUAL_PAINT if target.scene is None else target.scene.surface.mark_brightness
            low, high = torch.maximum(low, -road), torch.minimum(high, (ceiling - road).clamp_min(0.0))
        low, high = low * free, high * free
        if not (low.any() or high.any()):
            raise InvalidInput(
                "attack.ceiling, attack.budget: the road below the patch is at least as bright as that, or all of it "
                "is lane marks or no road, so nothing may change; allow more, or choose another place"
            )
        return low, high

    def brightness_below(self, target: RoadTarget) -> Tensor:
        """Mean of the three colours of the clean road in every cell, ``(rows, columns) float32``."""
        if target.scene is None or self.road_brightness is not None:
            return torch.full(self.shape, self.road_brightness or 0.0)
        grid, rgb = paint(target.scene)
        grey = rgb.mean(0)
        s, d = self._places(target)
        row = np.clip(((s - grid.start_m) / LENGTH_M).astype(int), 0, grid.rows - 1)
        across = lateral_m()
        # sums over columns up to a place, so that a cell's mean is a difference of two of them
        total = np.concatenate([np.zeros((len(row), 1)), np.cumsum(grey[row], 1, dtype=np.float64)], 1)
        half = 0.5 * self.width_m / len(d)
        left, right = np.searchsorted(-across, -(d + half)), np.searchsorted(-across, -(d - half))
        right = np.maximum(right, left + 1).clip(max=len(across))
        left = np.minimum(left, right - 1)
        mean = (total[:, right] - total[:, left]) / (right - left)
        return torch.from_numpy(mean.astype(np.float32))

    def patch(self, target: RoadTarget, cells: Tensor) -> RoadPatch:
        """The patch of these cells as it comes from the printer.

        Args:
            target: where it lies.
            cells: ``(rows, columns)`` change of brightness.
        """
        road = self.road_brightness
        if road is None:
            road = USUAL_ASPHALT if target.scene is None else target.scene.surface.asphalt_brightness
        place = (target.start_m, self.lateral_m, self.length_m, self.width_m)
        return RoadPatch(cells, *place, road).as_printed()

    def layer(self, cells: Tensor, s_m: Tensor | float, d_m: Tensor | float) -> SurfaceLayer:
        """The same cells on the roads of N worlds, with gradients.

        Args:
            cells: ``(rows, columns)`` change of brightness.
            s_m: arc length of the near edge, ``(N,)`` or one for all.
            d_m: lateral position of the middle line, likewise.
        """
        return SurfaceLayer(cells[None, None], s_m, d_m, self.length_m, self.width_m)

    def printed(self, wish: Tensor, bounds: tuple[Tensor, Tensor]) -> Tensor:
        """What can be laid of what is wished for: softened, within the bounds, on the strongest cells, in shades.

        Args:
            wish: ``(rows, columns)``; may carry gradients, which pass choice and rounding as if there were none.
            bounds: as of `bounds`.

        Returns:
            ``(rows, columns)`` change of brightness.
        """
        low, high = bounds
        soft = torch.maximum(torch.minimum(self._soften(wish), high), low)
        with torch.no_grad():
            shade = 1.0 / self.shades
            # towards zero, so that rounding never leaves the bounds
            laid = torch.trunc(soft / shade + 1e-4 * soft.sign()) * shade
            count = int(self.area_share * laid.numel())
            if count < laid.numel():
                chosen = torch.zeros(laid.numel(), dtype=torch.bool)
                chosen[laid.abs().flatten().topk(count).indices] = True
                laid = laid * chosen.view_as(laid)
        return soft + (laid - soft).detach()

    def _soften(self, cells: Tensor) -> Tensor:
        if self.blur_m <= 0:
            return cells
        out = cells[None, None]
        for dim, size in ((2, self.length_m / cells.shape[0]), (3, self.width_m / cells.shape[1])):
            radius = max(1, math.ceil(3 * self.blur_m / size))
            offsets = torch.arange(-radius, radius + 1, dtype=cells.dtype) * size
            kernel = torch.exp(-0.5 * (offsets / self.blur_m) ** 2)
            shape = (1, 1, -1, 1) if dim == 2 else (1, 1, 1, -1)
            padding = (radius, 0) if dim == 2 else (0, radius)
            out = F.conv2d(out, (kernel / kernel.sum()).view(shape), padding=padding)
        return out[0, 0]

    def _places(self, target: RoadTarget) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Arc length of the rows' and lateral position of the columns' middles."""
        rows, columns = self.shape
        s = target.start_m + (np.arange(rows) + 0.5) * self.length_m / rows
        d = self.lateral_m + self.width_m * (0.5 - (np.arange(columns) + 0.5) / columns)
        return s, d
