"""Recorded drives as scenarios: found, checked, driven, refused in words."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from scenarios.cli import main
from scenarios.files import check, load, locate, to_yaml
from scenarios.runner import run, scenario_hash
from scenarios.schema import Scenario
from simulator.camera import Camera
from simulator.synthesis import project_ground
from simulator.world import InvalidInput

CAMERA = Camera("small", 256, 128, 455.0, 455.0, 128.0, 24.0)

SCENARIO = """\
schema_version: 1
duration_s: 0.5
world:
  type: replay
  source:
    type: footage
    path: drive/road.png
    camera: {focal_px: 455.0, centre_px: [128.0, 24.0]}
  lane: {left_m: 2.0, right_m: -1.6}
ego: {speed_mps: 20.0}
assistant: ground_truth
criteria:
  - {metric: lane_departure, max: 0}
"""


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """A grey road with a white line at each border of the lane, under ``data/drive``."""
    picture = np.full((CAMERA.height, CAMERA.width, 3), 100, np.uint8)
    far = torch.linspace(3.0, 300.0, 600, dtype=torch.float64)
    for d in (2.0, -1.6):
        u, v = project_ground(CAMERA, far, torch.full_like(far, d))
        points = torch.stack([u, v], -1).sub(0.5).mul(16).round().int().numpy()
        cv2.polylines(picture, [points], False, (230, 230, 230), 2, cv2.LINE_AA, shift=4)
    (tmp_path / "data/drive").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "data/drive/road.png"), picture)
    return tmp_path / "data"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "drive.yaml").write_text(SCENARIO)
    return tmp_path / "drive.yaml"


def loaded(file: Path, data_folder: Path, *changes: str) -> Scenario:
    return load(file, changes, [data_folder])


def test_it_drives_along_the_middle_of_the_recorded_lane(file: Path, data_folder: Path) -> None:
    (outcome,) = run([loaded(file, data_folder)])
    assert outcome.met
    recording = outcome.recording
    assert recording["truth/offset_m"][0] == pytest.approx(-0.2, abs=1e-6)
    assert recording["state/speed_mps"] == pytest.approx(np.full(11, 20.0))
    assert outcome.metrics["distance_driven"].value == pytest.approx(10.0, abs=0.01)
    assert recording["road/marks_m"][:, 0].tolist() == pytest.approx([1.8, -1.8])
    assert recording["truth/lane_left_m"][0] == pytest.approx(1.8)


def test_a_batch_drives_on_the_recorded_road(file: Path, data_folder: Path, tmp_path: Path) -> None:
    scenario = loaded(file, data_folder)
    assert Scenario.model_validate(scenario.model_dump(mode="json")) == scenario
    suite = tmp_path / "suite.yaml"
    suite.write_text(f"schema_version: 1\nname: recorded\nscenarios: [{file}]\n")
    assert main(["batch", str(suite), "--out", str(tmp_path / "out"), "--maps", str(data_folder)]) == 0


def test_dirt_lies_on_the_recorded_road(file: Path, data_folder: Path) -> None:
    changes = ("assistant=lane_keeping", "duration_s=0.1", "world.beyond_trust=stop")
    dirty = "attack={type: random_dirt, warm_up_s: 0.0, road_brightness: 0.39}"
    (clean,), (attacked,) = (run([loaded(file, data_folder, *changes, *more)]) for more in ((), (dirty,)))
    before, after = (outcome.recording.images["frames/model"][0].astype(int) for outcome in (clean, attacked))
    changed = np.abs(after - before).max(axis=2) > 8
    # far up there is no patch, below it lies across the lane
    assert not changed[:55].any()
    assert changed[90:200, 150:360].mean() > 0.1
    assert attacked.recording["patch/place_m"][0] == pytest.approx(8.5)


def test_a_patch_is_optimised_on_the_recorded_road(file: Path, data_folder: Path) -> None:
    attack = {
        "type": "dirty_road",
        "warm_up_s": 0.1,
        "length_m": 20.0,
        "cell_m": 0.4,
        "road_brightness": 0.39,
        "coupling": "fixed_point",
        "iterations": 2,
        "frames": 2,
        "variations": 0,
    }
    changes = ("assistant=lane_keeping", "duration_s=0.2", "world.beyond_trust=stop", f"attack={attack}")
    (outcome,) = run([loaded(file, data_folder, *changes)])
    recording = outcome.recording
    assert recording["patch/place_m"][:2].tolist() == pytest.approx([10.5, 0.0])
    assert len(recording["attack/loss"]) == 2
    assert np.isfinite(recording["attack/loss"]).all()
    # the paint of the road's marks is the brightest that a cell may be
    assert 0.0 < recording["patch/brightness"].max() <= 0.9 - 0.39 + 1e-4
    assert outcome.metrics["deviation_from_benign"].valid
    assert outcome.metrics["attack_success"].value == 0.0  # in a tenth of a second


@pytest.mark.slow
@pytest.mark.parametrize("assistant", ["lane_keeping", "twinlitenet"])
def test_the_published_scenario_is_attacked(assistant: str, data: Path) -> None:
    """Few iterations, for half a second: that drivers of either kind can be attacked, not how well."""
    (path,) = locate("replay/drp_sc1_dirty_road")
    weights = f", weights: {data / 'twinlitenet/best.pth'}, input_height: 192"
    chosen = f"{{type: {assistant}{weights if assistant == 'twinlitenet' else ''}}}"
    few = ("attack.iterations=4", "attack.frames=8", "attack.variations=0", "duration_s=1.0")
    (outcome,) = run([load(path, [f"assistant={chosen}", *few], [data])])
    loss = outcome.recording["attack/loss"]
    assert loss[-1] < loss[0]
    assert outcome.metrics["deviation_from_benign"].value > 0.0


def test_where_no_lane_is_known_no_departure_is_claimed(file: Path, data_folder: Path) -> None:
    (outcome,) = run([loaded(file, data_folder, "world.lane=null", "criteria=[]")])
    assert not outcome.metrics["lane_departure"].valid
    assert not outcome.metrics["time_to_lane_departure"].valid
    assert outcome.metrics["lateral_offset_max"].value < 0.05


def test_what_is_not_trusted_is_refused_or_ends_the_run(file: Path, data_folder: Path) -> None:
    beside = ("ego.offset_m=0.5", "world.trust.lateral_m=0.4")
    with pytest.raises(InvalidInput, match=r"0\.50 m beside .* set world\.beyond_trust: stop"):
        run([loaded(file, data_folder, *beside)])
    turned = ("ego.heading_rad=0.05", "world.trust.lateral_m=0.1", "world.beyond_trust=stop")
    (outcome,) = run([loaded(file, data_folder, *turned)])
    assert 0 < outcome.recording.duration_s < 0.3


def test_a_run_depends_on_what_was_recorded_not_on_where_it_lies(
    file: Path, data_folder: Path, tmp_path: Path
) -> None:
    here = loaded(file, data_folder)
    there = loaded(file, Path(shutil.copytree(data_folder, tmp_path / "elsewhere")))
    assert here.world != there.world
    assert scenario_hash(here) == scenario_hash(there)
    (data_folder / "drive/road.png").write_bytes(b"another")
    assert scenario_hash(here) != scenario_hash(there)


def test_a_resolved_scenario_can_be_run_again(file: Path, data_folder: Path, tmp_path: Path) -> None:
    scenario = loaded(file, data_folder)
    (tmp_path / "resolved.yaml").write_text(to_yaml(scenario))
    assert load(tmp_path / "resolved.yaml") == scenario


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "road={type: segments, segments: [{type: line, length_m: 9}]}",
            "road: world 'replay' shows a recorded",
        ),
        ("weather=WetNoon", "weather: world 'replay' shows a recorded place"),
        ("camera={height_m: 1.3}", "camera: world 'replay' shows a recorded place"),
        ("cars=[{gap_m: 9, speed_mps: 3}]", "cars: world 'replay' shows a recorded place"),
        ("world.source.path=drive/none.png", "drive.yaml:7: world.source.path: there is no 'drive/none.png'"),
        ("ego={offset_m: 0.1}", "ego.speed_mps: this field is missing"),
        ("world.source={type: comma2k19, path: drive}", "ego.speed_mps: the speed is recorded"),
        (
            "duration_s=6.0",
            "duration_s: 6 s take 120.0 m, but of the recorded road 100.0 m are to be trusted",
        ),
        ("world.start_time_s=1.0", "start_time_s: 1 is not within the 0 s"),
        ("world=replay", "world.source: this field is missing"),
        ("world.lane={left_m: 0.0, right_m: 0.0}", "world.lane: it is 0 m wide, but must be 1.8 to 8 m wide"),
        ("world.source.camera.focal_px=wide", "world.source.camera.focal_px"),
        ("world=embedded", "road: this field is missing"),
    ],
)
def test_bad_replays_exit_two(
    file: Path, data_folder: Path, capsys: pytest.CaptureFixture[str], change: str, expected: str
) -> None:
    assert main(["validate", str(file), "--data", str(data_folder), "--set", change]) == 2
    message = capsys.readouterr().err
    assert expected in message
    assert "Traceback" not in message


def test_a_raw_stream_must_say_its_rate(
    file: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = data_folder / "drive/road.mjpeg"
    writer = cv2.VideoWriter(str(stream), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 20.0, (256, 128))
    writer.write(np.zeros((128, 256, 3), np.uint8))
    writer.release()
    change = "world.source.path=drive/road.mjpeg"
    assert main(["validate", str(file), "--data", str(data_folder), "--set", change]) == 2
    assert "road.mjpeg: a raw stream does not say" in capsys.readouterr().err


def test_a_car_may_be_as_slow_as_it_likes(file: Path, data_folder: Path) -> None:
    (outcome,) = run([loaded(file, data_folder, "ego.speed_mps=1e-7", "duration_s=0.1")])
    assert outcome.recording["truth/s_m"] == pytest.approx(0.0, abs=1e-6)


def test_an_rlog_may_bring_the_motion(file: Path, data_folder: Path) -> None:
    pytest.importorskip("openpilot_logging", reason="the extra 'openpilot' is not installed")
    pytest.importorskip("zstandard")
    (outcome,) = run([loaded(file, data_folder)])
    place = outcome.recording
    log = data_folder / "rlog.zst"
    assert main(["rlog", str(save(place, data_folder)), "--out", str(log)]) == 0
    camera = "camera: {focal_px: 455.0, centre_px: [128.0, 24.0]}"
    source = f"{{type: rlog, path: rlog.zst, footage: drive/road.png, {camera}}}"
    again = loaded(file, data_folder, f"world.source={source}", "ego={}", "duration_s=0.4")
    (second,) = run([again])
    assert second.recording["state/speed_mps"] == pytest.approx(np.full(9, 20.0))
    # what was driven is the trace now, and the lane is given relative to it
    assert second.recording["truth/offset_m"][0] == pytest.approx(-0.2, abs=1e-6)
    assert main(["rlog", str(log), "--out", str(data_folder / "back.zip")]) == 0
    assert (data_folder / "back.zip").read_bytes() == place.to_bytes()
    assert main(["rlog", str(log), "--out", str(data_folder / "drive")]) == 2
    (data_folder / "folder.zip").mkdir()
    assert main(["rlog", str(log), "--out", str(data_folder / "folder.zip")]) == 2


def save(recording: object, folder: Path) -> Path:
    recording.save(folder / "recording.zip")  # type: ignore[attr-defined]
    return folder


def test_plain_data_needs_a_place() -> None:
    road = {"type": "opendrive", "path": "x", "road": 1, "lane": 1}
    with pytest.raises(InvalidInput, match="road: this field is missing"):
        check({"schema_version": 1, "duration_s": 1.0, "ego": {"speed_mps": 1.0}}, "data")
    with pytest.raises(InvalidInput, match="ego: this field is missing"):
        check({"schema_version": 1, "duration_s": 1.0, "road": road}, "data")
