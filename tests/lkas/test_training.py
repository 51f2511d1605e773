"""Training learns, is reproducible, and goes on where it was interrupted."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import lkas.training
from lkas.augmentation import Changes
from lkas.clips import Clip, EpisodeSpec
from lkas.driver import load_driver
from lkas.frames import pack_yuv
from lkas.heads import CURVES
from lkas.losses import Labels, Losses
from lkas.network import AUXILIARY_ROWS
from lkas.training import Recipe, Trainer, episodes, learning_rate_at, pack_clips, train, unpack_clips
from lkas.validation import evaluate, perceive, validation_seed
from simulator.world import InvalidInput

TINY = Recipe(
    name="tiny", steps=4, episode=EpisodeSpec(clips=2, pairs=2), clips_per_step=2, steps_per_episode=2,
    first_episodes=1, memory_clips=4, warm_up=0.25, bf16=False,
)  # fmt: skip


def drawn_episode(spec: EpisodeSpec, seed: int, index: int) -> list[Clip]:
    """Clips of two white lines on grey, fast to draw: the lane is where the lines are."""
    rng = np.random.default_rng([seed, index])
    clips = []
    for _ in range(spec.clips):
        offset_m, length = float(rng.uniform(-0.5, 0.5)), spec.pairs + 1
        rgb = torch.full((length, 256, 512, 3), 90, dtype=torch.uint8)
        curves = torch.tensor([0.0, math.nan, 1.8, -1.8, math.nan])[:, None].expand(CURVES, 33) + offset_m
        columns = torch.full((CURVES, AUXILIARY_ROWS), math.nan)
        for curve in (2, 3):
            column = 256 - 80 * float(curves[curve, 0])
            rgb[:, 90:, int(column) : int(column) + 6] = 250
            columns[curve, 4:] = column / 16
        labels = Labels(
            curves.repeat(spec.pairs, 1, 1),
            torch.tensor([0.0, 1.0, 1.0, 0.0]).repeat(spec.pairs, 1),
            torch.full((spec.pairs,), math.nan),
            torch.tensor([20.0, 0, 0, 0, 0, 0]).repeat(spec.pairs, 1),
            columns.repeat(spec.pairs, 1, 1),
        )
        clips.append(Clip(pack_yuv(rgb).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous(), labels))
    return clips


@pytest.fixture
def _drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw instead of rendering, and validate on little."""
    monkeypatch.setattr(lkas.training, "render_episode", drawn_episode)
    monkeypatch.setattr(lkas.training, "VALIDATION_EPISODES", 1)


@pytest.mark.usefixtures("_drawn")
def test_learns_two_clips_by_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    def unchanged(size: int, carry: float, generator: torch.Generator) -> Changes:
        tables = torch.arange(256, dtype=torch.uint8).expand(size, 6, 256)
        return Changes(torch.zeros(size).bool(), torch.ones(size).bool(), tables)

    monkeypatch.setattr(Changes, "sample", unchanged)
    trainer = Trainer(replace(TINY, memory_clips=2, steps_per_episode=1000, learning_rate=1e-3), workers=0)
    first, *_, last = (trainer.learn(TINY.warm_up) for _ in range(24))
    for part in ("errors", "presence", "lead"):
        assert getattr(last, part).item() < 0.6 * getattr(first, part).item()


@pytest.mark.usefixtures("_drawn")
def test_interrupted_and_resumed_is_the_same_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = train(TINY, tmp_path / "straight", workers=0, every=2, quiet=True)
    learn = Trainer.learn

    def killed(self: Trainer, progress: float) -> Losses:
        if self.step == 3:
            raise KeyboardInterrupt
        return learn(self, progress)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "learn", killed)
        with pytest.raises(KeyboardInterrupt):
            train(TINY, tmp_path / "twice", workers=0, every=2, quiet=True)
    resumed = train(TINY, tmp_path / "twice", workers=0, every=2, quiet=True)
    assert resumed.read_bytes() == straight.read_bytes()
    # a finished training is not trained further
    assert (
        train(TINY, tmp_path / "twice", workers=0, every=2, quiet=True).read_bytes() == straight.read_bytes()
    )


@pytest.mark.usefixtures("_drawn")
def test_what_is_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = train(replace(TINY, steps=1), tmp_path, workers=0)
    assert weights == tmp_path / "tiny.safetensors"
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert (card["name"], card["steps_done"], card["clips_seen"]) == ("tiny", 1, 2)
    assert card["recipe"]["episode"] == {"clips": 2, "pairs": 2, "dirt": 0.2}
    assert math.isfinite(card["metrics"]["path_mae_10m"])
    assert "step 1," in capsys.readouterr().out
    network = load_driver(weights)
    assert all(torch.equal(load_file(weights)[k], v) for k, v in network.state_dict().items())


@pytest.mark.usefixtures("_drawn")
def test_another_recipe_does_not_go_on_from_a_checkpoint(tmp_path: Path) -> None:
    train(replace(TINY, steps=1), tmp_path, workers=0, quiet=True)
    other = train(replace(TINY, steps=1, seed=1), tmp_path, workers=0, quiet=True)
    fresh = train(replace(TINY, steps=1, seed=1), tmp_path / "fresh", workers=0, quiet=True)
    assert other.read_bytes() == fresh.read_bytes()


@pytest.mark.usefixtures("_drawn")
def test_minutes_end_a_training(tmp_path: Path) -> None:
    weights = train(replace(TINY, steps=10**6), tmp_path, minutes=1e-6, workers=0, quiet=True)
    assert json.loads(weights.with_suffix(".json").read_text())["steps_done"] == 1


@pytest.mark.usefixtures("_drawn")
def test_a_training_goes_on_from_another_driver(tmp_path: Path) -> None:
    weights = train(replace(TINY, steps=1), tmp_path, workers=0, quiet=True)
    begun = Trainer(replace(TINY, seed=1, begin_from=str(weights)), workers=0)
    before = load_file(weights)
    for network in (begun.network, begun.average):
        assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_driver_to_begin_from_must_be_there() -> None:
    with pytest.raises(InvalidInput, match="no_such_driver"):
        Trainer(replace(TINY, begin_from="no_such_driver"), workers=0)


def test_a_network_of_another_size_is_no_beginning() -> None:
    with pytest.raises(InvalidInput, match="another size"):
        Trainer(replace(TINY, begin_from="standard", hidden_size=32), workers=0)


@pytest.mark.usefixtures("_drawn")
def test_a_smaller_network_trains_and_loads(tmp_path: Path) -> None:
    small = replace(TINY, steps=1, filters=(4, 6, 8, 10, 12), hidden_size=20)
    network = load_driver(train(small, tmp_path, workers=0, quiet=True))
    assert (network.filters, network.hidden_size) == (small.filters, small.hidden_size)


def test_stronger_dirt_is_only_another_number() -> None:
    recipe = replace(TINY, name="dirt_augmented", episode=replace(TINY.episode, dirt=0.55))
    assert recipe.episode.dirt == 0.55
    assert recipe != TINY


def test_learning_rate_rises_and_falls() -> None:
    recipe = Recipe()
    rates = [learning_rate_at(recipe, k / 1000) for k in range(1001)]
    top = int(np.argmax(rates))
    assert top / 1000 == pytest.approx(recipe.warm_up)
    assert rates[top] == pytest.approx(recipe.learning_rate)
    assert np.all(np.diff(rates[:top]) > 0)
    assert np.all(np.diff(rates[top:]) < 0)
    assert rates[-1] == pytest.approx(0.01 * recipe.learning_rate)


def test_clips_cross_processes_unchanged() -> None:
    clips = drawn_episode(TINY.episode, 0, 0)
    for before, after in zip(clips, unpack_clips(pack_clips(clips)), strict=True):
        assert torch.equal(before.frames, after.frames)
        for name, value in vars(before.labels).items():
            torch.testing.assert_close(getattr(after.labels, name), value, rtol=0, atol=0, equal_nan=True)


@pytest.mark.usefixtures("_drawn")
def test_validation_sees_other_places_and_measures_in_metres() -> None:
    assert validation_seed(3) not in range(1000)
    clips = next(episodes(TINY.episode, validation_seed(0), 0, 0))
    network = Trainer(TINY, workers=0).network
    with torch.no_grad():
        output, labels = perceive(network, clips)
        assert output.shape == (4, 343)
        assert labels.curves_m.shape == (4, CURVES, 33)
        error = (output[:, :33] - labels.curves_m[:, 0]).abs()
    metrics = evaluate(network, clips)
    # 10.5 m is the nearest of the distances to 10 m
    assert metrics["path_mae_10m"] == pytest.approx(float(error[:, 7].nanmean()), abs=1e-4)


@pytest.mark.slow
def test_worker_processes_render_the_same_episodes_in_order() -> None:
    spec = EpisodeSpec(clips=1, pairs=1)
    source, alone = episodes(spec, 0, 3, 2), episodes(spec, 0, 3, 0)
    try:
        for _ in range(3):
            assert torch.equal(next(source)[0].frames, next(alone)[0].frames)
    finally:
        source.close()
