"""Changes to clips that a driver should not mind: mirroring, brightness, contrast, colour.

They are made on packed bytes, by one table a channel, so that a batch costs milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lkas.clips import Clip
from lkas.losses import Labels
from lkas.network import SKY_ROWS


def mirror(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mirror packed frames ``(..., W, 6)`` left to right: even columns of pixels become odd ones."""
    # planes 0 and 1 hold the even columns of luma, 2 and 3 the odd ones: pairs of bytes change places
    width = frames.shape[-2]
    column = np.arange(width - 1, -1, -1)[:, None] * 3 + np.array([1, 0, 2])
    pairs = np.ascontiguousarray(frames).view(np.uint16).reshape(-1, 3 * width)
    return np.take(pairs, column.ravel(), axis=1).view(np.uint8).reshape(frames.shape)


@dataclass(frozen=True)
class Changes:
    """What is done to each of B clips.

    Attributes:
        mirrored: ``(B,)`` bool.
        fresh: ``(B,)`` bool, the driver opens its eyes with this clip: the first labelled frame has no earlier one.
        tables: ``(B, 6, 256) uint8`` new value of every byte of each plane.
    """

    mirrored: Tensor
    fresh: Tensor
    tables: Tensor

    @classmethod
    def sample(cls, size: int, carry: float, generator: torch.Generator) -> Changes:
        """Draw changes for so many clips, a share ``carry`` of which goes on from another clip's memory."""

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        mirrored = torch.rand(size, generator=generator) < 0.5
        fresh = torch.rand(size, generator=generator) >= carry
        contrast, color = torch.exp(0.15 * normal(size, 1)), torch.exp(0.25 * normal(size, 1))
        gain = torch.cat([contrast.expand(-1, 4), color.expand(-1, 2)], 1)
        # contrast about a dark grey, colour about no colour
        luma = 80 * (1 - contrast) + 12 * normal(size, 1)
        offset = torch.cat([luma.expand(-1, 4), 128 * (1 - color) + 3 * normal(size, 2)], 1)
        # a camera's own curve from light to numbers, for luma alone
        gamma = torch.exp(0.2 * normal(size, 1, 1)) * torch.ones(6, 1)
        gamma[:, 4:] = 1
        level = 255 * (torch.arange(256) / 255) ** gamma
        tables = gain[..., None] * level + offset[..., None]
        return cls(mirrored, fresh, tables.round().clamp(0, 255).to(torch.uint8))

    def frames(self, clips: Sequence[Clip]) -> Tensor:
        """Changed frames without their sky rows: ``(T + 1, B, 112, 256, 6) uint8``."""
        length, height, width, planes = clips[0].frames.shape
        out = np.empty((length, len(clips), height - SKY_ROWS, width, planes), np.uint8)
        for number, clip in enumerate(clips):
            frames = clip.frames[:, SKY_ROWS:].numpy()
            if self.mirrored[number]:
                frames = mirror(frames)
            table = np.ascontiguousarray(self.tables[number].numpy().T)[None]
            for target, frame in zip(out[:, number], frames, strict=True):
                cv2.LUT(np.ascontiguousarray(frame), table, target)
        fresh = self.fresh.numpy()
        out[0, fresh] = out[1, fresh]
        return torch.from_numpy(out)

    def labels(self, clips: Sequence[Clip]) -> Labels:
        """Labels that fit, of ``(T, B)`` frames."""
        per_clip = [c.labels.mirrored() if self.mirrored[k] else c.labels for k, c in enumerate(clips)]
        return Labels(*(torch.stack([getattr(x, name) for x in per_clip], 1) for name in vars(per_clip[0])))
