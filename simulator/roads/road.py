"""Road: a drivable corridor along one lane, as arrays over arc length.

Whatever the source (an OpenDRIVE map, segments of a scenario file), rendering, driving and judging read this alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from simulator.geometry import Curve

Profile = NDArray[np.float64]
"""``(S,)`` one value per sample of the road's reference line."""

STEP_M = 0.5
"""Arc length between two samples of every road."""

PAIR_GAP_M = 0.14
"""Clear space between the two strokes of a double line."""

LEAD_IN_M = 60.0
"""How far a road's arrays reach behind its start, so that there is something under and behind the car."""

LEAD_OUT_M = 260.0
"""How far a road's arrays reach beyond its end, so that there is something to look at to the last metre."""


@dataclass(frozen=True)
class LaneMark:
    """One painted line.

    Attributes:
        offset_m: lateral centre of the mark, positive left of the reference line; NaN where there is none.
        kind: OpenDRIVE's words: ``solid``, ``broken``, ``solid solid``, ``solid broken``, ``broken solid``,
            ``broken broken``, ``botts dots``, ``curb``, ``grass``, ``none``; of a pair the left one is named first.
        color: OpenDRIVE's words: ``white``, ``yellow``, ``orange``, ``red``, ``blue``, ``green``, ``standard`` (white).
        width_m: width of one stroke [m].
        dash_m: painted length of a broken mark [m].
        gap_m: unpainted length of a broken mark [m].
    """

    offset_m: Profile
    kind: str
    color: str = "white"
    width_m: float = 0.15
    dash_m: float = 3.0
    gap_m: float = 9.0


@dataclass(frozen=True)
class Lane:
    """A strip of the corridor between two lateral positions.

    Attributes:
        left_m: lateral position of its left border; NaN where the lane does not exist.
        right_m: the same of its right border, smaller.
        kind: OpenDRIVE's words: ``driving``, ``shoulder``, ``sidewalk``, ``border``, ``parking``, ``median``,
            ``biking``.
        direction: +1 if its traffic goes the way of the ego car, -1 if it comes towards it.
    """

    left_m: Profile
    right_m: Profile
    kind: str = "driving"
    direction: int = 1


@dataclass(frozen=True)
class Road:
    """A corridor along the ego lane, sampled every ``STEP_M`` from ``-LEAD_IN_M`` to ``length_m + LEAD_OUT_M``.

    The reference line is the centre of the ego lane; lateral positions are relative to it, positive left. The road is
    rendered and driven flat: ``elevation_m`` is kept for whoever wants it (CARLA), and not drawn.

    Attributes:
        name: for messages and reports.
        x_m: reference line.
        y_m: reference line.
        heading_rad: unwrapped.
        curvature_per_m: positive to the left.
        elevation_m: height of the source map.
        length_m: the car may drive from s = 0 to here.
        ego_lane: the lane driven on.
        lanes: all lanes, from left to right, the ego lane among them.
        marks: all painted lines, from left to right.
        opendrive: the OpenDRIVE text of the same road, or None where it cannot be had.
    """

    name: str
    x_m: Profile
    y_m: Profile
    heading_rad: Profile
    curvature_per_m: Profile
    elevation_m: Profile
    length_m: float
    ego_lane: Lane
    lanes: tuple[Lane, ...]
    marks: tuple[LaneMark, ...]
    opendrive: str | None = None

    @property
    def s_m(self) -> Profile:
        """``(S,)`` arc length of every sample."""
        return np.asarray(np.arange(len(self.x_m)) * STEP_M - LEAD_IN_M, np.float64)

    def until(self, length_m: float) -> Road:
        """The same road, no longer than this."""
        if length_m >= self.length_m:
            return self
        count = math.ceil((LEAD_IN_M + length_m + LEAD_OUT_M) / STEP_M) + 1

        lanes = [
            replace(lane, left_m=lane.left_m[:count], right_m=lane.right_m[:count]) for lane in self.lanes
        ]
        ego = [lane is self.ego_lane for lane in self.lanes].index(True)
        return replace(
            self,
            x_m=self.x_m[:count],
            y_m=self.y_m[:count],
            heading_rad=self.heading_rad[:count],
            curvature_per_m=self.curvature_per_m[:count],
            elevation_m=self.elevation_m[:count],
            length_m=length_m,
            ego_lane=lanes[ego],
            lanes=tuple(lanes),
            marks=tuple(replace(mark, offset_m=mark.offset_m[:count]) for mark in self.marks),
        )

    def curve(self, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu") -> Curve:
        """The reference line as a batch of one."""
        columns = np.stack([self.x_m, self.y_m, self.heading_rad, self.curvature_per_m], axis=-1)
        return Curve(torch.as_tensor(columns, dtype=dtype, device=device)[None], -LEAD_IN_M, STEP_M)
