"""Footage: the frames of a video, or a single picture."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from simulator.world import CAMERA_PERIOD_S, InvalidInput

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp"})
KEPT_FRAMES = 64


class Footage:
    """Recorded frames, read when they are asked for.

    Args:
        path: a video or picture that OpenCV can read.
        first: frames before this one are left out.
    """

    def __init__(self, path: str | Path, first: int = 0) -> None:
        self.path, self._first = Path(path), first
        if not self.path.is_file():
            raise InvalidInput(f"{self.path}: no such video or picture")
        self._video: cv2.VideoCapture | None = None
        self.count, self.period_s = 1, CAMERA_PERIOD_S
        if self.path.suffix.lower() not in PICTURES:
            self._video = cv2.VideoCapture(str(self.path))
            self.count = int(self._video.get(cv2.CAP_PROP_FRAME_COUNT))
            rate = self._video.get(cv2.CAP_PROP_FPS)
            if not self._video.isOpened() or self.count < 1 or not rate > 0:
                raise InvalidInput(f"{self.path}: not a video that OpenCV can read")
            self.period_s = 1.0 / rate
        if not 0 <= first < self.count:
            raise InvalidInput(f"{self.path}: frame {first} is not one of its {self.count}")
        self.count -= first
        self._next = 0
        self._cached = lru_cache(KEPT_FRAMES)(self._read)
        self.height, self.width = self.frame(0).shape[:2]

    def __len__(self) -> int:
        return self.count

    def since(self, first: int) -> Footage:
        """The same from a frame on."""
        return Footage(self.path, self._first + first)

    def frame(self, index: int) -> Tensor:
        """Frame ``(H, W, 3) uint8 RGB``."""
        if not 0 <= index < self.count:
            raise InvalidInput(f"{self.path}: frame {index} is not one of its {self.count}")
        return self._cached(self._first + index)

    def _read(self, index: int) -> Tensor:
        if self._video is None:
            picture = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        else:
            # going to a frame decodes from the last key frame on; going on to the next does not
            if index != self._next:
                self._video.set(cv2.CAP_PROP_POS_FRAMES, index)
            found, picture = self._video.read()
            self._next = index + 1
            picture = picture if found else None
        if picture is None:
            raise InvalidInput(f"{self.path}: frame {index} cannot be decoded")
        return torch.from_numpy(np.ascontiguousarray(picture[..., ::-1]))
