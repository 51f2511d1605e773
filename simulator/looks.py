"""What cars and barriers look like: solids of flat faces, and a small painting for every face.

Convention: an object's own frame has x forward, y left, z up, its origin on the road under its centre; solids are given
in shares of its length, width and height. On a face, u runs from left to right and v from bottom to top, both from 0 to
1, as seen from outside. Colours are display brightness under a clear noon, before weather.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

Color = tuple[float, float, float]
Corner = tuple[float, float, float]

TEXTURE_ROWS, TEXTURE_COLUMNS, TEXTURE_LEVELS = 64, 160, 5
"""Texels of a face in full detail, and how often each side can be halved (0 to 4 times)."""


class Panel:
    """A face that is being painted.

    Attributes:
        fixed: ``(3, h, w)`` colours that every object of the kind has.
        coat: ``(h, w)`` how much of the object's own colour is added.
        glow: ``(h, w)`` 1 where a lamp is.
        opaque: ``(h, w)`` 0 where one looks through.
    """

    def __init__(self) -> None:
        self.v, self.u = torch.meshgrid(
            1 - (torch.arange(TEXTURE_ROWS) + 0.5) / TEXTURE_ROWS,
            (torch.arange(TEXTURE_COLUMNS) + 0.5) / TEXTURE_COLUMNS,
            indexing="ij",
        )
        self.fixed = torch.zeros(3, TEXTURE_ROWS, TEXTURE_COLUMNS)
        self.coat = torch.zeros_like(self.u)
        self.glow = torch.zeros_like(self.u)
        self.opaque = torch.ones_like(self.u)

    def coated(self, low: float, high: float) -> Panel:
        """Paint all over with the object's colour, its brightness running from ``low`` at the bottom to ``high``."""
        self.coat = low + (high - low) * self.v
        return self

    def over(self, share: Tensor, color: Color) -> Panel:
        """Paint with a colour where ``share`` is 1."""
        self.fixed = torch.lerp(self.fixed, torch.tensor(color)[:, None, None], share)
        self.coat = self.coat * (1 - share)
        return self

    def lamp(self, share: Tensor, color: Color) -> Panel:
        """Paint something that shines by night."""
        self.glow = torch.maximum(self.glow, share)
        return self.over(share, color)

    def across(self, low: float, high: float) -> Tensor:
        """1 where u lies in [low, high]."""
        return _between(self.u, low, high, 1 / TEXTURE_COLUMNS)

    def up(self, low: float, high: float) -> Tensor:
        """1 where v lies in [low, high]."""
        return _between(self.v, low, high, 1 / TEXTURE_ROWS)

    def both_sides(self, low: float, high: float) -> Tensor:
        """As ``across``, mirrored about the middle."""
        return self.across(low, high) + self.across(1 - high, 1 - low)

    def ellipse(self, u: float, v: float, radius_u: float, radius_v: float) -> Tensor:
        """1 in an ellipse."""
        distance = torch.sqrt(((self.u - u) / radius_u) ** 2 + ((self.v - v) / radius_v) ** 2)
        return ((1 - distance) * radius_v * TEXTURE_ROWS + 0.5).clamp(0, 1)


def _between(x: Tensor, low: float, high: float, soft: float) -> Tensor:
    return (((x - low) / soft + 0.5).clamp(0, 1) + ((high - x) / soft + 0.5).clamp(0, 1) - 1).clamp_min(0)


@dataclass(frozen=True)
class Face:
    """A flat face: corners bottom left, bottom right, top right, top left as seen from outside, and its painter."""

    corners: tuple[Corner, Corner, Corner, Corner]
    painter: Callable[[Panel], Panel]


@dataclass(frozen=True)
class Solid:
    """A convex solid. ``base`` is the height of its lower edge as a share of the object's height."""

    faces: tuple[Face, ...]
    base: float


def tapered(
    bottom: tuple[float, float, float],
    top: tuple[float, float, float],
    heights: tuple[float, float],
    painters: dict[str, Callable[[Panel], Panel]],
) -> Solid:
    """A box whose top may be smaller than its bottom.

    Args:
        bottom: rear x, front x and half width of the lower edge, in shares.
        top: the same of the upper edge.
        heights: z of the lower and the upper edge, in shares.
        painters: by ``rear``, ``front``, ``side``, ``top``; a face without one is left out.
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
            ),
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
    return Solid(
        tuple(Face(corners, paint) for name, paint in painters.items() for corners in faces[name]), low
    )


_TYRE: Color = (0.05, 0.05, 0.055)
_GLASS: Color = (0.10, 0.12, 0.14)
_SKY_IN_GLASS: Color = (0.28, 0.30, 0.32)
_TRIM: Color = (0.07, 0.07, 0.075)
_PLATE: Color = (0.88, 0.88, 0.84)
_TAIL_LIGHT: Color = (0.60, 0.05, 0.05)
_HEADLIGHT: Color = (0.85, 0.87, 0.90)
_WHITE: Color = (0.80, 0.80, 0.78)


def _rear(panel: Panel) -> Panel:
    panel.coated(0.55, 0.85)
    panel.over(0.5 * panel.up(0.44, 0.47), _TRIM)  # gap between boot lid and bumper
    panel.over(panel.across(0.10, 0.90) * panel.up(0.0, 0.14), _TRIM)
    panel.over(panel.across(0.36, 0.64) * panel.up(0.52, 0.70), _PLATE)
    return panel.lamp(panel.both_sides(0.015, 0.20) * panel.up(0.56, 0.84), _TAIL_LIGHT)


def _front(panel: Panel) -> Panel:
    panel.coated(0.60, 0.90)
    panel.over(panel.across(0.27, 0.73) * panel.up(0.45, 0.75), _TRIM)  # grille
    panel.over(panel.across(0.15, 0.85) * panel.up(0.04, 0.20), _TRIM)
    panel.over(panel.across(0.37, 0.63) * panel.up(0.24, 0.38), _PLATE)
    return panel.lamp(panel.both_sides(0.03, 0.22) * panel.up(0.55, 0.80), _HEADLIGHT)


def _flank(panel: Panel) -> Panel:
    panel.coated(0.50, 0.85)
    panel.over(0.4 * panel.up(0.62, 0.66), _TRIM)
    wheels = panel.ellipse(0.19, 0.02, 0.08, 0.52) + panel.ellipse(0.81, 0.02, 0.08, 0.52)
    return panel.over((wheels + panel.up(0.0, 0.08)).clamp(max=1), _TYRE)


def _deck(panel: Panel) -> Panel:
    return panel.coated(1.05, 1.05)


def _window(panel: Panel) -> Panel:
    """A rear window or a windscreen in its frame; the glass mirrors some sky towards its top."""
    panel.coated(0.85, 1.0)
    glass = panel.across(0.10, 0.90) * panel.up(0.06, 0.84)
    return panel.over(glass, _GLASS).over(glass * panel.v**2, _SKY_IN_GLASS)


def _side_windows(panel: Panel) -> Panel:
    glass = (panel.across(0.14, 0.48) + panel.across(0.52, 0.86)) * panel.up(0.06, 0.86)
    return panel.coated(0.85, 0.95).over(glass, _GLASS)


def _wheels_from_behind(panel: Panel) -> Panel:
    panel.opaque = panel.both_sides(0.02, 0.15)
    return panel.over(panel.opaque, _TYRE)


def _wheels_from_the_side(panel: Panel) -> Panel:
    panel.opaque = panel.both_sides(0.12, 0.26)
    return panel.over(panel.opaque, _TYRE)


def _barrier(bands: int) -> Callable[[Panel], Panel]:
    """White with slanted bands of the object's colour, darker towards the ground."""

    def paint(panel: Panel) -> Panel:
        wave = torch.sin(2 * torch.pi * (bands * panel.u + 0.5 * panel.v))
        share = (wave * TEXTURE_COLUMNS / (2 * torch.pi * bands) + 0.5).clamp(0, 1)
        panel.coated(1, 1).over(share, _WHITE)
        shade = 0.7 + 0.3 * panel.v
        panel.fixed, panel.coat = panel.fixed * shade, panel.coat * shade
        return panel

    return paint


def _barrier_top(panel: Panel) -> Panel:
    return panel.over(torch.ones_like(panel.u), _WHITE)


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
            {"rear": _barrier(1), "front": _barrier(1), "side": _barrier(8), "top": _barrier_top},
        ),
    ),
}  # fmt: skip
"""Solids of every kind of object."""

Textures = Sequence[Sequence[Tensor]]


@cache
def textures(kind: str, dtype: torch.dtype, device: torch.device) -> Textures:
    """Paintings of all faces of a kind, in the order of its solids.

    Returns:
        ``[i][j]``: columns halved i times and rows j times, ``(F, 6, h, w)`` with channels fixed RGB, coat, glow,
        opacity. All but opacity are multiplied by it, so that they can be averaged.
    """
    panels = [face.painter(Panel()) for solid in LOOKS[kind] for face in solid.faces]
    faces = [
        torch.cat([p.fixed, torch.stack([p.coat, p.glow, torch.ones_like(p.u)])]) * p.opaque for p in panels
    ]
    full = torch.stack(faces).to(device, dtype)
    return [
        [functional.avg_pool2d(full, (1 << j, 1 << i)) for j in range(TEXTURE_LEVELS)]
        for i in range(TEXTURE_LEVELS)
    ]
