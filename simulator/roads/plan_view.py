"""The curves of OpenDRIVE: reference lines and piecewise cubics, evaluated for whole arrays of arc lengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.roads.segments import clothoid_chord

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cubics:
    """A piecewise cubic of arc length, as OpenDRIVE gives offsets, widths and elevation.

    Attributes:
        start_m: ``(K,)`` where each piece begins, rising.
        coefficients: ``(K, 4)`` a, b, c, d of each piece; the value is a + b*u + c*u^2 + d*u^3, u from its beginning.
    """

    start_m: Array
    coefficients: Array

    def at(self, s_m: Array) -> Array:
        """``(3, S)`` value, first and second derivative; before the first piece and without any, zero."""
        if not len(self.start_m):
            return np.zeros((3, len(s_m)))
        index = np.searchsorted(self.start_m, s_m + 1e-9, side="right") - 1
        u = s_m - self.start_m[index]
        a, b, c, d = self.coefficients[index].T
        result = np.stack([a + u * (b + u * (c + u * d)), b + u * (2 * c + 3 * u * d), 2 * c + 6 * u * d])
        return np.where(index >= 0, result, 0.0)


@dataclass(frozen=True)
class PlanView:
    """A road's reference line: clothoids (lines and arcs among them) and pairs of cubics.

    Attributes:
        start_m: ``(K,)`` arc length where each piece begins.
        point: ``(K,)`` complex x + i*y where it begins [m].
        heading_rad: ``(K,)`` heading where it begins.
        length_m: ``(K,)``.
        curvature_per_m: ``(K,)`` where it begins.
        rate_per_m2: ``(K,)`` change of curvature per metre.
        cubics: index of a piece to the coefficients ``(2, 4)`` of its u and v, and to arc length and parameter of some
            of its points, both ``(P,)``, to look the parameter up.
    """

    start_m: Array
    point: NDArray[np.complex128]
    heading_rad: Array
    length_m: Array
    curvature_per_m: Array
    rate_per_m2: Array
    cubics: dict[int, tuple[Array, Array, Array]]

    def at(self, s_m: Array) -> tuple[NDArray[np.complex128], Array, Array, Array]:
        """Point, heading (not unwrapped), curvature and its rate of change, each ``(S,)``."""
        index = np.searchsorted(self.start_m[1:], s_m + 1e-9, side="right")
        ahead = s_m - self.start_m[index]
        start, rate = self.curvature_per_m[index], self.rate_per_m2[index]
        local = clothoid_chord(start, rate, ahead)
        turn = (start + 0.5 * rate * ahead) * ahead
        curvature = start + rate * ahead
        for piece, (coefficients, lengths, parameters) in self.cubics.items():
            here = index == piece
            p = np.interp(ahead[here], lengths, parameters)
            value, first, second = complex_cubic(coefficients, p)
            local[here] = value
            turn[here] = np.angle(first)
            curvature[here] = (np.conj(first) * second).imag / np.abs(first) ** 3
        heading = self.heading_rad[index]
        return self.point[index] + np.exp(1j * heading) * local, heading + turn, curvature, rate


def complex_cubic(
    coefficients: Array, p: Array
) -> tuple[NDArray[np.complex128], NDArray[np.complex128], NDArray[np.complex128]]:
    """Value, first and second derivative of u + i*v at parameters ``p (S,)``."""
    a, b, c, d = coefficients[0] + 1j * coefficients[1]
    return a + p * (b + p * (c + p * d)), b + p * (2 * c + 3 * p * d), 2 * c + 6 * p * d
