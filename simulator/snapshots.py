"""Pictures as bytes: what the renderer does, by OpenCV, several times faster and without gradients.

The geometry is the renderer's. OpenCV (5 and later) looks texels up with exact weights, so both ways agree to rounding.
"""

from __future__ import annotations

import threading
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
from simulator.workers import workers

Pixels = NDArray[np.float32]

_STRIP_ROWS = 64
"""Rows of a picture that are worked on together: so many stay in the processor's cache."""

_PIECE_PX = 64


@dataclass(frozen=True)
class Sight:
    """What a scene shows to a camera that is mounted as usual; channels last, as OpenCV has them.

    Attributes:
        road: ``(A, B, 4)`` atlas of the road's ripmap.
        sky: ``(rows, columns, 4)`` panorama once around.
        air: ``(G, 1, P)`` what the air adds to the ground rows, for pieces of a row that are all alike, or a whole one.
        light: ``(G, 1, P)`` factor on them.
    """

    road: Pixels
    sky: Pixels
    air: Pixels
    light: Pixels

    @classmethod
    def of(cls, road: Ripmap, panorama: Panorama, air: Tensor, light: Tensor, width: int) -> Sight:
        """Lay out one scene: ``air`` and ``light`` are ``(3, G, 1 or W)``."""
        # without headlights all of a row is lit alike: then there is less to read
        piece = _PIECE_PX if light.shape[-1] == 1 and width % _PIECE_PX == 0 else width
        air, light = (
            part.expand(-1, -1, piece).permute(1, 2, 0).flatten(1)[:, None] for part in (air, light)
        )
        return cls(road.texels(), panorama.texels(), air.contiguous().numpy(), light.contiguous().numpy())


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
        self._scratch = threading.local()
        starts = range(0, camera.height, _STRIP_ROWS)
        self._strips = [slice(start, min(start + _STRIP_ROWS, camera.height)) for start in starts]

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

        def take(i: int, scene: int, frame: int, yaw: float, layers: Sequence[Laid | None]) -> None:
            with torch.no_grad():
                maps = texels.maps(i)
            sight = self._sights[scene]
            sky = self._sky.window(sight.sky, yaw)
            # what stands there may be anywhere: it is drawn into a whole picture
            whole = None if draw is None else np.empty(self._shape, np.float32)
            for rows in self._strips:
                light = self._expose(rows, sight, maps, sky, layers)
                if whole is None:
                    self._develop(light, rows, scene, frame, pictures[i])
                else:
                    whole[rows] = light
            if draw is not None and whole is not None:
                with torch.no_grad():
                    planes = torch.from_numpy(whole).permute(2, 0, 1)[None]
                    whole = draw(i, planes)[0].permute(1, 2, 0).numpy()
                self._develop(whole, slice(0, len(whole)), scene, frame, pictures[i])

        if len(pictures) == 1 or torch.get_num_threads() == 1:
            for i, view in views:
                take(i, *view)
        else:
            self._pool = self._pool or workers()
            for job in [self._pool.submit(take, i, *view) for i, view in views]:
                job.result()
        return torch.from_numpy(pictures)

    def _sheets(self) -> tuple[Pixels, Pixels]:
        """Where this thread draws strip after strip, of three channels and of four; fresh memory is slow to write."""
        if not hasattr(self._scratch, "sheets"):
            three, four = (
                np.empty((_STRIP_ROWS, self._shape[1], channels), np.float32) for channels in (3, 4)
            )
            self._scratch.sheets = three, four
        sheets: tuple[Pixels, Pixels] = self._scratch.sheets
        return sheets

    def _expose(
        self, rows: slice, sight: Sight, maps: Maps, sky: tuple[Pixels, Pixels], layers: Sequence[Laid | None]
    ) -> Pixels:
        """The light that some rows of one view get, ``(rows, W, 3)``; on this thread's sheet."""
        size = rows.stop - rows.start
        picture, texels = (sheet[:size] for sheet in self._sheets())
        # the strip's rows among those of the ground, and where the ground begins in it
        on_ground = slice(max(rows.start - self._first, 0), max(rows.stop - self._first, 0))
        top = size - (on_ground.stop - on_ground.start)
        if top < size:
            ground, below = picture[top:], texels[top:]
            for band, window in maps.bands:
                both = _common(band, on_ground)
                if both is not None:
                    into = below[both.start - on_ground.start : both.stop - on_ground.start]
                    _look_up(sight.road[window], maps.x[both], maps.y[both], into)
            cv2.cvtColor(below, cv2.COLOR_RGBA2RGB, dst=ground)
            for layer in layers:
                both = None if layer is None else _common(layer.near, on_ground)
                if layer is None or both is None:
                    continue
                part = ground[both.start - on_ground.start : both.stop - on_ground.start]
                seen = slice(both.start - layer.near.start, both.stop - layer.near.start)
                if layer.keep is not None:
                    part *= layer.keep[seen].numpy()
                part += layer.add[seen].numpy()
            pieces = ground.reshape(len(ground), -1, sight.light.shape[2])
            pieces *= sight.light[on_ground]
            pieces += sight.air[on_ground]
        panorama, x = sky
        high = _common(rows, slice(0, len(x)))
        if high is not None:
            above = texels[: high.stop - high.start]
            _look_up(panorama, x[high], self._sky.y[high], above)
            if top:
                cv2.cvtColor(above[:top], cv2.COLOR_RGBA2RGB, dst=picture[:top])
            share = self._share[on_ground][: len(above) - top]
            seam = picture[top : len(above)]
            seam -= above[top:, :, :3]
            seam *= share
            seam += above[top:, :, :3]
        return picture

    def _develop(self, light: Pixels, rows: slice, scene: int, frame: int, into: NDArray[np.uint8]) -> None:
        if self._exposure != 1:
            light *= np.float32(self._exposure)
        self._lens.develop(light, scene, frame, rows, into[rows])


def _common(one: slice, other: slice) -> slice | None:
    """The rows in both; None where there are none."""
    first, end = max(one.start, other.start), min(one.stop, other.stop)
    return slice(first, end) if first < end else None


def _look_up(texels: Pixels, x: Pixels, y: Pixels, into: Pixels) -> None:
    cv2.remap(texels, x, y, cv2.INTER_LINEAR, dst=into, borderMode=cv2.BORDER_REPLICATE)
