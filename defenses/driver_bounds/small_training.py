"""Training the small driver so that bounds on its path are tight: interval bounds of a patch's pixels in the loss."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from defenses.bounds import IBP, Ball, BoundedModel
from defenses.driver_bounds.small import PACKED, SmallDriver
from lkas.augmentation import Changes
from lkas.clips import Clip, EpisodeSpec, render_episode
from lkas.frames import packing_kernel
from lkas.heads import spread_m
from lkas.losses import distance_weights
from lkas.network import SKY_ROWS
from lkas.validation import validation_seed
from simulator.camera import CAMERAS
from simulator.scene import Scene
from simulator.world import DISTANCES_M

SPEC = EpisodeSpec(clips=32, pairs=1)
"""A stretch is rendered from many views: painting it costs more than looking at it."""

JUDGED = 4
"""Drives that the trained network is judged on."""

USUAL_PER_M = 2e-3
"""Paths that differ by less than this curvature count as near each other."""


@dataclass(frozen=True)
class SmallRecipe:
    """Everything that decides what comes out of the training.

    Attributes:
        scenario: whose road and light it learns, by name.
        seed: of everything.
        episodes: stretches of the road that are rendered, 32 frames each.
        epochs: over all frames.
        batch: frames a step.
        radius: of pixels in the end, in brightness.
        warm_up: share of the steps before bounds are in the loss: a network that is pressed before it has learnt
            anything learns to say always the same. The perturbation grows during as many steps after them.
        weight: of the bounds in the loss; 0 for ordinary training.
        learning_rate: of Adam; it falls to nothing along half a cosine.
    """

    scenario: str = "benign/highway_straight"
    seed: int = 0
    episodes: int = 27
    epochs: int = 20
    batch: int = 16
    radius: float = 4 / 255
    warm_up: float = 0.4
    weight: float = 0.02
    learning_rate: float = 1e-3


def patch_region() -> Tensor:
    """``(6, 112, 256)`` bool, where in a packed frame a patch from 7 m on may show, wherever in its lane the car is."""
    camera = CAMERAS["model"]
    x_m = torch.linspace(6.5, 60.0, 500, dtype=torch.float64)
    edges = []
    for y_m in (3.6, -3.6):  # half of a patch of 5.7 m, and how far cars stray
        points = torch.stack([x_m, torch.full_like(x_m, y_m), torch.zeros_like(x_m)], -1)
        u, v, _ = camera.project(points)
        rows = 2 * (np.arange(PACKED[1]) + SKY_ROWS) + 1
        edges.append(np.interp(rows, v.flip(0).numpy(), u.flip(0).numpy(), left=np.nan, right=np.nan))
    columns = 2 * np.arange(PACKED[2]) + 1
    inside = (columns >= edges[0][:, None]) & (columns <= edges[1][:, None])
    return torch.from_numpy(inside).expand(PACKED)


def train_small_driver(
    recipe: SmallRecipe, scene: Scene, advance: Callable[[int], None] = lambda _: None
) -> tuple[SmallDriver, dict[str, float]]:
    """Drive along one road and learn it: so small a network learns no more.

    Args:
        recipe: what to do.
        scene: the road and its light; places in the lane, heading, camera, traffic and dirt are random.
        advance: told of each of the ``recipe.episodes + recipe.epochs`` parts.

    Returns:
        The network, and its mean error on drives of its own, by distance.
    """
    clips: list[Clip] = []
    for index in range(recipe.episodes):
        clips += render_episode(SPEC, recipe.seed, index, scene)
        advance(1)
    network = learn(recipe, clips, advance)
    seed = validation_seed(recipe.seed)
    unseen = [clip for k in range(JUDGED) for clip in render_episode(SPEC, seed, k, scene)]
    return network, errors_m(network, unseen)


def errors_m(network: SmallDriver, clips: list[Clip]) -> dict[str, float]:
    """Mean absolute error of the path 10, 20 and 40 m ahead [m]."""
    frames = torch.stack([clip.frames[1, SKY_ROWS:] for clip in clips]).permute(0, 3, 1, 2).float()
    truth = torch.cat([clip.labels.curves_m[:, 0] for clip in clips])
    with torch.no_grad():
        error = (network(frames) - truth).abs()
    nearest = {x_m: int((DISTANCES_M - x_m).abs().argmin()) for x_m in (10, 20, 40)}
    return {f"path_mae_{x_m}m": round(error[:, i].nanmean().item(), 4) for x_m, i in nearest.items()}


def save_small_driver(
    network: SmallDriver, recipe: SmallRecipe, report: dict[str, float], folder: Path
) -> Path:
    """Write ``small.safetensors`` and its card ``small.json``; gives the former."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "small.safetensors"
    save_file(network.state_dict(), weights)
    card = {
        "recipe": asdict(recipe),
        "metrics": report,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    weights.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    return weights


def learn(
    recipe: SmallRecipe, clips: list[Clip], advance: Callable[[int], None] = lambda _: None
) -> SmallDriver:
    """The part of the training that follows the rendering."""
    generator = torch.Generator().manual_seed(recipe.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = SmallDriver()
    bounded = BoundedModel.of(network.mind, network.eye(torch.zeros(1, *PACKED)))
    reach = 255 * packing_kernel()[0].abs().sum((1, 2, 3))[:, None, None] * patch_region()
    optimiser = torch.optim.Adam(network.parameters(), recipe.learning_rate)
    steps = recipe.epochs * -(-len(clips) // recipe.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    step = 0
    for _ in range(recipe.epochs):
        for part in torch.randperm(len(clips), generator=generator).split(recipe.batch):
            chosen = [clips[i] for i in part.tolist()]
            changes = Changes.sample(len(chosen), 0.0, generator)
            frames = changes.frames(chosen)[1].permute(0, 3, 1, 2).float()
            seen = network.eye(frames)
            loss = path_loss(network.mind(seen), changes.labels(chosen).curves_m[0, :, 0])
            strength = (step + 1) / steps / recipe.warm_up - 1
            if recipe.weight > 0 and strength > 0:
                radius = recipe.radius * min(1.0, strength)
                # interval arithmetic through the first layer, whose width is that of all frames
                width = torch.nn.functional.conv2d(radius * reach[None], network.eye.weight.abs(), None, 4, 2)
                found = bounded.bounds(seen, Ball(width), IBP())
                loss = loss + recipe.weight * spread_loss(found.upper - found.lower)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            step += 1
        advance(1)
    return network.requires_grad_(False).eval()


def path_loss(path: Tensor, truth: Tensor) -> Tensor:
    """How far a path ``(N, 33)`` is off, in units of how much paths vary; NaN where there is no truth."""
    known = ~truth.isnan()
    importance = distance_weights() * known
    error = torch.where(known, path - truth, torch.zeros_like(path)).abs()
    return (importance * error / spread_m()).sum() / importance.sum().clamp_min(1)


def spread_loss(width: Tensor) -> Tensor:
    """How wide bounds ``(N, 33)`` of a path are, against paths that hardly differ."""
    usual = 0.1 + (0.5 * USUAL_PER_M * DISTANCES_M**2).float()
    return (distance_weights() * torch.log1p(width / (2 * usual))).mean()
