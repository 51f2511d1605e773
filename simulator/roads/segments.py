"""Roads built from lines, arcs and clothoids.

The segments start at the origin, heading along x, and follow one another without a bend at the joints; the curvature
may jump there, as it does between a line and an arc. Before and beyond, the road goes on straight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.roads.layout import LaneLayout, check_number
from simulator.roads.road import LEAD_IN_M, LEAD_OUT_M, STEP_M, Road
from simulator.world import InvalidInput

LONGEST_M = 100_000.0
"""Longest road that is built."""

SHARPEST_PER_M = 0.5
"""Largest curvature of a segment: a radius of 2 m, less than any car can turn."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_NODES, _WEIGHTS = 0.5 * (_NODES + 1.0), 0.5 * _WEIGHTS


def clothoid_chord(
    curvature_per_m: NDArray[np.float64], rate_per_m2: NDArray[np.float64], length_m: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """Where a clothoid leads that leaves the origin along x; lines and arcs are clothoids too.

    Lines and arcs are exact. For the others the integral of exp(i * heading) is taken with ten Gauss-Legendre nodes,
    which leaves less than a micrometre for turns up to a half circle and 1e-8 of the length up to a full one.

    Args:
        curvature_per_m: ``(S,)`` at the start [1/m].
        rate_per_m2: ``(S,)`` change of curvature per metre [1/m^2].
        length_m: ``(S,)`` [m].

    Returns:
        ``(S,)`` complex x + i*y [m].
    """
    half_turn = 0.5 * curvature_per_m * length_m
    chord = length_m * np.sinc(half_turn / math.pi) * np.exp(1j * half_turn)
    bent = rate_per_m2 != 0.0
    if bent.any():
        along = length_m[bent, None] * _NODES
        heading = (curvature_per_m[bent, None] + 0.5 * rate_per_m2[bent, None] * along) * along
        chord[bent] = length_m[bent] * (np.exp(1j * heading) @ _WEIGHTS)
    return chord


@dataclass(frozen=True)
class Clothoid:
    """A stretch whose curvature changes evenly.

    Attributes:
        length_m: [m].
        start_per_m: curvature where it begins [1/m, positive left].
        end_per_m: curvature where it ends [1/m, positive left].
    """

    length_m: float
    start_per_m: float
    end_per_m: float

    def __post_init__(self) -> None:
        check_number("clothoid", "length_m", self.length_m, 0.01, LONGEST_M)
        check_number("clothoid", "start_per_m", self.start_per_m, -SHARPEST_PER_M, SHARPEST_PER_M)
        check_number("clothoid", "end_per_m", self.end_per_m, -SHARPEST_PER_M, SHARPEST_PER_M)
        _check_turn("clothoid", self.length_m * (abs(self.start_per_m) + abs(self.end_per_m)) / 2)


@dataclass(frozen=True)
class Arc:
    """A stretch of constant curvature.

    Attributes:
        length_m: [m].
        radius_m: positive for a left curve, negative for a right one [m].
    """

    length_m: float
    radius_m: float

    def __post_init__(self) -> None:
        check_number("arc", "length_m", self.length_m, 0.01, LONGEST_M)
        check_number("arc", "|radius_m|", abs(self.radius_m), 1 / SHARPEST_PER_M, 1e7)
        _check_turn("arc", self.length_m / abs(self.radius_m))

    @property
    def start_per_m(self) -> float:
        """Curvature where it begins [1/m]."""
        return 1.0 / self.radius_m

    @property
    def end_per_m(self) -> float:
        """Curvature where it ends [1/m]."""
        return 1.0 / self.radius_m


@dataclass(frozen=True)
class Line:
    """A straight stretch.

    Attributes:
        length_m: [m].
    """

    length_m: float

    def __post_init__(self) -> None:
        check_number("line", "length_m", self.length_m, 0.01, LONGEST_M)

    @property
    def start_per_m(self) -> float:
        """Curvature where it begins [1/m]."""
        return 0.0

    @property
    def end_per_m(self) -> float:
        """Curvature where it ends [1/m]."""
        return 0.0


Segment = Line | Arc | Clothoid


def _check_turn(where: str, turn_rad: float) -> None:
    if turn_rad > 2 * math.pi:
        raise InvalidInput(
            f"{where}: it turns by {math.degrees(turn_rad):.0f} degrees and would run over itself; "
            "make length_m shorter or the radius larger"
        )


@dataclass(frozen=True)
class Chain:
    """Segments laid end to end, with the lead-in before them and the lead-out behind.

    Attributes:
        segments: lead-in, the segments, lead-out.
        start_m: ``(K,)`` arc length where each begins; the first is ``-LEAD_IN_M``.
        point: ``(K,)`` complex x + i*y where each begins [m].
        heading_rad: ``(K,)`` heading where each begins, unwrapped.
        curvature_per_m: ``(K,)`` curvature where each begins.
        rate_per_m2: ``(K,)`` its change per metre.
        length_m: length of the road proper.
    """

    segments: tuple[Segment, ...]
    start_m: NDArray[np.float64]
    point: NDArray[np.complex128]
    heading_rad: NDArray[np.float64]
    curvature_per_m: NDArray[np.float64]
    rate_per_m2: NDArray[np.float64]
    length_m: float


def chain_segments(segments: Sequence[Segment]) -> Chain:
    """Find where each of some segments begins.

    Raises:
        InvalidInput: if there is none, or they are too long together.
    """
    if not segments:
        raise InvalidInput("road: segments is empty, but a road needs at least one")
    length_m = math.fsum(segment.length_m for segment in segments)
    check_number("segments", "length of all segments", length_m, STEP_M, LONGEST_M)
    led: tuple[Segment, ...] = (Line(LEAD_IN_M), *segments, Line(LEAD_OUT_M + STEP_M))
    length, start, end = np.array([(part.length_m, part.start_per_m, part.end_per_m) for part in led]).T
    rate = (end - start) / length
    heading = np.concatenate([[0.0], np.cumsum(0.5 * (start + end) * length)[:-1]])
    steps = np.exp(1j * heading) * clothoid_chord(start, rate, length)
    point: NDArray[np.complex128] = np.cumsum(steps) - steps - LEAD_IN_M
    return Chain(
        segments=led,
        start_m=np.concatenate([[0.0], np.cumsum(length)[:-1]]) - LEAD_IN_M,
        point=point,
        heading_rad=heading,
        curvature_per_m=start,
        rate_per_m2=rate,
        length_m=length_m,
    )


def build_road(name: str, segments: Sequence[Segment], layout: LaneLayout, start_m: float = 0.0) -> Road:
    """Lay a road out.

    Args:
        name: for messages and reports.
        segments: what the centre line of the ego lane follows.
        layout: what lies on both sides of that line.
        start_m: where on the segments the road's own s = 0 lies; it follows them behind its start, too.

    Returns:
        The road, without its OpenDRIVE text (see ``export.opendrive_of``).

    Raises:
        InvalidInput: if there is no segment, they are too long together, or none of them is left to drive on.
    """
    chain = chain_segments(segments)
    check_number("segments", "s_m", start_m, 0.0, chain.length_m - STEP_M)
    samples = math.ceil((LEAD_IN_M + chain.length_m - start_m + LEAD_OUT_M) / STEP_M) + 1
    s_m = np.arange(samples) * STEP_M - LEAD_IN_M + start_m
    index = np.searchsorted(chain.start_m, s_m, side="right") - 1
    ahead = s_m - chain.start_m[index]
    start, rate, heading = chain.curvature_per_m[index], chain.rate_per_m2[index], chain.heading_rad[index]
    point = chain.point[index] + np.exp(1j * heading) * clothoid_chord(start, rate, ahead)
    lanes = layout.lanes(samples)
    return Road(
        name=name,
        x_m=point.real.copy(),
        y_m=point.imag.copy(),
        heading_rad=heading + (start + 0.5 * rate * ahead) * ahead,
        curvature_per_m=start + rate * ahead,
        elevation_m=np.zeros(samples),
        length_m=chain.length_m - start_m,
        ego_lane=lanes[layout.ego],
        lanes=lanes,
        marks=layout.marks(samples),
    )
