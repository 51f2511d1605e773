"""What the defenses that change the frame before anybody looks at it have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lkas.perception import Assistant, Decision
from simulator.world import Observation


@dataclass(frozen=True)
class InputTransformation(ABC):
    """A defense that changes frames, one at a time, the same way for every camera."""

    @abstractmethod
    def __call__(self, frames: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Change frames.

        Args:
            frames: ``(N, 3, H, W)`` float RGB in [0, 1].
            generators: of noise, one a world.

        Returns:
            The same shape and range, with gradients: exact ones, or straight through.
        """

    def protect(self, assistant: Assistant, seeds: Sequence[int]) -> TransformedAssistant:
        """The assistant behind this transformation."""
        return TransformedAssistant(assistant, self, seeds)


class TransformedAssistant:
    """An assistant that sees transformed frames.

    Args:
        assistant: who looks and drives.
        transformation: what happens to every frame before.
        seeds: of its noise, which is drawn anew from ``reset`` on; see ``Defense.protect``.
    """

    def __init__(
        self, assistant: Assistant, transformation: InputTransformation, seeds: Sequence[int]
    ) -> None:
        self.assistant = assistant
        self.transformation = transformation
        self._seeds = seeds
        self._generators = self._seeded(len(seeds))

    @property
    def cameras(self) -> tuple[str, ...]:
        """Those of the assistant."""
        return self.assistant.cameras

    def reset(self, size: int) -> None:
        """Forget everything; the next observations are of ``size`` worlds."""
        self._generators = self._seeded(size)
        self.assistant.reset(size)

    def _seeded(self, size: int) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(self._seeds[i % len(self._seeds)]) for i in range(size)]

    def __call__(self, observation: Observation) -> Decision:
        """Look once through the transformation and decide."""
        frames = {
            name: self._see(picture) if name in self.cameras else picture
            for name, picture in observation.frames.items()
        }
        return self.assistant(replace(observation, frames=frames))

    def _see(self, picture: Tensor) -> Tensor:
        if picture.is_floating_point():
            return self.transformation(picture, self._generators)
        with torch.inference_mode():
            light = self.transformation(picture.permute(0, 3, 1, 2) / 255, self._generators)
            return (light * 255).round().to(torch.uint8).permute(0, 2, 3, 1)


def straight_through(before: Tensor, after: Tensor) -> Tensor:
    """``after``, with the gradient of ``before``: what an adaptive attacker uses where there is no better one.

    Source: Athalye et al. 2018, "Obfuscated gradients give a false sense of security" (backward pass differentiable
    approximation with the identity).
    """
    return before + (after - before).detach()


def filtered(frames: Tensor, change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Tensor:
    """Frames changed as byte pictures, with gradients passing straight through.

    Args:
        frames: ``(N, 3, H, W)`` float RGB in [0, 1].
        change: of one picture, ``(H, W, 3)`` RGB, contiguous, to another of the same size.
    """
    pictures = (frames.detach() * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    changed = np.stack([change(picture) for picture in pictures.numpy()])
    return straight_through(frames, torch.from_numpy(changed).permute(0, 3, 1, 2).to(frames) / 255)
