"""Certified training of readers of digits, on digits that are drawn here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from scenarios.cli import main
from scenarios.results import certified_digits, digits
from scenarios.results.certified_digits import PixelRow, against_pixels
from scenarios.results.digits import Digits, load_digits
from simulator.errors import InvalidInput
from tests.scenarios.results.drawn_digits import drawn


@pytest.mark.slow
def test_training_against_pixels_gives_certificates():
    plain, certified = against_pixels(drawn(2048, 1), drawn(100, 2), radius=0.04, epochs=10, seed=0)
    assert (plain.training, certified.training) == ("ordinary", "certified")
    assert min(plain.clean, certified.clean) > 0.9
    for row in (plain, certified):
        assert row.certified <= row.attacked <= row.clean
    assert certified.certified > 0.5
    assert certified.certified > plain.certified + 0.2


def test_some_of_a_sorted_file_are_of_every_class():
    labels = torch.arange(10).repeat_interleave(7)
    some = Digits(torch.zeros(70, 1, 28, 28), labels).some(20)
    assert len(some.images) == len(some.labels) == 20
    assert len(some.labels.unique()) == 10


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
    pictures = np.zeros((2, 28, 28), np.uint8)
    for labels in (np.array([3, 77]), np.zeros(5, int), np.zeros(2)):
        np.savez(path, x_train=pictures, y_train=labels, x_test=pictures, y_test=np.zeros(2, int))
        with pytest.raises(InvalidInput, match="labels are"):
            load_digits(path)
    with pytest.raises(InvalidInput, match="epochs"):
        against_pixels(drawn(4, 1), drawn(4, 2), 0.1, 2, 0)


def test_the_command_shows_both_trainings(monkeypatch, capsys):
    rows = [PixelRow("ordinary", 0.9, 0.1, 0.0, 1.0), PixelRow("certified", 0.8, 0.6, 0.5, 2.0)]
    monkeypatch.setattr(digits, "load_digits", lambda path: (drawn(9, 1), drawn(5, 2)))
    asked = []
    monkeypatch.setattr(certified_digits, "against_pixels", lambda *a: asked.append(a) or rows)
    command = ["certify", "digits", "--data", "x.npz", "--samples", "4", "--radius", "0.2"]
    assert main(command) == 0
    (train, test, *rest, advance) = asked[0]
    advance(1)
    assert (len(train.images), len(test.images), rest) == (4, 5, [0.2, 10, 0])
    shown = capsys.readouterr().out
    assert "50.0%" in shown
    assert "60.0%" in shown
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["digits"][1]["certified"] == 0.5


@pytest.mark.parametrize(
    "wrong", [["--samples", "0"], ["--data", "nowhere.npz"], ["--radius", "nan"], ["--seed", "9" * 23]]
)
def test_wrong_arguments_are_named(capsys, wrong):
    assert main(["certify", "digits", "--data", "x.npz", *wrong]) == 2
    named = wrong[1] if wrong[0] == "--data" else wrong[0]
    assert named in capsys.readouterr().err
