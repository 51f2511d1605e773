"""Baking: a Scene's road as seen from above, painted once, looked at many times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from simulator.roads.road import LEAD_IN_M, LEAD_OUT_M, STEP_M, Lane, Road
from simulator.scene import Scene
from simulator.surface import grid as raster
from simulator.surface.grid import SurfaceGrid
from simulator.surface.marks import paint_mark
from simulator.surface.pavement import pavement
from simulator.surface.ripmap import Ripmap, levels_for
from simulator.surface.shadows import shade
from simulator.surface.verge import inside, land, paved, strip_factor
from simulator.weather import Light

LONGEST_FOOTPRINT_M = 20.0
"""Length of road in one pixel row at about 150 m."""

SECTION_M = 2048.0
"""Roads are painted section by section: the first ones look the same however much of the rest is painted."""

WIDEST_FOOTPRINT_M = 0.4
"""Lateral resolution that is ever needed, for roads seen from the side in tight bends."""


@dataclass(frozen=True)
class Surface:
    """The road from above, ready to be looked at.

    Attributes:
        grid: which rows show which stretch.
        albedo: ripmap of ``(1, 3, rows, COLUMNS)`` display brightness under a clear noon, shadows included.
    """

    grid: SurfaceGrid
    albedo: Ripmap


def paint(
    scene: Scene, stretch: tuple[float, float] | None = None
) -> tuple[SurfaceGrid, NDArray[np.float32]]:
    """Paint the road of a scene.

    Args:
        scene: what to paint. The same scene gives the same bytes.
        stretch: first and last arc length; all of the road where None.

    Returns:
        The grid, and ``(3, rows, COLUMNS) float32`` display brightness in [0, 1].
    """
    first, last = stretch or (-LEAD_IN_M, scene.road.length_m + LEAD_OUT_M)
    # a multiple of 128 rows keeps every level of the ripmap whole
    rows = int(np.ceil((last - first) / raster.LENGTH_M / 128)) * 128
    in_section = int(SECTION_M / raster.LENGTH_M)
    parts = []
    for number, row in enumerate(range(0, rows, in_section)):
        grid = SurfaceGrid(first + row * raster.LENGTH_M, min(in_section, rows - row))
        rng = np.random.default_rng([scene.seed, 0x5A, number] if number else [scene.seed, 0x5A])
        parts.append(_paint_section(scene, grid, rng))
    return SurfaceGrid(first, rows), np.concatenate(parts, 1) if len(parts) > 1 else parts[0]


def as_far_as(road: Road, s_m: float) -> Road:
    """A road that looks like another one and goes on at least to ``s_m``, in whole sections; itself if it is short."""
    sections = np.ceil((LEAD_IN_M + s_m + LEAD_OUT_M) / SECTION_M)
    return road.until(float(sections * SECTION_M - LEAD_IN_M - LEAD_OUT_M))


def _paint_section(scene: Scene, grid: SurfaceGrid, rng: np.random.Generator) -> NDArray[np.float32]:
    """``(3, rows, COLUMNS)`` of some rows."""
    road, style, rows = scene.road, scene.surface, grid.rows

    def at_rows(profile: NDArray[np.float64]) -> NDArray[np.float64]:
        position = np.clip((grid.s_m + LEAD_IN_M) / STEP_M, 0, len(profile) - 1)
        low = np.minimum(position.astype(int), len(profile) - 2)
        share = position - low
        return profile[low] * (1 - share) + profile[low + 1] * share

    lanes: list[tuple[Lane, NDArray[np.float64], NDArray[np.float64]]] = [
        (lane, left, right)
        for lane in road.lanes
        if np.isfinite(left := at_rows(lane.left_m)).any()
        and np.isfinite(right := at_rows(lane.right_m)).any()
    ]
    lum = pavement(style, lanes, rows, rng)
    for lane, left, right in lanes:
        factor = strip_factor(lane.kind)
        if factor is not None and factor != 1:
            lum[inside(left, right)] *= np.float32(factor)
    cover = paved(lanes, rows, rng)
    color, ground = land(style.verge, rows, rng)
    lum *= cover
    ground *= 1 - cover
    tint = (1 + style.asphalt_warmth, 1.0, 1 - style.asphalt_warmth)
    rgb = np.empty((3, rows, raster.COLUMNS), np.float32)
    for channel in range(3):
        np.multiply(lum, np.float32(tint[channel]), out=rgb[channel])
        rgb[channel] += ground * np.float32(color[channel])
    for mark in road.marks:
        paint_mark(rgb, grid, mark, at_rows(mark.offset_m), style.mark_brightness, style.mark_wear, rng)
    light = Light.of(scene.weather)
    if style.tree_shadows > 0 and light.sun > 0:
        line = np.stack([at_rows(road.x_m), at_rows(road.y_m), at_rows(road.heading_rad)], 1)
        rgb *= shade(line, style.tree_shadows, light, rng)
    return np.clip(rgb, 0.0, 1.0, out=rgb)


def bake(
    scene: Scene, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu",
    stretch: tuple[float, float] | None = None,
) -> Surface:  # fmt: skip
    """Paint a scene's road and make it ready to be looked at; see :func:`paint`."""
    grid, rgb = paint(scene, stretch)
    texture = torch.from_numpy(rgb)[None].to(device=device, dtype=dtype)
    # all that are needed, however short the road: so that those of all surfaces are alike
    levels = (
        levels_for(raster.LENGTH_M, LONGEST_FOOTPRINT_M, max(grid.rows, 256)),
        levels_for(raster.WIDTH_M, WIDEST_FOOTPRINT_M, raster.COLUMNS),
    )
    return Surface(grid, Ripmap.of(texture, levels, "replicate"))
