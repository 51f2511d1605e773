"""Footage: the frames of a video, or a single picture."""

from __future__ import annotations

import copy
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

    Attributes:
        path: likewise.
        period_s: between two frames; None for raw streams (``video.hevc``), which do not say.
        height: of the frames.
        width: likewise.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self._first = Path(path), 0
        if not self.path.is_file():
            raise InvalidInput(f"{self.path}: no such video or picture")
        self.period_s: float | None = CAMERA_PERIOD_S
        self._video: Video | None = None
        self._count = 1
        if self.path.suffix.lower() not in PICTURES:
            self._video = Video(self.path)
            self._count, self.period_s = self._video.count, self._video.period_s
        self.height, self.width = self.frame(0).shape[:2]

    def __len__(self) -> int:
        return self._count

    def since(self, first: int) -> Footage:
        """The same from a frame on."""
        self._check(first)
        later = copy.copy(self)
        later._first, later._count = self._first + first, self._count - first
        return later

    def until(self, count: int) -> Footage:
        """The first frames of it, so many at most."""
        shorter = copy.copy(self)
        shorter._count = min(count, self._count)
        return shorter

    def frame(self, index: int) -> Tensor:
        """Frame ``(H, W, 3) uint8 RGB``.

        Raises:
            InvalidInput: there is none of that number, or it is damaged.
        """
        self._check(index)
        if self._video is not None:
            return self._video.frame(self._first + index)
        return _decoded(cv2.imread(str(self.path), cv2.IMREAD_COLOR), self.path, index)

    def _check(self, index: int) -> None:
        if not 0 <= index < self._count:
            raise InvalidInput(f"{self.path}: frame {index} is not one of its {self._count}")


class Video:
    """The frames of a video in any order; those seen last are kept.

    Attributes:
        count: how many there are.
        period_s: between two of them, where the file says.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._capture, self._next = cv2.VideoCapture(str(path)), 0
        self.count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        # raw streams have no index: they do not say how long they are, and going to a frame goes elsewhere
        self._indexed = self.count > 0 and rate > 0
        self.period_s = 1.0 / rate if self._indexed else None
        if not self._indexed:
            self.count = 0
            while self._capture.grab():
                self.count += 1
            self._next = self.count
        if self.count == 0:
            raise InvalidInput(f"{path}: not a video that OpenCV can read")
        self.frame = lru_cache(KEPT_FRAMES)(self._read)

    def _read(self, index: int) -> Tensor:
        # going to a frame decodes from the last key frame on; going on to the next does not
        if index != self._next and self._indexed:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        elif index < self._next:
            self._capture, self._next = cv2.VideoCapture(str(self._path)), 0
        if not self._indexed:
            while self._next < index and self._capture.grab():
                self._next += 1
        found, picture = self._capture.read()
        self._next = index + 1
        return _decoded(picture if found else None, self._path, index)


def _decoded(picture: cv2.typing.MatLike | None, path: Path, index: int) -> Tensor:
    if picture is None:
        raise InvalidInput(f"{path}: frame {index} cannot be decoded")
    return torch.from_numpy(np.ascontiguousarray(picture[..., ::-1]))
