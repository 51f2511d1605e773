"""DenoisingAutoencoder: a small network repaints every frame as the frames that it has learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from defenses.input_transformations.transformation import InputTransformation
from simulator.world import InvalidInput

WEIGHTS = Path(__file__).parent / "autoencoder.safetensors"
"""The shipped one, trained by ``dirtyroad train autoencoder``; its card lies beside it."""


class Denoiser(nn.Module):
    """Four convolutions over blocks of 2x2 pixels; what they give is taken away from the frame.

    Args:
        filters: of the hidden convolutions.
    """

    def __init__(self, filters: int = 24) -> None:
        super().__init__()
        sizes = [12, filters, filters, filters, 12]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, padding_mode="replicate") for a, b in pairwise(sizes)
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Denoise ``(N, 3, H, W)`` float in [0, 1]; heights and widths may be odd."""
        height, width = frames.shape[-2:]
        x = F.pixel_unshuffle(F.pad(frames, (0, width % 2, 0, height % 2), mode="replicate"), 2)
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        noise = F.pixel_shuffle(self.layers[-1](x), 2)[..., :height, :width]
        return (frames - noise).clamp(0, 1)


def load_denoiser(path: Path) -> Denoiser:
    """A trained network.

    Raises:
        InvalidInput: there is no such file, or it holds something else.
    """
    if not path.is_file():
        raise InvalidInput(f"weights: there is no file {path}; 'dirtyroad train autoencoder' makes one")
    network = Denoiser()
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise InvalidInput(f"weights: {path} holds no denoiser: {str(error).splitlines()[0]}") from error
    return network.requires_grad_(False).eval()


@dataclass(frozen=True)
class DenoisingAutoencoder(InputTransformation):
    """Repaint every frame; exact gradients.

    Source: Meng and Chen 2017, "MagNet: a two-pronged defense against adversarial examples" (the reformer).

    Attributes:
        network: trained to take noise away.
    """

    network: Denoiser

    def __call__(self, frames: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Change frames ``(N, 3, H, W)`` float in [0, 1]."""
        result: Tensor = self.network(frames.float())
        return result.to(frames)
