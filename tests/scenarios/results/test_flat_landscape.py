"""Weights that may move: the loss around them is measured, attacked and bounded in that order."""

from __future__ import annotations

import json

import cv2
import pytest
import torch
from torch import nn

from scenarios.cli import main
from scenarios.results import digits, flat_landscape
from scenarios.results.flat_landscape import Level, WeightRow, against_weights, quantised
from tests.scenarios.results.drawn_digits import drawn


@pytest.fixture(scope="module")
def rows() -> list[WeightRow]:
    return against_weights(
        drawn(512, 1), drawn(60, 2), radius=0.1, epochs=6, seed=0, bits=(2, 8), distances=(0.05, 1.0)
    )


@pytest.mark.slow
def test_losses_lie_in_their_order(rows):
    for row in rows:
        assert row.rounded[8] == pytest.approx(row.clean, abs=0.05)
        for level in row.levels:
            assert max(row.loss, level.random) <= level.attacked + 1e-6
            assert level.proved is None or level.attacked <= level.proved
        assert [level.distance for level in row.levels] == [0.05, 0.1, 1.0]
        assert row.within is row.levels[1]
        assert row.levels[0].proved <= row.within.proved <= row.levels[2].proved


@pytest.mark.slow
def test_training_against_moved_weights_bounds_the_loss(rows):
    plain, certified = rows
    assert certified.within.proved < plain.within.proved


@pytest.mark.slow
def test_it_is_drawn(rows, tmp_path):
    pytest.importorskip("matplotlib")
    from scenarios.results.flat_landscape_plot import draw

    draw(rows, tmp_path / "loss.png")
    picture = cv2.imread(str(tmp_path / "loss.png"))
    for colour in ((180, 119, 31), (14, 127, 255)):  # of the first and the second curve
        assert (abs(picture.astype(int) - colour) < 8).all(2).sum() > 300


def test_rounding_to_bits():
    network = nn.Linear(40, 30)
    for bits in (1, 2, 4):
        rounded = quantised(network, bits)
        assert len(rounded.weight.unique()) <= 2**bits
        step = 2 * network.weight.abs().max() / (2**bits - 1)
        assert (rounded.weight - network.weight).abs().max() <= step / 2 + 1e-6
        assert torch.equal(rounded.bias, network.bias)


def test_the_command_shows_both_trainings(monkeypatch, capsys):
    rows = [
        WeightRow(name, 0.9, {2: 0.5, 3: 0.8}, 0.3, 0.2, (level,), 1.0)
        for name, level in (
            ("ordinary", Level(0.2, 0.4, 0.6, None)),
            ("certified", Level(0.2, 0.3, 0.35, 0.5)),
        )
    ]
    monkeypatch.setattr(digits, "load_digits", lambda path: (drawn(9, 1), drawn(5, 2)))
    asked = []
    monkeypatch.setattr(flat_landscape, "against_weights", lambda *a: asked.append(a) or rows)
    command = ["certify", "landscape", "--data", "x.npz", "--samples", "4", "--radius", "0.2"]
    assert main(command) == 0
    (train, test, *rest, advance) = asked[0]
    advance(1)
    assert (len(train.images), len(test.images), rest) == (4, 5, [0.2, 10, 0])
    shown = capsys.readouterr().out
    assert "3 bits" in shown
    assert "nothing" in shown
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["landscape"][1]["within"]["proved"] == 0.5


@pytest.mark.parametrize("wrong", [["--plot", "loss.txt"], ["--plot", "nowhere/loss.png"], ["--judged", "0"]])
def test_wrong_arguments_are_named(capsys, wrong):
    assert main(["certify", "landscape", "--data", "x.npz", *wrong]) == 2
    assert " ".join(wrong) in capsys.readouterr().err
