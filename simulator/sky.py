"""The panorama above the road: sky, clouds and what stands at the horizon, as far away as to turn but never to move."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from simulator.scene import Scene
from simulator.surface.noise import Field, smooth_ring
from simulator.weather import Light, sun_heading_rad

_STEP_RAD = math.radians(0.15)
_LOWEST_RAD = math.radians(-2.0)
_ROWS, _COLUMNS, _WRAP = 150, 2400, 4
_CLOUDS_END_DEG = 6.0
"""So far below the uppermost row they begin to."""

SKYLINES = ("trees", "hills", "city", "plain")
"""Names of what may stand at the horizon."""


@dataclass(frozen=True)
class Panorama:
    """Colour by direction.

    Attributes:
        texture: ``(1, 3, rows, columns)``, rows from high to low elevation, columns by azimuth with a wrapped rim.
    """

    texture: Tensor

    @classmethod
    def of(
        cls, scene: Scene, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> Panorama:
        """Paint the panorama of a scene; the same scene gives the same bytes."""
        light = Light.of(scene.weather)
        rng = np.random.default_rng([scene.seed, 0x5C])
        elevation = (_ROWS - 0.5 - np.arange(_ROWS, dtype=np.float32)) * _STEP_RAD + _LOWEST_RAD
        azimuth = (np.arange(_COLUMNS, dtype=np.float32) + 0.5) * _STEP_RAD
        high = np.clip(elevation / math.radians(20.0), 0, 1)[:, None, None] ** 0.6
        horizon, top = np.array(light.sky_horizon, np.float32), np.array(light.sky_top, np.float32)
        sky = np.broadcast_to(horizon + (top - horizon) * high, (_ROWS, _COLUMNS, 3)).copy()
        sky += _clouds(scene.weather.cloudiness / 100, elevation, rng)[..., None] * (
            horizon * 1.05 + 0.03 - sky
        )
        if light.sun > 0:
            toward = np.cos(azimuth - sun_heading_rad(scene.weather))[None] * np.cos(elevation)[:, None]
            glow = np.exp((toward - 1) * 14.0) * light.sun * (scene.weather.sun_altitude_angle < 25)
            sky += glow[..., None] * (np.array([1.0, 0.9, 0.7], np.float32) - sky) * 0.8
        outline, color = _skyline(scene.surface.skyline, rng)
        cover = np.clip((outline[None] - elevation[:, None]) / _STEP_RAD + 0.5, 0, 1)[..., None]
        before = light.fog_per_m * min(light.fog_distance_m, 500.0)
        haze = 1 - math.exp(before - light.extinction_per_m * 500.0)
        lit = color * np.array(light.ground, np.float32)
        stands = lit + haze * (horizon - lit)
        picture = np.clip(sky + cover * (stands - sky), 0, 1).astype(np.float32)
        wrapped = np.concatenate([picture[:, -_WRAP:], picture, picture[:, :_WRAP]], 1)
        texture = torch.from_numpy(np.ascontiguousarray(wrapped.transpose(2, 0, 1)))[None]
        return cls(texture.to(device=device, dtype=dtype))

    def texels(self) -> NDArray[np.float32]:
        """``(rows, columns, 4)`` once around, the fourth channel empty."""
        once = self.texture[0, :, :, _WRAP:-_WRAP].permute(1, 2, 0)
        return F.pad(once, (0, 1)).contiguous().numpy()

    def sample(self, azimuth_rad: Tensor, elevation_rad: Tensor) -> Tensor:
        """Colour of directions.

        Args:
            azimuth_rad: ``(H, W)`` counter-clockwise from x, continuous across the picture.
            elevation_rad: ``(H, W)``.

        Returns:
            ``(3, H, W)``.
        """
        turns = torch.floor(azimuth_rad.detach()[..., :1] / (2 * math.pi))
        column = (azimuth_rad - 2 * math.pi * turns) / _STEP_RAD
        # a picture that straddles azimuth 0 runs past the last column; wrap each pixel by itself
        column = column - _COLUMNS * torch.floor(column.detach() / _COLUMNS) + _WRAP
        row = _ROWS - (elevation_rad - _LOWEST_RAD) / _STEP_RAD
        width = _COLUMNS + 2 * _WRAP
        grid = torch.view_as_real(torch.complex(column * (2 / width) - 1, row * (2 / _ROWS) - 1))[None]
        return F.grid_sample(self.texture, grid, mode="bilinear", padding_mode="border", align_corners=False)[
            0
        ]


@dataclass(frozen=True)
class PanoramaMaps:
    """Where the pixels of a camera look in panoramas, as OpenCV wants it: texel centres at integers.

    Attributes:
        x: ``(H, W) float32`` columns from the first one seen on, for a camera that looks along x.
        y: ``(H, W) float32`` rows.
        first: that column, which may be negative.
        count: how many columns are seen from any direction.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    first: int
    count: int

    @classmethod
    def of(cls, azimuth_rad: Tensor, elevation_rad: Tensor) -> PanoramaMaps:
        """For pixels that look in these directions, ``(H, W)`` each, seen from the car."""
        column = azimuth_rad.double() / _STEP_RAD - 0.5
        first = math.floor(float(column.min())) if column.numel() else 0
        x = (column - first).float().contiguous().numpy()
        y = (_ROWS - 0.5 - (elevation_rad.double() - _LOWEST_RAD) / _STEP_RAD).float().contiguous().numpy()
        return cls(x, y, first, math.ceil(float(x.max(initial=0.0))) + 3)

    def window(
        self, panorama: NDArray[np.float32], yaw_rad: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What of a panorama a car of this heading sees: columns of it, and the map to these."""
        turned = yaw_rad / _STEP_RAD
        whole = math.floor(turned)
        first = (self.first + whole) % _COLUMNS
        seen = panorama[:, first : first + self.count]
        while seen.shape[1] < self.count:
            seen = np.concatenate([seen, panorama[:, : self.count - seen.shape[1]]], 1)
        return seen, self.x + np.float32(turned - whole)


def _clouds(amount: float, elevation: Field, rng: np.random.Generator) -> Field:
    """Cover by clouds ``(rows, columns)`` in [0, 1]; they flatten towards the horizon and end below the top row."""
    field = smooth_ring(rng, _ROWS, _COLUMNS, (14.0, 90.0)) + 0.5 * smooth_ring(
        rng, _ROWS, _COLUMNS, (5.0, 25.0)
    )
    threshold = 1.6 - 3.0 * amount
    # cameras that see higher are shown the uppermost row all the way up
    left = np.clip((elevation[0] - elevation) / math.radians(_CLOUDS_END_DEG), 0, 1)[:, None]
    return np.clip((field - threshold) * 0.8, 0, 1).astype(np.float32) * (np.float32(0.85) * left)


def _skyline(kind: str, rng: np.random.Generator) -> tuple[Field, Field]:
    """Outline in radians above the horizon ``(columns,)`` and colour ``(rows, columns, 3)``."""
    wide = smooth_ring(rng, 2, _COLUMNS, (2.0, 160.0))[0]
    narrow = smooth_ring(rng, 2, _COLUMNS, (2.0, 9.0))[0]
    fine = smooth_ring(rng, 2, _COLUMNS, (2.0, 2.0))[0]
    leaves = smooth_ring(rng, _ROWS, _COLUMNS, (2.5, 2.5)) * 0.07
    if kind == "trees":
        outline = np.maximum(0.3, 1.8 + 1.2 * wide + 0.5 * narrow + 0.25 * fine)
        color = np.array([0.17, 0.23, 0.13]) * (1 + leaves[..., None])
    elif kind == "hills":
        outline = np.maximum(0.2, 1.4 + 1.0 * wide + 0.05 * narrow)
        color = np.array([0.36, 0.41, 0.40]) * (1 + 0.4 * leaves[..., None])
    elif kind == "city":
        blocks = np.repeat(rng.gamma(2.0, 0.9, _COLUMNS // 12), 12)
        outline = np.maximum(0.3, blocks)
        tone = np.repeat(rng.uniform(0.3, 0.6, _COLUMNS // 12), 12)
        color = tone[None, :, None] * np.array([1.0, 0.98, 0.95]) * (1 + leaves[..., None])
    else:
        outline = np.maximum(0.1, 0.35 + 0.1 * narrow)
        color = np.array([0.40, 0.42, 0.33]) * (1 + leaves[..., None])
    return np.radians(outline).astype(np.float32), np.broadcast_to(color, (_ROWS, _COLUMNS, 3)).astype(
        np.float32
    )
