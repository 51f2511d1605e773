"""Looking at runs: files that Rerun accepts, films, and plain words where there is nothing to see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from scenarios.cli import main
from scenarios.files import check
from scenarios.runner import run
from scenarios.store import Store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short attacked drive with pictures."""
    scenario = check(
        {
            "schema_version": 1,
            "name": "attacked",
            "duration_s": 0.5,
            "road": {"type": "segments", "segments": [{"type": "line", "length_m": 60.0}]},
            "ego": {"speed_mps": 10.0},
            "assistant": "ground_truth",
            "attack": {
                "type": "random_dirt",
                "length_m": 10.0,
                "width_m": 3.0,
                "warm_up_s": 0.0,
                "appears": "from_start",
            },
            "record": {"wide_frames": True},
        },
        "test",
    )
    return Path(run([scenario])[0].save(Store(tmp_path_factory.mktemp("runs"))))


def test_a_file_for_rerun_is_one(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    file = tmp_path / "run.rrd"
    assert main(["view", str(folder), "--save", str(file)]) == 0
    command = [sys.executable, "-m", "rerun", "rrd"]
    done = subprocess.run([*command, "verify", str(file)], check=False, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    shown = subprocess.run(
        [*command, "print", str(file)], check=True, capture_output=True, timeout=120
    ).stdout
    for entity in ("camera/image", "camera/patch", "world/patch", "world/clean_car", "plots/offset/driven"):
        assert entity.encode() in shown


def test_the_same_drive_gives_a_film(folder: Path, tmp_path: Path) -> None:
    assert main(["view", str(folder), "--mp4", str(tmp_path / "film.mp4")]) == 0
    film = cv2.VideoCapture(str(tmp_path / "film.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 10
    assert film.read()[1].shape == (720, 1280, 3)


def test_what_cannot_be_seen_exits_two(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", str(tmp_path), "--mp4", str(tmp_path / "film.mp4")]) == 2
    assert "there is no such recording" in capsys.readouterr().err
    assert main(["view", str(folder), "--mp4", str(tmp_path / "nowhere" / "film.mp4")]) == 2
    assert "is its folder there" in capsys.readouterr().err
