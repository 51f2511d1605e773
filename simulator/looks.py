"""What cars and barriers look like: solids of flat faces, and a paint for every face.

Convention: an object's own frame has x forward, y left, z up, its origin on the road under its centre; solids are given
in shares of its length, width and height. On a face, u runs from left to right and v from bottom to top, both from 0 to
1, as seen from outside. Colours are display brightness under a clear noon, before weather.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Corner = tuple[float, float, float]


@dataclass(frozen=True)
class Canvas:
    """The pixels of one face that is being painted.

    Attributes:
        u: ``(h, w)`` across the face, 0 left to 1 right.
        v: ``(h, w)`` up the face, 0 to 1.
        soft_u: what one pixel covers of u, for anti-aliased edges; a scalar tensor.
        soft_v: the same for v.
        aspect: width of the face over its height.
        color: ``(3,)`` the object's colour.
        night: 0 by day to 1 when lamps are lit.
    """

    u: Tensor
    v: Tensor
    soft_u: Tensor
    soft_v: Tensor
    aspect: Tensor
    color: Tensor
    night: float

    def across(self, low: float, high: float) -> Tensor:
        """``(h, w)`` share of every pixel with u in [low, high]."""
        return _between(self.u, low, high, self.soft_u)

    def up(self, low: float, high: float) -> Tensor:
        """``(h, w)`` share of every pixel with v in [low, high]."""
        return _between(self.v, low, high, self.soft_v)

    def both_sides(self, low: float, high: float) -> Tensor:
        """``(h, w)`` the same as ``across``, mirrored about the middle of the face."""
        return self.across(low, high) + self.across(1 - high, 1 - low)

    def disc(self, u: float, v: float, radius: float) -> Tensor:
        """``(h, w)`` share of every pixel in a circle; the radius is a share of the face's height."""
        distance = torch.sqrt(((self.u - u) * self.aspect) ** 2 + (self.v - v) ** 2 + 1e-9)
        return ((radius - distance) / self.soft_v + 0.5).clamp(0, 1)


@dataclass(frozen=True)
class Painted:
    """``rgb (3, h, w)`` reflects light, ``glow (3, h, w)`` is light of its own, ``alpha (h, w)`` how opaque it is."""

    rgb: Tensor
    glow: Tensor | None = None
    alpha: Tensor | None = None


Paint = Callable[[Canvas], Painted]


@dataclass(frozen=True)
class Face:
    """A flat face: corners bottom left, bottom right, top right, top left as seen from outside, and its paint."""

    corners: tuple[Corner, Corner, Corner, Corner]
    paint: Paint


@dataclass(frozen=True)
class Solid:
    """A convex solid. ``base`` is the height of its lower edge as a share of the object's height."""

    faces: tuple[Face, ...]
    base: float


def tapered(
    bottom: tuple[float, float, float],
    top: tuple[float, float, float],
    heights: tuple[float, float],
    paints: dict[str, Paint],
) -> Solid:
    """A box whose top may be smaller than its bottom.

    Args:
        bottom: rear x, front x and half width of the lower edge, in shares.
        top: the same of the upper edge.
        heights: z of the lower and the upper edge, in shares.
        paints: by ``rear``, ``front``, ``side``, ``top``; a face without paint is left out.
    """
    (rear, front, half), (top_rear, top_front, top_half), (low, high) = bottom, top, heights
    faces = {
        "rear": [
            ((rear, half, low), (rear, -half, low), (top_rear, -top_half, high), (top_rear, top_half, high))
        ],
        "front": [
            (
                (front, -half, low),
                (front, half, low),
                (top_front, top_half, high),
                (top_front, -top_half, high),
            )
        ],
        "side": [
            ((front, half, low), (rear, half, low), (top_rear, top_half, high), (top_front, top_half, high)),
            (
                (rear, -half, low),
                (front, -half, low),
                (top_front, -top_half, high),
                (top_rear, -top_half, high),
            ),
        ],
        "top": [
            (
                (top_rear, top_half, high),
                (top_rear, -top_half, high),
                (top_front, -top_half, high),
                (top_front, top_half, high),
            )
        ],
    }
    return Solid(tuple(Face(c, paint) for name, paint in paints.items() for c in faces[name]), low)


def _between(x: Tensor, low: float, high: float, soft: Tensor) -> Tensor:
    return (((x - low) / soft + 0.5).clamp(0, 1) + ((high - x) / soft + 0.5).clamp(0, 1) - 1).clamp_min(0)


def _coat(canvas: Canvas, low: float, high: float) -> Tensor:
    """``(3, h, w)`` the object's colour, its brightness running from ``low`` at the bottom to ``high`` at the top."""
    return canvas.color[:, None, None] * (low + (high - low) * canvas.v.clamp(0, 1))


def _over(rgb: Tensor, share: Tensor, color: tuple[float, float, float]) -> Tensor:
    return torch.lerp(rgb, rgb.new_tensor(color)[:, None, None], share)


def _lamps(share: Tensor, color: tuple[float, float, float], night: float) -> Tensor:
    return share * share.new_tensor(color)[:, None, None] * night


_TYRE = (0.05, 0.05, 0.055)
_GLASS = (0.10, 0.12, 0.14)
_TRIM = (0.07, 0.07, 0.075)
_PLATE = (0.88, 0.88, 0.84)
_TAIL_LIGHT = (0.60, 0.05, 0.05)
_HEADLIGHT = (0.85, 0.87, 0.90)


def _rear(canvas: Canvas) -> Painted:
    rgb = _coat(canvas, 0.55, 0.85)
    rgb = _over(rgb, 0.5 * canvas.up(0.44, 0.47), _TRIM)  # gap between boot lid and bumper
    rgb = _over(rgb, canvas.across(0.10, 0.90) * canvas.up(0.0, 0.14), _TRIM)
    rgb = _over(rgb, canvas.across(0.36, 0.64) * canvas.up(0.52, 0.70), _PLATE)
    lights = canvas.both_sides(0.015, 0.20) * canvas.up(0.56, 0.84)
    rgb = _over(rgb, lights, _TAIL_LIGHT)
    return Painted(rgb, _lamps(lights, (0.85, 0.10, 0.07), canvas.night))


def _front(canvas: Canvas) -> Painted:
    rgb = _coat(canvas, 0.60, 0.90)
    rgb = _over(rgb, canvas.across(0.27, 0.73) * canvas.up(0.45, 0.75), _TRIM)  # grille
    rgb = _over(rgb, canvas.across(0.15, 0.85) * canvas.up(0.04, 0.20), _TRIM)
    rgb = _over(rgb, canvas.across(0.37, 0.63) * canvas.up(0.24, 0.38), _PLATE)
    lights = canvas.both_sides(0.03, 0.22) * canvas.up(0.55, 0.80)
    rgb = _over(rgb, lights, _HEADLIGHT)
    return Painted(rgb, _lamps(lights, (1.0, 0.97, 0.88), canvas.night))


def _flank(canvas: Canvas) -> Painted:
    rgb = _coat(canvas, 0.50, 0.85)
    rgb = _over(rgb, 0.4 * canvas.up(0.62, 0.66), _TRIM)
    wheels = canvas.disc(0.19, 0.02, 0.52) + canvas.disc(0.81, 0.02, 0.52)
    rgb = _over(rgb, (wheels + canvas.up(0.0, 0.08)).clamp(max=1), _TYRE)
    return Painted(rgb)


def _deck(canvas: Canvas) -> Painted:
    return Painted(_coat(canvas, 1.05, 1.05))


def _window(canvas: Canvas) -> Painted:
    """A rear window or a windscreen in its frame; the glass mirrors some sky towards its top."""
    glass = canvas.across(0.10, 0.90) * canvas.up(0.06, 0.84)
    rgb = _over(_coat(canvas, 0.85, 1.0), glass, _GLASS)
    return Painted(rgb + 0.14 * glass * canvas.v.clamp(0, 1) ** 2)


def _side_windows(canvas: Canvas) -> Painted:
    glass = (canvas.across(0.14, 0.48) + canvas.across(0.52, 0.86)) * canvas.up(0.06, 0.86)
    return Painted(_over(_coat(canvas, 0.85, 0.95), glass, _GLASS))


def _wheels_from_behind(canvas: Canvas) -> Painted:
    tyres = canvas.both_sides(0.02, 0.15)
    return Painted(_over(0 * _coat(canvas, 1, 1), tyres, _TYRE), alpha=tyres)


def _wheels_from_the_side(canvas: Canvas) -> Painted:
    tyres = canvas.across(0.12, 0.26) + canvas.across(0.74, 0.88)
    return Painted(_over(0 * _coat(canvas, 1, 1), tyres, _TYRE), alpha=tyres)


def _concrete(canvas: Canvas) -> Painted:
    """A barrier: the object's colour in slanted bands on white."""
    bands = torch.sin(2 * torch.pi * (canvas.u * canvas.aspect + 0.5 * canvas.v))
    share = (bands / (2 * torch.pi * canvas.aspect * canvas.soft_u) + 0.5).clamp(0, 1)
    white = _over(_coat(canvas, 1, 1), torch.ones_like(canvas.v), (0.80, 0.80, 0.78))
    return Painted((share * _coat(canvas, 1, 1) + (1 - share) * white) * (0.7 + 0.3 * canvas.v.clamp(0, 1)))


def _concrete_top(canvas: Canvas) -> Painted:
    return Painted(_over(_coat(canvas, 1, 1), torch.ones_like(canvas.v), (0.78, 0.78, 0.76)))


LOOKS: dict[str, tuple[Solid, ...]] = {
    "car": (
        tapered(
            (-0.49, 0.49, 0.47), (-0.49, 0.49, 0.47), (0.0, 0.19),
            {"rear": _wheels_from_behind, "front": _wheels_from_behind, "side": _wheels_from_the_side},
        ),
        tapered(
            (-0.50, 0.50, 0.50), (-0.485, 0.47, 0.475), (0.15, 0.63),
            {"rear": _rear, "front": _front, "side": _flank, "top": _deck},
        ),
        tapered(
            (-0.40, 0.22, 0.455), (-0.26, 0.04, 0.355), (0.62, 1.0),
            {"rear": _window, "front": _window, "side": _side_windows, "top": _deck},
        ),
    ),
    "barrier": (
        tapered(
            (-0.5, 0.5, 0.5), (-0.5, 0.5, 0.22), (0.0, 1.0),
            {"rear": _concrete, "front": _concrete, "side": _concrete, "top": _concrete_top},
        ),
    ),
}  # fmt: skip
"""Solids of every kind of object, in the order in which they are painted when seen from above their lower edges."""
