"""Reader of openpilot logs (``rlog``, ``rlog.bz2``, ``rlog.zst``): drives to be replayed, and recordings of ours.

A log is a sequence of cap'n proto messages, compressed as a whole. Those that ``simulator.logs.rlog_export`` writes
carry, besides the standard events, the whole recording in an event that openpilot reserves for others: its numbers
have 64 bits, those of the standard events 32.

Convention: openpilot's device frame has y to the right and z down, so that yaw rates change their sign here.
"""

from __future__ import annotations

import bz2
import io
import math
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.camera import CAMERAS, Camera
from simulator.logs.drive import RecordedDrive
from simulator.logs.footage import Footage
from simulator.logs.motion import MotionLog
from simulator.recording import UNREADABLE, ImageChannel, Recording
from simulator.world import InvalidInput, MissingExtra

Array = NDArray[np.float64]

EXACT = "customReservedRawData0"
"""The event that holds pieces of a whole recording; openpilot's own tools pass over it."""

MAGIC = b"dirtyroad recording\n"

THUMBNAIL_IDS = "rlog/thumbnail_ids"
"""Channel of the whole recording with the frame numbers of the images that are the log's thumbnails."""

DEVICES = {
    "neo": CAMERAS["road"],
    "tici": Camera("tici", 1928, 1208, 2648.0, 2648.0, 964.0, 604.0),
    "tizi": Camera("tizi", 1928, 1208, 2648.0, 2648.0, 964.0, 604.0),
    "mici": Camera("mici", 1344, 760, 1522.0 * 3 / 4, 1522.0 * 3 / 4, 672.0, 380.0),
}
"""Road cameras by ``initData.deviceType`` (openpilot's ``common/transformations/camera.py``)."""

LARGEST_MESSAGE_WORDS = 1 << 27


@cache
def schema() -> Any:
    """openpilot's message definitions.

    Raises:
        MissingExtra: the package that has them is not installed.
    """
    try:
        from openpilot_logging.cereal import log
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"openpilot logs need {error.name}, which is not installed: pip install 'dirtyroad[openpilot]'"
        ) from error
    return log


def read_events(path: str | Path) -> list[Any]:
    """All messages of a log, in their order.

    Raises:
        InvalidInput: it is missing, cut short, or no log.
        MissingExtra: the package that reads logs is not installed.
    """
    definitions = schema()
    import capnp
    import zstandard

    path = Path(path)
    try:
        data = path.read_bytes()
        if data.startswith(b"BZh"):
            data = bz2.decompress(data)
        elif data.startswith(b"\x28\xb5\x2f\xfd"):
            with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)) as stream:
                data = stream.read()
        events = list(
            definitions.Event.read_multiple_bytes(data, traversal_limit_in_words=LARGEST_MESSAGE_WORDS)
        )
    except FileNotFoundError:
        raise InvalidInput(f"{path}: there is no such log") from None
    except (OSError, EOFError, ValueError, zstandard.ZstdError, capnp.KjException) as error:
        raise InvalidInput(f"{path}: this is no readable openpilot log ({_first_line(error)})") from error
    if not events:
        raise InvalidInput(f"{path}: this log is empty")
    return events


def read_recording(path: str | Path) -> Recording:
    """The recording that a log was written from, bit for bit.

    Raises:
        InvalidInput: the log cannot be read, or comes from elsewhere.
    """
    events = read_events(path)
    whole = _exact(events)
    if whole is None:
        raise InvalidInput(
            f"{path}: this log was not written by dirtyroad; it can be replayed (world: replay, source: rlog), but "
            "it is no recording"
        )
    try:
        recording = Recording.from_bytes(whole)
        thumbnails = [m.thumbnail for m in _of(events, "thumbnail")]
        pictures = {int(picture.frameId): bytes(picture.thumbnail) for picture in thumbnails}
        channels = dict(recording.channels)
        shown = channels.pop(THUMBNAIL_IDS, None)
        if shown is None:
            return recording
        meta = dict(recording.meta)
        name = meta.pop(THUMBNAIL_IDS)
        assert shown.time_s is not None
        jpegs = ImageChannel(tuple(pictures[int(index)] for index in shown.values), shown.time_s)
    except (*UNREADABLE, AssertionError) as error:
        raise InvalidInput(f"{path}: the recording in this log is damaged ({_first_line(error)})") from error
    return Recording(channels, {**recording.images, name: jpegs}, meta)


def read_drive(
    path: str | Path, footage: str | Path, camera_of: Callable[[Footage], Camera] | None = None
) -> RecordedDrive:
    """A log and its video as a drive to be replayed.

    Args:
        path: of the log.
        footage: the road camera's video of the same segment, or a picture that is its first frame.
        camera_of: gives the camera that took it; by default the device's own, mounted as the log's calibration says.

    Raises:
        InvalidInput: the log says too little.
    """
    events, seen = read_events(path), Footage(footage)
    whole = _exact(events)
    try:
        camera = _camera(events) if camera_of is None else camera_of(seen)
        motion = _motion_of(events) if whole is None else _recorded_motion(whole)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from error
    return RecordedDrive(seen, camera, motion)


def _of(events: Iterable[Any], *names: str) -> Iterator[Any]:
    """Messages of some kinds; those of a newer openpilot, which have no name here, are passed over."""
    import capnp

    for event in events:
        try:
            if event.which() in names:
                yield event
        except capnp.KjException:
            continue


def _exact(events: list[Any]) -> bytes | None:
    """The whole recording as bytes, where the log has one."""
    pieces = b"".join(bytes(getattr(event, EXACT)) for event in _of(events, EXACT))
    return pieces.removeprefix(MAGIC) if pieces.startswith(MAGIC) else None


def _recorded_motion(whole: bytes) -> MotionLog:
    """How the car of a recording moved, from its own states."""
    names = ("x_m", "y_m", "yaw_rad", "speed_mps", "steering_rad")
    try:
        recording = Recording.from_bytes(whole)
        time_s = recording.channels["state/x_m"].time_s
        states = [recording[f"state/{name}"].astype(np.float64) for name in names]
    except UNREADABLE as error:
        raise InvalidInput(f"the recording in this log is damaged ({_first_line(error)})") from error
    if time_s is None:
        raise InvalidInput("the recording in this log has states without times")
    return MotionLog(time_s, *states).since(0)


def _motion_of(events: list[Any]) -> MotionLog:
    """How a real car moved: its speed and yaw rate, integrated over the frames of its road camera."""
    time_s = _frame_times(events)
    if len(time_s) < 2:
        raise InvalidInput("no roadEncodeIdx or roadCameraState events say when frames were taken")
    car = [
        (1e-9 * m.logMonoTime, m.carState.vEgo, math.radians(m.carState.steeringAngleDeg), m.carState.yawRate)
        for m in _of(events, "carState")
    ]
    if not car:
        raise InvalidInput("no carState events say how fast the car was")
    car_time, speed, steering, car_rate = np.array(car).T
    turning = [
        (1e-9 * m.logMonoTime, -m.livePose.angularVelocityDevice.z) for m in _of(events, "livePose")
    ] or [
        (1e-9 * m.logMonoTime, -m.liveLocationKalmanDEPRECATED.angularVelocityCalibrated.value[2])
        for m in _of(events, "liveLocationKalmanDEPRECATED")
        if len(m.liveLocationKalmanDEPRECATED.angularVelocityCalibrated.value) == 3
    ]
    rate_time, rate = np.array(turning).T if turning else (car_time, car_rate)
    speed, steering = np.interp(time_s, car_time, speed), np.interp(time_s, car_time, steering)
    rate = np.interp(time_s, rate_time, rate)
    step = np.diff(time_s)
    yaw = np.concatenate([[0.0], np.cumsum(step * 0.5 * (rate[1:] + rate[:-1]))])
    # a chord points halfway between the headings at its ends
    length, course = step * 0.5 * (speed[1:] + speed[:-1]), 0.5 * (yaw[1:] + yaw[:-1])
    x, y = (np.concatenate([[0.0], np.cumsum(length * part)]) for part in (np.cos(course), np.sin(course)))
    return MotionLog(time_s - time_s[0], x, y, yaw, speed, steering)


def _frame_times(events: list[Any]) -> Array:
    """When the frames of the road camera's video were taken, ``(T,)`` s on the log's clock."""
    # what was encoded is in the video; other frames may have been dropped
    for kind in ("roadEncodeIdx", "roadCameraState"):
        stamps = [getattr(m, kind).timestampEof or m.logMonoTime for m in _of(events, kind)]
        if stamps:
            break
    return 1e-9 * np.unique(np.array(stamps, np.float64))


def _camera(events: list[Any]) -> Camera:
    """The camera of the device that wrote the log, mounted as it found itself to be."""
    device = next((str(m.initData.deviceType) for m in _of(events, "initData")), "unknown")
    calibrations = [m.liveCalibration for m in _of(events, "liveCalibration")]
    if device not in DEVICES or not calibrations or len(calibrations[-1].rpyCalib) != 3:
        raise InvalidInput(
            f"device {device!r} and {len(calibrations)} calibrations do not say which camera took the video; give "
            "source.camera"
        )
    roll, pitch, yaw = calibrations[-1].rpyCalib
    mount = {"roll_rad": roll, "pitch_rad": pitch, "yaw_rad": yaw}
    if len(calibrations[-1].height):
        mount["z_m"] = calibrations[-1].height[0]
    return DEVICES[device].with_mount(**mount)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
