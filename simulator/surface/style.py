"""SurfaceStyle: how old, stained and shaded a road looks, as numbers a scenario file can state."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SurfaceStyle:
    """Look of a road. Brightness is display brightness, 0 black to 1 white, under a clear noon.

    Attributes:
        asphalt_brightness: mean brightness of the lanes, 0.1 to 0.7.
        asphalt_warmth: red minus blue of the asphalt, -0.05 to 0.08.
        grain: standard deviation of the fine texture.
        patchiness: standard deviation of the brightness over metres.
        lane_contrast: how much neighbouring lanes differ in brightness.
        tyre_tracks: darkening of the wheel paths.
        seams: 0 none to 1: longitudinal seams and transverse joints.
        cracks: cracks and tar lines, 0 none to 1 many.
        stains: oil stains and repairs, 0 none to 1 many.
        mark_brightness: brightness of fresh paint.
        mark_wear: 0 freshly painted to 1 gone.
        tree_shadows: share of the road in the shadow of trees while the sun shines.
        verge: what lies beside the road: ``grass``, ``dry_grass``, ``dirt``, ``concrete``, ``snow``.
        skyline: what stands at the horizon: ``trees``, ``hills``, ``city``, ``plain``.
    """

    asphalt_brightness: float = 0.40
    asphalt_warmth: float = 0.01
    grain: float = 0.025
    patchiness: float = 0.015
    lane_contrast: float = 0.01
    tyre_tracks: float = 0.03
    seams: float = 0.3
    cracks: float = 0.15
    stains: float = 0.15
    mark_brightness: float = 0.90
    mark_wear: float = 0.1
    tree_shadows: float = 0.0
    verge: str = "grass"
    skyline: str = "trees"
