"""Threat models: what an attacker may change, and by how much; shared by attacks and by certificates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attacks.target import RoadTarget
from simulator.roads.road import LEAD_IN_M, STEP_M
from simulator.surface.marks import strokes
from simulator.world import InvalidInput


@dataclass(frozen=True)
class RoadPatchThreat:
    """A rectangle of road whose brightness may be changed, cell by cell.

    The published patch is 37.8 m long and 5.7 m wide with its edge 7 m ahead of the car (Sato et al., USENIX Security
    2021). Brightness is display brightness, 0 black to 1 white, under a clear noon.

    Attributes:
        length_m: along the road.
        width_m: across.
        cell_m: size of a cell, at most; sides are divided evenly.
        ahead_m: from the car's camera foot at the start to the patch's near edge.
        lateral_m: of the patch's middle line from the lane's centre, positive left.
        darker: how far a cell may go below the road's brightness.
        brighter: how far above.
        keep_marks: leave the lane marks as they are.
    """

    length_m: float = 37.8
    width_m: float = 5.7
    cell_m: float = 0.1
    ahead_m: float = 7.0
    lateral_m: float = 0.0
    darker: float = 0.2
    brighter: float = 0.2
    keep_marks: bool = True

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

    def allowed(self, target: RoadTarget) -> NDArray[np.float32]:
        """Which cells may change.

        Args:
            target: where the patch lies.

        Returns:
            ``(rows, columns) float32``, 0 where a kept lane mark touches the cell, else 1; first row nearest, first
            column on the left.
        """
        rows, columns = self.shape
        free = np.ones((rows, columns), np.float32)
        if not self.keep_marks:
            return free
        s = target.start_m + (np.arange(rows) + 0.5) * self.length_m / rows
        d = self.lateral_m + self.width_m * (0.5 - (np.arange(columns) + 0.5) / columns)
        position = (s + LEAD_IN_M) / STEP_M
        reach = 0.5 * self.width_m / columns
        for mark in target.road.marks:
            middle = np.interp(position, np.arange(len(mark.offset_m)), mark.offset_m)
            for shift, _ in strokes(mark):
                # dashes are kept together with their gaps: paint must stay visible wherever its phase puts it
                touched = np.abs(d[None] - middle[:, None] - shift) < 0.5 * mark.width_m + reach
                free[touched & np.isfinite(middle)[:, None]] = 0.0
        return free
