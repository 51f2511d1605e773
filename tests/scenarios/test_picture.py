"""``dirtyroad picture`` as a user calls it."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from scenarios.cli import main


def test_picture_of_two_scenarios(tmp_path: Path) -> None:
    out = tmp_path / "two.png"
    scenarios = ["benign/local_narrow_straight", "benign/rural_worn"]
    assert (
        main(["picture", *scenarios, "--set", "assistant=lane_keeping", "--at", "0.1", "--out", str(out)])
        == 0
    )
    picture = cv2.imread(str(out))
    assert picture.shape == (256, 1024, 3)
    # the believed path is drawn in green over grey asphalt
    blue, green, red = picture[200, 200:312].mean(0)
    assert green > max(blue, red) + 10


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--at", "0", "--out", "a.png"], "--at"),
        (["--columns", "0", "--out", "a.png"], "--columns"),
        (["--out", "a.gif"], "--out"),
    ],
)
def test_bad_arguments_exit_with_2(
    arguments: list[str],
    word: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["picture", "benign/rural_worn", *arguments]) == 2
    assert word in capsys.readouterr().err


def test_pictures_that_nobody_took_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["picture", "benign/local_narrow_straight", "--at", "0.05", "--out", str(tmp_path / "a.png")]
    assert main([*words, "--set", "assistant=ground_truth"]) == 2
    assert "--camera model: assistant ground_truth does not look through it" in capsys.readouterr().err


def test_picture_of_an_attack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "attack.png"
    words = ["picture", "control/random_dirt_highway", "--attack", "--at", "0.3", "--out", str(out)]
    assert main([*words, "--set", "duration_s=1.5"]) == 0
    picture = cv2.imread(str(out)).astype(float)
    assert picture.shape == (256 + 240, 1024, 3)
    clean, attacked = picture[100:256, :512], picture[100:256, 512:]
    assert abs(clean - attacked).mean() > 1.0
    # from above, the patch begins 7 m after time zero, which is 1.5 m ahead of the car: see the greys change there
    below = picture[256 + 120 - 40 : 256 + 120 + 40].mean((0, 2))
    assert below.std() > 1.0
    assert main([*words, "--set", "duration_s=1.5", "--set", "attack=null"]) == 2
    assert "--attack" in capsys.readouterr().err
    assert main([*words[:4], "5", *words[5:], "--set", "duration_s=1.5"]) == 2
    assert "--at" in capsys.readouterr().err
