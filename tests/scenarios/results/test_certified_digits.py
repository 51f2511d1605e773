"""Certified training of readers of digits, on digits that are drawn here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from scenarios.cli import main
from scenarios.results import certified_digits, digits
from scenarios.results.certified_digits import WeightRow, against_pixels, against_weights, quantised
from scenarios.results.digits import Digits, load_digits
from simulator.errors import InvalidInput


def drawn(count: int, seed: int) -> Digits:
    """Digit k is a bright bar in columns 2k + 4 and 2k + 5."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(10, (count,), generator=generator)
    images = 0.2 * torch.rand(count, 1, 28, 28, generator=generator)
    for image, label in zip(images, labels.tolist(), strict=True):
        image[0, 8:20, 2 * label + 4 : 2 * label + 6] += 0.7
    return Digits(images, labels)


@pytest.mark.slow
def test_training_against_pixels_gives_certificates():
    plain, certified = against_pixels(drawn(1536, 1), drawn(100, 2), radius=0.1, epochs=8, seed=0)
    assert (plain.training, certified.training) == ("ordinary", "certified")
    assert min(plain.clean, certified.clean) > 0.9
    assert certified.certified > 0.5
    assert certified.certified > plain.certified + 0.2


@pytest.mark.slow
def test_training_against_weights_bounds_the_loss():
    plain, certified = against_weights(drawn(512, 1), drawn(60, 2), radius=0.1, epochs=6, seed=0, bits=(2, 8))
    for row in (plain, certified):
        assert row.loss < row.certified_loss
        assert row.rounded[8] == pytest.approx(row.clean, abs=0.05)
    assert certified.certified_loss < plain.certified_loss


def test_some_of_a_sorted_file_are_of_every_class():
    labels = torch.arange(10).repeat_interleave(7)
    some = Digits(torch.zeros(70, 1, 28, 28), labels).some(20)
    assert len(some.images) == len(some.labels) == 20
    assert len(some.labels.unique()) == 10


def test_rounding_to_bits():
    network = nn.Linear(40, 30)
    for bits in (1, 2, 4):
        rounded = quantised(network, bits)
        assert len(rounded.weight.unique()) <= 2**bits
        step = 2 * network.weight.abs().max() / (2**bits - 1)
        assert (rounded.weight - network.weight).abs().max() <= step / 2 + 1e-6
        assert torch.equal(rounded.bias, network.bias)


def test_mnist_is_read_from_a_path(data: Path):
    train, test = load_digits(data / "mnist" / "mnist.npz")
    assert train.images.shape == (60000, 1, 28, 28)
    assert test.labels.bincount().tolist()[:3] == [980, 1135, 1032]
    assert 0.0 <= train.images.min() < train.images.max() == 1.0


def test_files_that_are_something_else_are_named(tmp_path: Path):
    path = tmp_path / "wrong.npz"
    with pytest.raises(InvalidInput, match=r"wrong\.npz"):
        load_digits(path)
    np.savez(path, x_train=np.zeros((2, 5)), y_train=np.zeros(2), x_test=np.zeros((2, 5)), y_test=np.zeros(2))
    with pytest.raises(InvalidInput, match="28, 28"):
        load_digits(path)
    with pytest.raises(InvalidInput, match="epochs"):
        against_pixels(drawn(4, 1), drawn(4, 2), 0.1, 2, 0)


def test_the_command_shows_both_trainings(monkeypatch, capsys):
    rows = [
        WeightRow(name, 0.9, 0.3, bound, {2: 0.5, 3: 0.8}, 1.0)
        for name, bound in (("ordinary", 9.0), ("certified", 0.5))
    ]
    monkeypatch.setattr(digits, "load_digits", lambda path: (drawn(9, 1), drawn(5, 2)))
    asked = []
    monkeypatch.setattr(certified_digits, "against_weights", lambda *a: asked.append(a) or rows)
    command = ["certify", "digits", "weights", "--data", "x.npz", "--samples", "4", "--radius", "0.2"]
    assert main(command) == 0
    (train, test, *rest, advance) = asked[0]
    advance(1)
    assert (len(train.images), len(test.images), rest) == (4, 5, [0.2, 10, 0])
    shown = capsys.readouterr().out
    assert "3 bits" in shown
    assert "certified" in shown
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["weights"][1]["certified_loss"] == 0.5


@pytest.mark.parametrize("wrong", [["--samples", "0"], ["--data", "nowhere.npz"]])
def test_wrong_arguments_are_named(capsys, wrong):
    assert main(["certify", "digits", "pixels", "--data", "x.npz", *wrong]) == 2
    assert wrong[0] in (error := capsys.readouterr().err) or wrong[1] in error
