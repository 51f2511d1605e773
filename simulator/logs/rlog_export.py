"""Writer of openpilot logs: a recording as the events that openpilot's own tools show, and whole besides.

Every instant has the events of one camera frame: ``roadCameraState``, ``carState``, ``carControl``, ``controlsState``,
``selfdriveState``, ``modelV2``, ``livePose``, and a thumbnail where the run recorded pictures. What a recording has
no channel for is left at openpilot's defaults.

Convention: openpilot's device frame has y to the right and z down, the road ``height`` below the camera. Curvatures are
positive to the right there, steering angles positive to the left; angles of the steering wheel are in degrees.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.camera import CAMERAS
from simulator.logs.rlog import EXACT, MAGIC, THUMBNAIL_IDS, schema
from simulator.recording import Channel, Recording
from simulator.world import CAMERA_PERIOD_S, InvalidInput

START_NS = 1_000_000_000
"""Time zero of a run on the clock of its log."""

PIECE_BYTES = 8 << 20
COMPRESSION_LEVEL = 10
CALIBRATION_FRAMES = 5
"""A calibration is written with every so many frames, as openpilot does at 4 Hz."""

PLAN_TIMES_S = 10.0 * (np.arange(33) / 32) ** 2
"""openpilot's T_IDXS, at which its model gives the path."""

NEEDED = (
    "state/speed_mps",
    "state/yaw_rad",
    "state/steering_rad",
    "state/yaw_rate_radps",
    "state/acceleration_mps2",
)

Row = Mapping[str, NDArray[Any]]


def write_rlog(recording: Recording, path: str | Path) -> None:
    """Write a recording as an openpilot log, compressed with zstandard.

    ``simulator.logs.rlog.read_recording`` gives back the same recording, bit for bit.

    Args:
        recording: of one run.
        path: ends in ``.zst``, by which openpilot's tools know how it is compressed.

    Raises:
        InvalidInput: the recording has no states, or the path cannot be written.
        MissingExtra: the package with openpilot's message definitions is not installed.
    """
    path = Path(path)
    if path.suffix != ".zst":
        raise InvalidInput(f"{path}: give a name that ends in .zst, such as rlog.zst")
    missing = [name for name in NEEDED if name not in recording]
    if missing:
        raise InvalidInput(f"the recording has no channel {missing[0]}; it is not of a drive")
    messages = b"".join(event.to_bytes() for event in events_of(recording))
    import zstandard

    try:
        path.write_bytes(zstandard.compress(messages, COMPRESSION_LEVEL))
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be written ({error.strerror})") from error


def events_of(recording: Recording) -> Iterator[Any]:
    """The messages of a log, first to last."""
    shown = next(
        (name for name in ("frames/wide", *sorted(recording.images)) if name in recording.images), None
    )
    pictures = (
        {}
        if shown is None
        else dict(zip(recording.images[shown].time_s.tolist(), recording.images[shown].jpegs, strict=True))
    )
    times = recording.channels["state/speed_mps"].time_s
    assert times is not None
    rows = _rows(recording)
    yield from _prologue(recording, shown, times)
    for frame, time_s in enumerate(times.tolist()):
        stamp, row = _stamp(time_s), rows[time_s]
        yield _camera_state(stamp, frame)
        if frame % CALIBRATION_FRAMES == 0:
            yield _calibration(stamp)
        yield _car_state(stamp, row)
        yield _pose(stamp, row)
        if "perception/path_y_m" in row:
            yield _model(stamp, frame, row, recording["perception/distances_m"])
        if "command/steering_rad" in row:
            yield _car_control(stamp, row)
            yield _controls_state(stamp, row)
            yield _selfdrive_state(stamp)
        if time_s in pictures:
            event = _event("thumbnail", stamp)
            event.thumbnail.frameId, event.thumbnail.timestampEof = frame, stamp
            event.thumbnail.thumbnail, event.thumbnail.encoding = pictures[time_s], "jpeg"
            yield event
    yield _sentinel(_stamp(float(times[-1])), "endOfRoute")


def _stamp(time_s: float) -> int:
    return START_NS + round(1e9 * time_s)


def _event(kind: str, stamp_ns: int) -> Any:
    event = schema().Event.new_message(logMonoTime=stamp_ns, valid=True)
    event.init(kind)
    return event


def _rows(recording: Recording) -> dict[float, dict[str, NDArray[Any]]]:
    """What every instant has, by its time and the name of the channel."""
    rows: dict[float, dict[str, NDArray[Any]]] = {}
    for name, channel in recording.channels.items():
        if channel.time_s is not None:
            for time_s, value in zip(channel.time_s.tolist(), channel.values, strict=True):
                rows.setdefault(time_s, {})[name] = value
    return rows


def _prologue(recording: Recording, shown: str | None, times: NDArray[np.float64]) -> Iterator[Any]:
    """What a log begins with: device, car, and the whole recording but for the pictures that become thumbnails."""
    first = _event("initData", START_NS)
    first.initData.deviceType, first.initData.version = "pc", "dirtyroad"
    yield first
    yield _sentinel(START_NS, "startOfRoute")
    car, facts = _event("carParams", START_NS), recording.meta
    car.carParams.carFingerprint = str(facts.get("vehicle", ""))
    car.carParams.wheelbase = float(facts.get("wheelbase_m", 0.0))
    car.carParams.steerRatio = float(facts.get("steering_ratio", 0.0))
    car.carParams.steerControlType = "angle"
    yield car
    whole = recording
    if shown is not None:
        images = dict(recording.images)
        clock = images.pop(shown).time_s
        ids = Channel(np.searchsorted(times, clock).astype(np.int64), "1", clock)
        channels = {**recording.channels, THUMBNAIL_IDS: ids}
        whole = replace(recording, channels=channels, images=images, meta={**facts, THUMBNAIL_IDS: shown})
    data = MAGIC + whole.to_bytes()
    for begin in range(0, len(data), PIECE_BYTES):
        yield schema().Event.new_message(logMonoTime=START_NS, **{EXACT: data[begin : begin + PIECE_BYTES]})


def _sentinel(stamp_ns: int, kind: str) -> Any:
    event = _event("sentinel", stamp_ns)
    event.sentinel.type = kind
    return event


def _camera_state(stamp_ns: int, frame: int) -> Any:
    event = _event("roadCameraState", stamp_ns)
    state = event.roadCameraState
    state.frameId, state.frameIdSensor = frame, frame
    state.timestampSof = stamp_ns - round(1e9 * CAMERA_PERIOD_S / 2)
    state.timestampEof = stamp_ns
    return event


def _calibration(stamp_ns: int) -> Any:
    """The model camera's mount. Its pitch and yaw have openpilot's signs: positive looks down, and left."""
    event, mount = _event("liveCalibration", stamp_ns), CAMERAS["model"].mount
    calibration = event.liveCalibration
    calibration.calStatus, calibration.calPerc, calibration.validBlocks = "calibrated", 100, 50
    calibration.rpyCalib = [mount.roll_rad, mount.pitch_rad, mount.yaw_rad]
    calibration.rpyCalibSpread, calibration.height = [0.0, 0.0, 0.0], [mount.z_m]
    # from the road's axes (forward, left, up) to those of a view (right, down, forward)
    calibration.extrinsicMatrix = [0.0, -1.0, 0.0, 0.0, 0.0, 0.0, -1.0, mount.z_m, 1.0, 0.0, 0.0, 0.0]
    return event


def _car_state(stamp_ns: int, row: Row) -> Any:
    event = _event("carState", stamp_ns)
    state, speed = event.carState, float(row["state/speed_mps"])
    state.vEgo = state.vEgoRaw = state.vEgoCluster = speed
    state.aEgo, state.standstill = float(row["state/acceleration_mps2"]), speed < 0.01
    state.steeringAngleDeg = math.degrees(float(row["state/steering_rad"]))
    state.yawRate, state.canValid = float(row["state/yaw_rate_radps"]), True
    state.gearShifter = "drive"
    state.cruiseState.enabled = state.cruiseState.available = True
    return event


def _pose(stamp_ns: int, row: Row) -> Any:
    event = _event("livePose", stamp_ns)
    pose, lateral = event.livePose, float(row.get("state/lateral_speed_mps", np.zeros(())))
    for part, (x, y, z) in (
        # north, east, down: the car's x axis points north where its yaw is zero
        (pose.orientationNED, (0.0, 0.0, -float(row["state/yaw_rad"]))),
        (pose.velocityDevice, (float(row["state/speed_mps"]), -lateral, 0.0)),
        (pose.accelerationDevice, (float(row["state/acceleration_mps2"]), 0.0, 0.0)),
        (pose.angularVelocityDevice, (0.0, 0.0, -float(row["state/yaw_rate_radps"]))),
    ):
        part.x, part.y, part.z, part.valid = x, y, z, True
    pose.inputsOK = pose.posenetOK = pose.sensorsOK = True
    return event


def _model(stamp_ns: int, frame: int, row: Row, distances_m: NDArray[np.float64]) -> Any:
    event, down = _event("modelV2", stamp_ns), CAMERAS["model"].mount.z_m
    model, speed = event.modelV2, float(row["state/speed_mps"])
    model.frameId, model.frameIdExtra, model.timestampEof = frame, frame, stamp_ns
    x = np.clip(speed * PLAN_TIMES_S, 0.0, distances_m[-1])
    y = -np.interp(x, distances_m, row["perception/path_y_m"])
    _fill(model.position, x, y, down, PLAN_TIMES_S)
    model.position.yStd = np.interp(x, distances_m, row["perception/path_std_m"]).tolist()
    yaw = np.arctan2(np.gradient(y), np.maximum(np.gradient(x), 1e-3))
    _fill(model.orientation, 0 * x, 0 * x, yaw, PLAN_TIMES_S)
    _fill(model.orientationRate, 0 * x, 0 * x, np.gradient(yaw, PLAN_TIMES_S), PLAN_TIMES_S)
    _fill(model.velocity, np.full_like(x, speed), 0 * x, 0 * x, PLAN_TIMES_S)
    lines, far = row["perception/lane_y_m"], distances_m
    for line, left in zip(model.init("laneLines", len(lines)), lines, strict=True):
        _fill(line, far, -left, down, 0 * far)
    model.laneLineProbs = row["perception/lane_prob"].tolist()
    model.laneLineStds = row["perception/lane_std_m"][:, 0].tolist()
    (lead,) = model.init("leadsV3", 1)
    lead.prob, lead.t = float(row["perception/lead_prob"]), [0.0]
    lead.x, lead.xStd = [float(row["perception/lead_distance_m"])], [float(row["perception/lead_std_m"])]
    motion = row["perception/pose"] * np.array([1, -1, -1, 1, -1, -1])
    model.temporalPose.trans, model.temporalPose.rot = motion[:3].tolist(), motion[3:].tolist()
    model.action.desiredCurvature = -float(row["decision/desired_curvature_per_m"])
    return event


def _fill(target: Any, x: NDArray[Any], y: NDArray[Any], z: NDArray[Any] | float, t: NDArray[Any]) -> None:
    target.x, target.y, target.t = x.tolist(), y.tolist(), t.tolist()
    target.z = np.broadcast_to(z, x.shape).tolist()


def _car_control(stamp_ns: int, row: Row) -> Any:
    event = _event("carControl", stamp_ns)
    control = event.carControl
    control.enabled = control.latActive = control.longActive = True
    actuators = control.actuators
    actuators.steeringAngleDeg = math.degrees(float(row["command/steering_rad"]))
    actuators.accel = float(row["command/acceleration_mps2"])
    actuators.curvature = -float(row["decision/desired_curvature_per_m"])
    return event


def _controls_state(stamp_ns: int, row: Row) -> Any:
    event = _event("controlsState", stamp_ns)
    controls, speed = event.controlsState, max(float(row["state/speed_mps"]), 0.1)
    controls.curvature = -float(row["state/yaw_rate_radps"]) / speed
    controls.desiredCurvature = -float(row["decision/desired_curvature_per_m"])
    lateral = controls.lateralControlState.init("angleState")
    lateral.active, lateral.saturated = True, bool(row["decision/saturated"])
    lateral.steeringAngleDeg = math.degrees(float(row["state/steering_rad"]))
    lateral.steeringAngleDesiredDeg = math.degrees(float(row["command/steering_rad"]))
    return event


def _selfdrive_state(stamp_ns: int) -> Any:
    event = _event("selfdriveState", stamp_ns)
    event.selfdriveState.enabled = event.selfdriveState.active = event.selfdriveState.engageable = True
    event.selfdriveState.state = "enabled"
    return event
