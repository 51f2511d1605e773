"""Dirt laid into a camera's picture afterwards: where every pixel looks on the road is known exactly.

The picture of a road with a layer is the picture without it, plus the layer's brightness under the same light and
through the same air. Where something stands in the way (cars, kerbs), a mask keeps the dirt out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulator.camera import Camera
from simulator.renderer import Renderer
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.world import VehicleState

ROAD_TAGS = (1, 24, 25)
"""CARLA's labels of what dirt can lie on: roads, road lines, ground."""

_SHORT_M = (0.0, 16.0)
"""The composer looks at no surface; it needs one only to exist."""


class Composer:
    """Lays layers into pictures of one camera.

    Args:
        scene: road and weather.
        camera: that took the pictures.
    """

    def __init__(self, scene: Scene, camera: Camera) -> None:
        self._renderer = Renderer([scene], camera, stretch=_SHORT_M)

    def __call__(
        self, picture: NDArray[np.uint8], state: VehicleState, s_m: Tensor, layers: Sequence[SurfaceLayer],
        tags: NDArray[np.uint8],
    ) -> NDArray[np.uint8]:  # fmt: skip
        """A picture with the layers.

        Args:
            picture: ``(H, W, 3) uint8 RGB``.
            state: of the car, one of it.
            s_m: ``(1,)`` where it is along the road.
            layers: what lies on the road, lowest first.
            tags: ``(H, W)`` labels of the same view.
        """
        with torch.no_grad():
            rays, ground, index = self._renderer.look(state, s_m)
            air, light = self._renderer.illuminate(rays, index)
            road = torch.from_numpy(picture[rays.first_ground :].astype(np.float32)).permute(2, 0, 1) / 255
            changed = road.clone()
            for layer in layers:
                found = self._renderer.locate(layer, ground, 0)
                if found is None:
                    continue
                near, x, y = found
                laid = layer.ripmap.look_up(x, y, 0)
                lit = light[0][:, near]
                haze = air[0][:, near]
                part = changed[:, near]
                if layer.keep is not None:
                    laid, hidden = laid[:-1], laid[-1:]
                    part = part * (1 - hidden) + haze * hidden
                changed[:, near] = part + laid * lit
            open_road = torch.from_numpy(np.isin(tags[rays.first_ground :], ROAD_TAGS))
            changed = torch.where(open_road, changed, road)
        result = picture.copy()
        values = (changed.clamp(0, 1) * 255).round().to(torch.uint8)
        result[rays.first_ground :] = values.permute(1, 2, 0).numpy()
        return result
