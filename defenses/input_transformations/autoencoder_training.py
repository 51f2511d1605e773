"""Training the denoiser on frames of the embedded world."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor

from defenses.input_transformations.autoencoder import Denoiser
from lkas.clips import EpisodeSpec, render_episode
from lkas.frames import unpack_yuv
from lkas.validation import validation_seed

CROP = (128, 256)
FRAMES_PER_STEP = 8
FRESH_EVERY = 10
"""A new place is rendered every so many steps; its frames stand beside those of the last ones."""

PLACES = 24


@dataclass(frozen=True)
class DenoiserRecipe:
    """Everything that decides what comes out of training.

    Attributes:
        seed: of everything.
        steps: of Adam.
        noise: standard deviation of what is to be taken away, in units of brightness.
        learning_rate: at first; it falls linearly to nothing.
    """

    seed: int = 0
    steps: int = 1200
    noise: float = 0.1
    learning_rate: float = 2e-3


def frames_of(seed: int, index: int) -> Tensor:
    """Frames of one random place: ``(N, 3, 256, 512)`` float in [0, 1]."""
    clips = render_episode(EpisodeSpec(clips=4, pairs=1), seed, index)
    packed = torch.cat([clip.frames for clip in clips]).permute(0, 3, 1, 2)
    return unpack_yuv(packed.float())


def batches(recipe: DenoiserRecipe) -> Iterator[Tensor]:
    """Random crops ``(FRAMES_PER_STEP, 3, *CROP)`` for every step."""
    generator = torch.Generator().manual_seed(recipe.seed)
    places: list[Tensor] = []
    for step in range(recipe.steps):
        if step % FRESH_EVERY == 0:
            places = [*places, frames_of(recipe.seed, step // FRESH_EVERY)][-PLACES:]
        crops = []
        for _ in range(FRAMES_PER_STEP):
            frames = places[int(torch.randint(len(places), (), generator=generator))]
            frame = frames[int(torch.randint(len(frames), (), generator=generator))]
            top, left = (
                int(torch.randint(size - crop + 1, (), generator=generator))
                for size, crop in zip(frame.shape[1:], CROP, strict=True)
            )
            crops.append(frame[:, top : top + CROP[0], left : left + CROP[1]])
        yield torch.stack(crops)


def train_denoiser(recipe: DenoiserRecipe, folder: Path, quiet: bool = False) -> Path:
    """Train a denoiser and save it.

    Args:
        recipe: what to do.
        folder: gets ``autoencoder.safetensors`` and its card ``autoencoder.json``.
        quiet: show no progress bar.

    Returns:
        The file of weights.
    """
    began = time.monotonic()
    generator = torch.Generator().manual_seed(recipe.seed + 1)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        network = Denoiser()
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, recipe.steps)
    steps = track(batches(recipe), "train autoencoder", recipe.steps, disable=quiet)
    for clean in steps:
        noisy = clean + recipe.noise * torch.randn(clean.shape, generator=generator)
        loss = (network(noisy.clamp(0, 1)) - clean).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "autoencoder.safetensors"
    save_file(network.state_dict(), weights)
    card = {
        "recipe": asdict(recipe),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "root_mean_square_error": errors(network, recipe),
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    weights.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    return weights


@torch.inference_mode()
def errors(network: Denoiser, recipe: DenoiserRecipe) -> dict[str, float]:
    """Root mean square error on unseen places: of noisy frames, of these denoised, and of clean frames repainted."""
    generator = torch.Generator().manual_seed(recipe.seed + 2)
    clean = torch.cat([frames_of(validation_seed(recipe.seed), index) for index in range(4)])
    noisy = (clean + recipe.noise * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
    pictures = {"noisy": noisy, "denoised": network(noisy), "clean_repainted": network(clean)}
    return {name: float((seen - clean).square().mean().sqrt()) for name, seen in pictures.items()}
