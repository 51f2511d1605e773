"""Looking at runs: files that Rerun accepts, films, and plain words where there is nothing to see."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cv2
import pytest
import yaml

from scenarios.cli import main
from scenarios.files import check
from scenarios.reports import viewing
from scenarios.runner import run
from scenarios.store import Store

ATTACKED = {
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
}
ENTITIES = (
    *("camera/image", "camera/patch", "world/patch", "world/clean_car"),
    *("plots/offset/driven", "plots/offset/clean"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short attacked drive with pictures."""
    return Path(run([check(ATTACKED, "test")])[0].save(Store(tmp_path_factory.mktemp("runs"))))


def rrd(verb: str, *arguments: object) -> bytes:
    """What Rerun says of files."""
    command = [*viewing.RERUN, "rrd", verb, *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_file_for_rerun_is_one(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    file = tmp_path / "run.rrd"
    assert main(["view", str(folder), "--save", str(file)]) == 0
    rrd("verify", file)
    shown = rrd("print", file)
    for entity in ENTITIES:
        assert entity.encode() in shown


def test_a_live_drive_shows_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of a window, Rerun writes what it is sent into a file, and is ended before it has put a footer to it."""
    pytest.importorskip("rerun")
    file, scenario = tmp_path / "live.rrd", tmp_path / "attacked.yaml"
    scenario.write_text(yaml.safe_dump(ATTACKED))
    monkeypatch.setattr(viewing, "BROWSER", ("--save", str(file)))
    monkeypatch.setattr(viewing, "_stay", lambda process: None)
    assert main(["run", str(scenario), "--out", str(tmp_path / "runs"), "--view", "--web"]) == 0
    whole = tmp_path / "whole.rrd"
    rrd("merge", file, "-o", whole)
    rrd("verify", whole)
    shown = rrd("print", whole)
    for entity in ENTITIES:
        assert entity.encode() in shown


def test_a_viewer_that_does_not_start_exits_three(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rerun")
    monkeypatch.setattr(viewing, "BROWSER", ("--no-such-option",))
    assert main(["view", str(folder), "--web"]) == 3
    assert "--save" in capsys.readouterr().err


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
