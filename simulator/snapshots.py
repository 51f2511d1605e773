"""Pictures as bytes: what the renderer does, by OpenCV, several times faster and without gradients.

The geometry is the renderer's. OpenCV (5 and later) looks texels up with exact weights, so both ways agree to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulator.camera import Camera
from simulator.lens import Lens
from simulator.sky import Panorama, PanoramaMaps
from simulator.surface.ripmap import Ripmap
from simulator.texels import Maps, Texels
from simulator.views import RayCast

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Sight:
    """What a scene shows to a camera that is mounted as usual; channels last, as OpenCV has them.

    Attributes:
        road: ``(A, B, 4)`` atlas of the road's ripmap.
        sky: ``(rows, columns, 4)`` panorama once around.
        air: ``(G, W, 3)`` what the air adds to the ground rows.
        light: ``(G, W, 3)`` factor on them.
    """

    road: Pixels
    sky: Pixels
    air: Pixels
    light: Pixels

    @classmethod
    def of(cls, road: Ripmap, panorama: Panorama, air: Tensor, light: Tensor, width: int) -> Sight:
        """Lay out one scene: ``air`` and ``light`` are ``(3, G, 1 or W)``."""
        air, light = (part.expand(-1, -1, width).permute(1, 2, 0).contiguous() for part in (air, light))
        return cls(road.texels(), panorama.texels(), air.numpy(), light.numpy())


@dataclass(frozen=True)
class Laid:
    """What one view sees of a layer.

    Attributes:
        near: the ground rows that it is in.
        add: ``(rows, W, 3)`` brightness added.
        keep: ``(rows, W, 1)`` share of the road below that still shows; None is all of it.
    """

    near: slice
    add: Tensor
    keep: Tensor | None


class Snapshots:
    """Takes pictures of scenes with one camera.

    Args:
        camera: for the size of the picture and its exposure.
        rays: of the camera where it is mounted as usual.
        sights: of every scene.
        lens: of the camera.
    """

    def __init__(self, camera: Camera, rays: RayCast, sights: Sequence[Sight], lens: Lens) -> None:
        self._shape, self._exposure = (camera.height, camera.width, 3), camera.exposure
        self._sights, self._lens = sights, lens
        self._first = rays.first_ground
        self._sky = PanoramaMaps.of(rays.azimuth_rad[0], rays.elevation_rad[0])
        self._share = rays.share[0, ..., None].contiguous().numpy()
        self._pool: ThreadPoolExecutor | None = None

    def __call__(
        self, texels: Texels, yaw_rad: Tensor, index: Tensor, frame_index: int | Tensor,
        laid: Sequence[Sequence[Laid | None]], draw: Callable[[int, Tensor], Tensor] | None,
    ) -> Tensor:  # fmt: skip
        """Take pictures.

        Args:
            texels: that N views show.
            yaw_rad: ``(N,)`` of the cars.
            index: ``(N,)`` scene of each view.
            frame_index: int or ``(N,)``.
            laid: what lies on the road of every view, lowest first; None for what is out of sight.
            draw: puts into the picture ``(1, 3, H, W)`` of a view what stands there; None for nothing.

        Returns:
            ``(N, H, W, 3) uint8``.
        """
        pictures = np.empty((len(yaw_rad), *self._shape), np.uint8)
        frames = torch.as_tensor(frame_index).expand(len(yaw_rad)).tolist()
        views = enumerate(zip(index.tolist(), frames, yaw_rad.tolist(), laid, strict=True))

        def take(
            i: int, scene: int, frame: int, yaw: float, layers: Sequence[Laid | None], maps: Maps
        ) -> None:
            picture = self._expose(self._sights[scene], maps, yaw, layers)
            if draw is not None:
                with torch.no_grad():
                    planes = torch.from_numpy(picture).permute(2, 0, 1)[None]
                    picture = draw(i, planes)[0].permute(1, 2, 0).numpy()
            if self._exposure != 1:
                picture *= np.float32(self._exposure)
            self._lens.develop(picture, scene, frame, pictures[i])

        if len(pictures) == 1 or torch.get_num_threads() == 1:
            for i, (scene, frame, yaw, layers) in views:
                take(i, scene, frame, yaw, layers, texels.maps(i))
        else:
            self._pool = self._pool or ThreadPoolExecutor(torch.get_num_threads())
            # torch has threads of its own: what it does is done here, while the others are at work
            jobs = [
                self._pool.submit(take, i, scene, frame, yaw, layers, texels.maps(i))
                for i, (scene, frame, yaw, layers) in views
            ]
            for job in jobs:
                job.result()
        return torch.from_numpy(pictures)

    def _expose(self, sight: Sight, maps: Maps, yaw_rad: float, layers: Sequence[Laid | None]) -> Pixels:
        """The light that one view gets, ``(H, W, 3)``."""
        picture = np.empty(self._shape, np.float32)
        ground = picture[self._first :]
        texels = np.empty((*ground.shape[:2], 4), np.float32)
        for rows, window in maps.bands:
            _look_up(sight.road[window], maps.x[rows], maps.y[rows], texels[rows])
        cv2.cvtColor(texels, cv2.COLOR_RGBA2RGB, dst=ground)
        for layer in layers:
            if layer is not None:
                part = ground[layer.near]
                if layer.keep is not None:
                    part *= layer.keep.numpy()
                part += layer.add.numpy()
        ground *= sight.light
        ground += sight.air
        sky, x = self._sky.window(sight.sky, yaw_rad)
        if x.size == 0:  # a camera that looks down sees none
            return picture
        above = np.empty((*x.shape, 4), np.float32)
        _look_up(sky, x, self._sky.y, above)
        picture[: self._first] = above[: self._first, :, :3]
        seam = ground[: len(self._share)]
        seam -= above[self._first :, :, :3]
        seam *= self._share
        seam += above[self._first :, :, :3]
        return picture


def _look_up(texels: Pixels, x: Pixels, y: Pixels, into: Pixels) -> None:
    cv2.remap(texels, x, y, cv2.INTER_LINEAR, dst=into, borderMode=cv2.BORDER_REPLICATE)
