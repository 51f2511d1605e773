"""Training a driver, from nothing or from another: places are rendered by worker processes while the network learns.

The order of everything is fixed by the seed: which episode enters the memory of clips before which step, which clips a
step learns from, how they are changed. So a recipe gives the same weights on the same machine, and a killed run goes on
from its last checkpoint as if nothing had happened.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections import deque
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as mp
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import save_file
from torch import Tensor

from lkas.augmentation import Changes
from lkas.clips import Clip, EpisodeSpec, render_episode
from lkas.driver import load_driver
from lkas.losses import Labels, Losses, driving_loss
from lkas.network import DriverNet
from lkas.validation import evaluate, validation_seed
from simulator.errors import InvalidInput

CHECKPOINT = "checkpoint.pt"
VALIDATION_EPISODES = 12


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out of training.

    Attributes:
        name: of the driver.
        seed: of everything.
        begin_from: weights of another driver, as ``lkas.driver.find_weights`` takes them; random ones where None.
        filters: of the network, see ``lkas.network.DriverNet``.
        hidden_size: likewise.
        steps: of the optimiser.
        episode: what is rendered.
        clips_per_step: batch size.
        steps_per_episode: a new episode enters the memory every so many steps.
        first_episodes: in the memory before the first step.
        memory_clips: how many clips are remembered; the oldest is forgotten first.
        learning_rate: at its highest.
        warm_up: share of the steps in which it rises.
        weight_decay: of AdamW.
        average: of the exponential moving average of the weights, which is what is kept.
        bf16: convolutions in bfloat16 while training.
        carry: share of clips that begin with the memory of another clip; the others begin with none.
    """

    name: str = "standard"
    seed: int = 0
    begin_from: str | None = None
    filters: tuple[int, ...] = (16, 32, 48, 64, 96)
    hidden_size: int = 256
    steps: int = 8000
    episode: EpisodeSpec = field(default_factory=EpisodeSpec)
    clips_per_step: int = 16
    steps_per_episode: int = 4
    first_episodes: int = 32
    memory_clips: int = 3200
    learning_rate: float = 2e-3
    warm_up: float = 0.04
    weight_decay: float = 0.02
    average: float = 0.999
    bf16: bool = True
    carry: float = 0.5


def _render_forever(spec: EpisodeSpec, seed: int, first: int, stride: int, queue: Any) -> None:
    """Body of a worker process."""
    torch.set_num_threads(1)
    os.nice(5)
    index = first
    while True:
        queue.put(pack_clips(render_episode(spec, seed, index)))
        index += stride


def pack_clips(clips: list[Clip]) -> tuple[Any, list[Any]]:
    """Clips as NumPy arrays, which cross processes as plain bytes."""
    return [c.frames.numpy() for c in clips], [[t.numpy() for t in vars(c.labels).values()] for c in clips]


def unpack_clips(packed: tuple[Any, list[Any]]) -> list[Clip]:
    """Inverse of :func:`pack_clips`."""
    return [
        Clip(torch.from_numpy(frames), Labels(*(torch.from_numpy(x) for x in labels)))
        for frames, labels in zip(*packed, strict=True)
    ]


def episodes(spec: EpisodeSpec, seed: int, first: int, workers: int) -> Generator[list[Clip], None, None]:
    """Episodes ``first``, ``first + 1``, ... in this order, rendered ahead by some processes (none: on demand)."""
    if workers == 0:
        while True:
            yield render_episode(spec, seed, first)
            first += 1
    context = mp.get_context("spawn")
    queues = [context.Queue(maxsize=3) for _ in range(workers)]
    processes = [
        context.Process(
            target=_render_forever,
            args=(spec, seed, first + k, workers, queue),
            daemon=True,
            name=f"renderer {k}",
        )
        for k, queue in enumerate(queues)
    ]
    for process in processes:
        process.start()
    try:
        while True:
            for queue in queues:
                yield unpack_clips(queue.get())
    finally:
        for process in processes:
            process.terminate()


def learning_rate_at(recipe: Recipe, progress: float) -> float:
    """Warm-up, then half a cosine down to a hundredth; ``progress`` runs from 0 to 1."""
    if progress < recipe.warm_up:
        return recipe.learning_rate * (0.05 + 0.95 * progress / recipe.warm_up)
    rest = (progress - recipe.warm_up) / (1 - recipe.warm_up)
    return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(rest, 1.0))))


def _channels_last(network: DriverNet) -> DriverNet:
    """The network with its convolutions' weights in the memory layout that is fastest on a CPU."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


class Trainer:
    """Holds all that changes while a driver learns.

    Args:
        recipe: what to do.
        workers: processes that render; 0 renders in this one.

    Raises:
        InvalidInput: there are no weights to begin from, or they are of another network.
    """

    def __init__(self, recipe: Recipe, workers: int = 2) -> None:
        self.recipe, self.workers = recipe, workers
        self.generator = torch.Generator().manual_seed(recipe.seed)
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            self.network = _channels_last(DriverNet(recipe.filters, recipe.hidden_size))
            self.average = _channels_last(DriverNet(recipe.filters, recipe.hidden_size))
        if recipe.begin_from is not None:
            try:
                self.network.load_state_dict(load_driver(recipe.begin_from).state_dict())
            except RuntimeError as error:
                raise InvalidInput(
                    f"begin_from: {recipe.begin_from} has a network of another size; leave out filters and "
                    "hidden_size, or begin from nothing"
                ) from error
        self.average.load_state_dict(self.network.state_dict())
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        other = [p for p in self.network.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": recipe.weight_decay},
                {"params": other, "weight_decay": 0.0},
            ],
            betas=(0.9, 0.98),
            fused=True,
        )
        self.step = 0
        self.seconds = 0.0
        self.history: list[dict[str, float]] = []
        self.hidden = self.network.initial_hidden(recipe.clips_per_step)
        self._memory: deque[Clip] = deque(maxlen=recipe.memory_clips)
        self._source: Generator[list[Clip], None, None] | None = None

    def _episodes_by(self, step: int) -> int:
        """How many episodes have entered the memory when ``step`` learns."""
        return self.recipe.first_episodes + step // self.recipe.steps_per_episode

    def _remember_clips(self) -> None:
        """Let in the episodes that this step may learn from."""
        recipe = self.recipe
        if self._source is None:
            wanted = math.ceil(recipe.memory_clips / recipe.episode.clips)
            self._next = max(0, self._episodes_by(self.step) - wanted)
            self._source = episodes(recipe.episode, recipe.seed, self._next, self.workers)
        while self._next < self._episodes_by(self.step):
            self._memory.extend(next(self._source))
            self._next += 1

    def _batch(self) -> tuple[Tensor, Labels, Tensor]:
        """Changed frames ``(T + 1, B, 112, 256, 6) uint8``, labels of ``(T, B)`` frames, which clips start afresh."""
        picks = torch.randperm(len(self._memory), generator=self.generator)[: self.recipe.clips_per_step]
        clips = [self._memory[i] for i in picks.tolist()]
        changes = Changes.sample(len(clips), self.recipe.carry, self.generator)
        return changes.frames(clips), changes.labels(clips), changes.fresh

    def learn(self, progress: float) -> Losses:
        """One step of the optimiser, at some progress between 0 and 1 of the whole training."""
        recipe = self.recipe
        self._remember_clips()
        frames, labels, fresh = self._batch()
        length, size = frames.shape[0] - 1, frames.shape[1]
        labels = labels.map(lambda x: x.flatten(0, 1))
        hidden = self.hidden * (~fresh)[:, None]
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(recipe, progress)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bf16):
            moved = frames.to(torch.bfloat16 if recipe.bf16 else torch.float32).permute(0, 1, 4, 2, 3)
            grid, deep = self.network.convolve(self.network.stem.over_time(moved))
            where = self.network.auxiliary(grid)
        features = self.network.gather(deep.float())
        outputs = []
        for instant in features.unflatten(0, (length, size)):
            output, hidden = self.network.remember(instant, hidden)
            outputs.append(output)
        losses = driving_loss(torch.cat(outputs), where.float(), labels)
        self.optimizer.zero_grad(set_to_none=True)
        losses.total().backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.hidden = hidden.detach()
        self.step += 1
        keep = min(recipe.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(value, 1 - keep)
        return losses

    def progress(self, minutes: float | None = None) -> float:
        """How far the training is, in steps or in minutes, whichever is farther; 1 when done."""
        spent = self.seconds / (60 * minutes) if minutes else 0.0
        return max(self.step / self.recipe.steps, spent)

    def close(self) -> None:
        """End the worker processes."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "recipe": asdict(self.recipe),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "hidden": self.hidden,
            "generator": self.generator.get_state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint; the clips remembered then are rendered again."""
        self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.hidden = state["hidden"]
        self.generator.set_state(state["generator"])


def train(
    recipe: Recipe,
    folder: Path,
    minutes: float | None = None,
    workers: int = 2,
    every: int = 250,
    quiet: bool = False,
) -> Path:
    """Train a driver and save it; goes on from a checkpoint in the folder if there is one of the same recipe.

    Args:
        recipe: what to do.
        folder: gets ``<name>.safetensors``, its card ``<name>.json``, and the checkpoint.
        minutes: stop after so long, with the learning rate falling in time; the number of steps then depends on the
            machine, and is in the card.
        workers: processes that render.
        every: steps between two checkpoints, each with a validation.
        quiet: show no progress bar.

    Returns:
        The file of weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(recipe, workers)
    checkpoint = folder / CHECKPOINT
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if state["recipe"] == asdict(recipe):
            trainer.load(state)
    source = episodes(recipe.episode, validation_seed(recipe.seed), 0, workers)
    watched = [clip for _ in range(VALIDATION_EPISODES) for clip in next(source)]
    source.close()
    began = time.monotonic() - trainer.seconds
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[losses]}"),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, disable=quiet) as bar:
            task = bar.add_task(f"train {recipe.name}", total=1.0, losses="")
            while trainer.progress(minutes) < 1:
                losses = trainer.learn(trainer.progress(minutes))
                trainer.seconds = time.monotonic() - began
                shown = f"step {trainer.step}, loss {losses.total().item():.2f}"
                bar.update(task, completed=trainer.progress(minutes), losses=shown)
                if trainer.step % every == 0 or trainer.progress(minutes) >= 1:
                    metrics = evaluate(trainer.average, watched)
                    trainer.history.append({"step": trainer.step, "seconds": trainer.seconds, **metrics})
                    save_checkpoint(trainer.state(), checkpoint)
                    if not quiet:
                        bar.console.print(
                            f"step {trainer.step}, {trainer.seconds / 60:.1f} min: on unseen places the path is off "
                            f"by {metrics['path_mae_10m']:.3f} m at 10 m and {metrics['path_mae_40m']:.3f} m at 40 m, "
                            f"lane lines by {metrics['lane_mae_10m']:.3f} m at 10 m",
                            soft_wrap=True,
                        )
    finally:
        trainer.close()
    return save_weights(trainer, folder)


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint so that there is always a whole one."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def save_weights(trainer: Trainer, folder: Path) -> Path:
    """Write the averaged weights and their card."""
    recipe = trainer.recipe
    weights = folder / f"{recipe.name}.safetensors"
    save_file({name: value.contiguous() for name, value in trainer.average.state_dict().items()}, weights)
    card = {
        "name": recipe.name,
        "recipe": asdict(recipe),
        "steps_done": trainer.step,
        "clips_seen": trainer.step * recipe.clips_per_step,
        "episodes_rendered": trainer._episodes_by(trainer.step - 1),
        "minutes": round(trainer.seconds / 60, 1),
        "metrics": trainer.history[-1] if trainer.history else {},
        "history": trainer.history,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    weights.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    return weights
