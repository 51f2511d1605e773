"""Recordings become openpilot logs and come back; real logs become drives."""

from __future__ import annotations

import bz2
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from simulator.camera import Camera
from simulator.logs.rlog import read_drive, read_events, read_recording, schema
from simulator.logs.rlog_export import write_rlog
from simulator.recording import Channel, ImageChannel, Recording
from simulator.world import InvalidInput

pytest.importorskip("openpilot_logging", reason="the extra 'openpilot' is not installed")
zstandard = pytest.importorskip("zstandard")

STATES = {
    "x_m": "m",
    "y_m": "m",
    "yaw_rad": "rad",
    "speed_mps": "m/s",
    "acceleration_mps2": "m/s^2",
    "steering_rad": "rad",
    "yaw_rate_radps": "rad/s",
    "lateral_speed_mps": "m/s",
}
DISTANCES = 192.0 * (np.arange(33) / 32) ** 2


@pytest.fixture
def recording(rng: np.random.Generator) -> Recording:
    """A run of ten frames with every channel that the export knows, and one that it does not."""
    clock = 0.05 * np.arange(11)
    looked = clock[:-1]

    def seen(*shape: int) -> np.ndarray:
        return rng.standard_normal((10, *shape)).astype(np.float32)

    values = {f"state/{name}": Channel(rng.standard_normal(11), unit, clock) for name, unit in STATES.items()}
    values["state/speed_mps"] = Channel(10 + rng.random(11), "m/s", clock)
    values |= {
        "command/steering_rad": Channel(rng.standard_normal(10), "rad", looked),
        "command/acceleration_mps2": Channel(rng.standard_normal(10), "m/s^2", looked),
        "decision/desired_curvature_per_m": Channel(0.01 * rng.standard_normal(10), "1/m", looked),
        "decision/saturated": Channel(rng.random(10) > 0.5, "bool", looked),
        "perception/path_y_m": Channel(np.tile(0.1 * DISTANCES, (10, 1)).astype(np.float32), "m", looked),
        "perception/path_std_m": Channel(np.abs(seen(33)), "m", looked),
        "perception/lane_y_m": Channel(seen(4, 33), "m", looked),
        "perception/lane_std_m": Channel(np.abs(seen(4, 33)), "m", looked),
        "perception/lane_prob": Channel(rng.random((10, 4)).astype(np.float32), "1", looked),
        "perception/lead_distance_m": Channel(np.abs(seen()), "m", looked),
        "perception/lead_std_m": Channel(np.abs(seen()), "m", looked),
        "perception/lead_prob": Channel(np.abs(seen()), "1", looked),
        "perception/pose": Channel(seen(6), "m/s, rad/s", looked),
        "perception/distances_m": Channel(DISTANCES, "m"),
        "patch/brightness": Channel(rng.standard_normal((5, 3)).astype(np.float32), "1"),
    }
    jpegs = tuple(
        cv2.imencode(".jpg", rng.integers(0, 255, (16, 32, 3), np.uint8))[1].tobytes() for _ in range(10)
    )
    images = {"frames/model": ImageChannel(jpegs, looked), "frames/wide": ImageChannel(jpegs[::-1], looked)}
    meta = {"scenario": "a", "wheelbase_m": 2.65, "steering_ratio": 16.88, "vehicle": "openpilot_0_6"}
    return Recording(values, images, meta)


@pytest.fixture
def log(recording: Recording, tmp_path: Path) -> Path:
    write_rlog(recording, tmp_path / "rlog.zst")
    return tmp_path / "rlog.zst"


def test_a_recording_comes_back_bit_for_bit(recording: Recording, log: Path) -> None:
    assert read_recording(log).to_bytes() == recording.to_bytes()


def test_a_recording_without_pictures_comes_back(recording: Recording, tmp_path: Path) -> None:
    bare = Recording(recording.channels, {}, recording.meta)
    write_rlog(bare, tmp_path / "rlog.zst")
    assert read_recording(tmp_path / "rlog.zst").to_bytes() == bare.to_bytes()


def test_openpilots_own_reader_opens_it(recording: Recording, log: Path) -> None:
    """The figures of the standard events, in openpilot's frames and signs."""
    logreader = pytest.importorskip("openpilot_logging.logreader")
    events = list(logreader.LogReader(str(log)))
    kinds = {event.which() for event in events}
    assert {"initData", "carParams", "carState", "modelV2", "liveCalibration", "thumbnail"} <= kinds
    cars = [event.carState for event in events if event.which() == "carState"]
    assert [car.vEgo for car in cars] == pytest.approx(recording["state/speed_mps"].tolist(), rel=1e-6)
    assert math.radians(cars[3].steeringAngleDeg) == pytest.approx(
        recording["state/steering_rad"][3], rel=1e-6
    )
    model = next(event.modelV2 for event in events if event.which() == "modelV2")
    speed = recording["state/speed_mps"][0]
    assert list(model.position.t) == pytest.approx((10 * (np.arange(33) / 32) ** 2).tolist())
    assert list(model.position.x)[:9] == pytest.approx(
        [speed * t for t in list(model.position.t)[:9]], rel=1e-5
    )
    # a path that leads to the left has negative y, and turns to negative yaw
    assert list(model.position.y) == pytest.approx([-0.1 * x for x in model.position.x], abs=1e-4)
    assert model.orientation.z[5] == pytest.approx(-math.atan(0.1), abs=1e-3)
    assert list(model.laneLines[1].y) == pytest.approx((-recording["perception/lane_y_m"][0, 1]).tolist())
    assert list(model.laneLineProbs) == pytest.approx(recording["perception/lane_prob"][0].tolist())
    control = next(event.carControl for event in events if event.which() == "carControl")
    wanted = recording["decision/desired_curvature_per_m"][0]
    assert control.actuators.curvature == pytest.approx(-wanted, rel=1e-6)
    assert model.action.desiredCurvature == pytest.approx(-wanted, rel=1e-6)
    stamps = [event.logMonoTime for event in events]
    assert stamps == sorted(stamps)
    thumbnails = [event.thumbnail for event in events if event.which() == "thumbnail"]
    assert bytes(thumbnails[2].thumbnail) == recording.images["frames/wide"].jpegs[2]


def test_a_run_can_be_replayed_by_its_log(recording: Recording, log: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "first.png"), np.zeros((48, 64, 3), np.uint8))
    camera = Camera("small", 64, 48, 50.0, 50.0, 32.0, 24.0)
    drive = read_drive(log, tmp_path / "first.png", lambda footage: camera)
    assert drive.camera == camera
    assert np.array_equal(drive.motion.speed_mps, recording["state/speed_mps"])
    assert (drive.motion.x_m[0], drive.motion.yaw_rad[0]) == (0.0, 0.0)
    with pytest.raises(InvalidInput, match=r"device 'pc' .* give source\.camera"):
        read_drive(log, tmp_path / "first.png")


def real_log(path: Path, *, pose: bool) -> None:
    """What a device logs on a circle to the left: 20 m/s, 0.2 rad/s; car states at 100 Hz, frames at 20 Hz."""
    messages: list[Any] = [schema().Event.new_message(logMonoTime=0)]
    messages[0].init("initData").deviceType = "neo"
    for step in range(200):
        event = schema().Event.new_message(logMonoTime=10**9 + step * 10**7)
        event.init("carState")
        event.carState.vEgo, event.carState.steeringAngleDeg = 20.0, 26.0
        event.carState.yawRate = 0.0 if pose else 0.2
        messages.append(event)
        if step % 5 == 0:
            event = schema().Event.new_message(logMonoTime=10**9 + step * 10**7)
            event.init("roadCameraState").timestampEof = 10**9 + step * 10**7
            messages.append(event)
            event = schema().Event.new_message(logMonoTime=10**9 + step * 10**7)
            event.init("liveCalibration").rpyCalib = [0.0, 0.06, -0.01]
            messages.append(event)
            if pose:
                event = schema().Event.new_message(logMonoTime=10**9 + step * 10**7)
                event.init("livePose").angularVelocityDevice.z = -0.2
                messages.append(event)
    path.write_bytes(bz2.compress(b"".join(message.to_bytes() for message in messages)))


@pytest.mark.parametrize("pose", [True, False], ids=["pose", "car only"])
def test_a_real_log_is_a_drive(tmp_path: Path, pose: bool) -> None:
    real_log(tmp_path / "rlog.bz2", pose=pose)
    cv2.imwrite(str(tmp_path / "first.png"), np.zeros((874, 1164, 3), np.uint8))
    drive = read_drive(tmp_path / "rlog.bz2", tmp_path / "first.png")
    motion = drive.motion
    assert len(motion) == 40
    assert np.allclose(np.diff(motion.time_s), 0.05)
    assert np.allclose(motion.yaw_rad, 0.2 * motion.time_s, atol=1e-6)
    assert np.allclose(motion.x_m, 100 * np.sin(motion.yaw_rad), atol=1e-3)
    assert np.allclose(motion.y_m, 100 * (1 - np.cos(motion.yaw_rad)), atol=1e-3)
    assert np.allclose(motion.steering_rad, math.radians(26.0))
    assert drive.camera.mount.pitch_rad == pytest.approx(0.06)
    assert drive.camera.mount.yaw_rad == pytest.approx(-0.01)
    with pytest.raises(InvalidInput, match="was not written by dirtyroad"):
        read_recording(tmp_path / "rlog.bz2")


def test_a_log_without_frames_or_with_nonsense_is_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "first.png"), np.zeros((874, 1164, 3), np.uint8))
    real_log(tmp_path / "rlog.bz2", pose=False)
    messages = []
    for event in read_events(tmp_path / "rlog.bz2"):
        builder = event.as_builder()
        if event.which() == "carState":
            builder.carState.vEgo = math.nan
        messages.append((event.which(), builder.to_bytes()))
    for left_out, message in (
        ("carState", "no carState events"),
        ("roadCameraState", "no roadEncodeIdx"),
        ("liveCalibration", "device 'neo' and 0 calibrations"),
        ("", "motion log: x_m holds numbers that are not finite"),
    ):
        path = tmp_path / f"without {left_out}"
        path.write_bytes(b"".join(message for kind, message in messages if kind != left_out))
        with pytest.raises(InvalidInput, match=f"{path.name}: {message}"):
            read_drive(path, tmp_path / "first.png")


def test_bad_logs_are_invalid_input(recording: Recording, log: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such log"):
        read_events(tmp_path / "none.zst")
    for name, content in {
        "text": b"no log at all, but text",
        "empty": b"",
        "cut": log.read_bytes()[:-900],
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidInput, match="log"):
            read_events(tmp_path / name)
    damaged = zstandard.decompress(log.read_bytes()).replace(b"patch/brightness.npy", b"patch/brightness.npz")
    (tmp_path / "damaged.zst").write_bytes(zstandard.compress(damaged))
    with pytest.raises(InvalidInput, match="damaged"):
        read_recording(tmp_path / "damaged.zst")
    with pytest.raises(InvalidInput, match="ends in"):
        write_rlog(recording, tmp_path / "rlog.txt")
    with pytest.raises(InvalidInput, match="state/speed_mps"):
        write_rlog(Recording({}), tmp_path / "rlog.zst")
