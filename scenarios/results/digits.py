"""Handwritten digits, and the small networks that read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from defenses.bounds.training import Batches
from simulator.errors import InvalidInput

BATCH = 128


@dataclass(frozen=True)
class Digits:
    """Pictures and what they show.

    Attributes:
        images: ``(N, 1, 28, 28)`` float32 in [0, 1].
        labels: ``(N,)`` int64.
    """

    images: Tensor
    labels: Tensor

    def some(self, count: int) -> Digits:
        """So many of them, evenly spread: a file may be sorted by what it shows."""
        place = torch.arange(count := min(count, len(self.labels))) * len(self.labels) // count
        return Digits(self.images[place], self.labels[place])

    @property
    def batches(self) -> Batches:
        """Epochs in random order."""

        def epoch(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
            for part in torch.randperm(len(self.images), generator=generator).split(BATCH):
                yield self.images[part], self.labels[part]

        return epoch


def load_digits(path: Path) -> tuple[Digits, Digits]:
    """Training and test pictures of MNIST.

    Args:
        path: ``mnist.npz`` with uint8 arrays ``x_train (N, 28, 28)``, ``y_train (N,)``, ``x_test``, ``y_test``.

    Raises:
        InvalidInput: it is something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[name] for name in ("x_train", "y_train", "x_test", "y_test")]
    except FileNotFoundError as error:
        raise InvalidInput(f"{path}: there is no such file") from error
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInput(
            f"{path}: it does not hold MNIST as arrays x_train, y_train, x_test, y_test ({error})"
        ) from error
    for images, labels in (arrays[:2], arrays[2:]):
        if images.dtype != np.uint8 or images.shape[1:] != (28, 28) or not len(images):
            raise InvalidInput(
                f"{path}: pictures are {images.dtype} {images.shape}; expected uint8 (N, 28, 28)"
            )
        whole = labels.shape == images.shape[:1] and labels.dtype.kind in "iu"
        if not (whole and labels.min() >= 0 and labels.max() <= 9):
            raise InvalidInput(
                f"{path}: labels are {labels.dtype} {labels.shape}; expected {len(images)} numbers from 0 to 9"
            )
    parts = [torch.from_numpy(array) for array in arrays]
    train, test = (
        Digits(images[:, None].float() / 255, labels.long()) for images, labels in (parts[:2], parts[2:])
    )
    return train, test


def convolutional() -> nn.Module:
    """Two convolutions and two linear layers."""
    seen = (nn.Conv2d(1, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 4, 2, 1), nn.ReLU(), nn.Flatten())
    return nn.Sequential(*seen, nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))


def dense() -> nn.Module:
    """Three linear layers."""
    hidden = (nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10))
