"""Lens and sensor: rain before the glass, noise, the end of the scale.

Noise comes from banks made once: drawing it anew for every frame would cost as much as the driving network.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulator.camera import Camera
from simulator.weather import Light

_SHIFT_PX = 61
_BANK = 4
_STREAK_BRIGHTNESS = 0.78


class Lens:
    """What happens between the light and the numbers.

    Args:
        camera: for the size of the picture.
        scenes: seed and light of every scene.
    """

    def __init__(self, camera: Camera, scenes: Sequence[tuple[int, Light]]) -> None:
        self._size = camera.height, camera.width
        self._scenes = list(scenes)

    def __call__(self, picture: Tensor, index: Tensor, frame_index: int | Tensor) -> Tensor:
        """Take the picture.

        Args:
            picture: ``(N, 3, H, W)`` light, 1 is white; overwritten where no gradients are wanted.
            index: ``(N,)`` scene of each view.
            frame_index: int or ``(N,)``.

        Returns:
            ``(N, 3, H, W)`` in [0, 1].
        """
        frames = torch.as_tensor(frame_index).expand(len(picture)).tolist()
        views = zip(picture, index.tolist(), frames, strict=True)
        exposed = [self._expose(view, scene, int(frame)) for view, scene, frame in views]
        return torch.stack(exposed) if torch.is_grad_enabled() else picture

    def develop(
        self, light: NDArray[np.float32], scene: int, frame: int, rows: slice, into: NDArray[np.uint8]
    ) -> None:
        """Take some rows of one picture of a scene: ``(rows, W, 3)`` light to bytes; the light is overwritten."""
        weather = self._scenes[scene][1]
        bank, down, across = self._window(scene, frame)
        window = bank, slice(down.start + rows.start, down.start + rows.stop), across
        if weather.rain > 0:
            streaks = _rain_bank(*self._size).numpy()[window][..., None] * np.float32(0.55 * weather.rain)
            light += streaks * (np.float32(_STREAK_BRIGHTNESS * max(weather.sky_horizon)) - light)
        noise = cv2.cvtColor(_noise_bank(*self._size).numpy()[window], cv2.COLOR_GRAY2RGB)
        cv2.addWeighted(light, 255.0, noise, 255.0 * weather.noise, 0.0, dst=into, dtype=cv2.CV_8U)

    def _window(self, scene: int, frame: int) -> tuple[int, slice, slice]:
        """Which part of the banks a frame shows."""
        # any mixing constant will do: consecutive frames must not show the same window of the bank
        ticket = (self._scenes[scene][0] * 7919 + frame * 104_729 + 13) % (2**31)
        row, column = ticket % _SHIFT_PX, (ticket // _SHIFT_PX) % _SHIFT_PX
        bank = ticket // (_SHIFT_PX * _SHIFT_PX) % _BANK
        return bank, slice(row, row + self._size[0]), slice(column, column + self._size[1])

    def _expose(self, view: Tensor, scene: int, frame: int) -> Tensor:
        light = self._scenes[scene][1]
        window = self._window(scene, frame)
        original = view
        if light.rain > 0:
            streaks = _rain_bank(*self._size)[window].to(view) * (0.55 * light.rain)
            bright = _STREAK_BRIGHTNESS * max(light.sky_horizon)
            view = view + streaks * (bright - view)
        noise = _noise_bank(*self._size)[window].to(view)
        # without gradients the picture is nobody else's, and changed in place
        into = None if torch.is_grad_enabled() else original
        return torch.add(view, noise, alpha=light.noise, out=into).clamp_(0.0, 1.0)


@lru_cache(maxsize=4)
def _noise_bank(height: int, width: int) -> Tensor:
    """``(bank, H + shift, W + shift)`` of unit standard deviation, a little coarser than pixels, as in cameras."""
    rng = np.random.default_rng(height * 10_007 + width)
    noise = rng.standard_normal((_BANK, height + _SHIFT_PX, width + _SHIFT_PX), dtype=np.float32)
    soft = np.stack([cv2.GaussianBlur(layer, (3, 3), 0.6) for layer in noise])
    return torch.from_numpy(soft / soft.std())


@lru_cache(maxsize=4)
def _rain_bank(height: int, width: int) -> Tensor:
    """``(bank, H + shift, W + shift)`` in [0, 1], bright streaks."""
    rng = np.random.default_rng(height * 10_009 + width)
    layers = []
    for _ in range(_BANK):
        canvas = np.zeros((height + _SHIFT_PX, width + _SHIFT_PX), np.uint8)
        for _ in range(int(canvas.size / 900)):
            x, y = int(rng.integers(canvas.shape[1])), int(rng.integers(canvas.shape[0]))
            length = int(rng.integers(4, 18) * height / 256)
            cv2.line(
                canvas,
                (x, y),
                (x + round(length * 0.15), y + length),
                int(rng.integers(40, 200)),
                1,
                cv2.LINE_AA,
            )
        layers.append(cv2.GaussianBlur(canvas, (3, 3), 0).astype(np.float32) / 255)
    return torch.from_numpy(np.stack(layers))
