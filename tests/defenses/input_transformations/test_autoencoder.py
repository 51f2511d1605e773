"""The denoiser takes noise away, learns, and says what is wrong with a file of weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from defenses.input_transformations.autoencoder import (
    WEIGHTS,
    Denoiser,
    DenoisingAutoencoder,
    load_denoiser,
)
from defenses.input_transformations.autoencoder_training import DenoiserRecipe, errors, train_denoiser
from simulator.world import InvalidInput


def test_shipped_one_takes_much_noise_away_and_keeps_clean_frames() -> None:
    found = errors(load_denoiser(WEIGHTS), DenoiserRecipe(seed=3))
    assert found["denoised"] < 0.6 * found["noisy"]
    assert found["clean_repainted"] < 0.03


def test_odd_sizes_keep_their_size() -> None:
    assert Denoiser()(torch.rand(1, 3, 9, 13)).shape == (1, 3, 9, 13)


def test_gradients_pass() -> None:
    frames = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    DenoisingAutoencoder(load_denoiser(WEIGHTS))(frames, []).sum().backward()
    assert float(frames.grad.abs().sum()) > 1


def test_training_writes_weights_and_a_card_and_repeats_itself(tmp_path: Path) -> None:
    recipe = DenoiserRecipe(steps=3)
    one, other = (train_denoiser(recipe, tmp_path / name, quiet=True) for name in "ab")
    assert one.read_bytes() == other.read_bytes()
    card = json.loads(one.with_suffix(".json").read_text())
    assert card["recipe"]["steps"] == 3
    load_denoiser(one)


def test_missing_and_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="there is no file"):
        load_denoiser(tmp_path / "none.safetensors")
    wrong = tmp_path / "wrong.safetensors"
    save_file({"a": torch.zeros(1)}, wrong)
    with pytest.raises(InvalidInput, match="holds no denoiser"):
        load_denoiser(wrong)
