"""Reader of the comma2k19 layout: a minute of driving as logged by an EON.

A segment is a folder with ``global_pose/`` (at the camera's frames), ``processed_log/CAN/``, and ``video.hevc`` or only
``preview.png``, its first frame. Files without extension are NumPy arrays.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator.camera import CAMERAS
from simulator.logs.drive import RecordedDrive
from simulator.logs.footage import Footage
from simulator.logs.motion import MotionLog
from simulator.world import InvalidInput

Array = NDArray[np.float64]

MOVING_MPS = 5.0
"""Faster than this the car goes where it points, which tells how the camera is mounted."""


def read_segment(folder: str | Path) -> RecordedDrive:
    """Read a segment.

    Height and roll of the camera are not in the log: EON's standard height and none are assumed. Pitch and yaw of the
    mount are how the direction of travel lies in the camera's axes, as openpilot's calibration has it.

    Args:
        folder: that holds ``global_pose`` and ``processed_log``.

    Raises:
        InvalidInput: a file is not there, or holds something else.
    """
    folder = Path(folder)
    time = _load(folder, "global_pose/frame_times")
    position = _load(folder, "global_pose/frame_positions", 3)
    velocity = _load(folder, "global_pose/frame_velocities", 3)
    device = _rotations(_load(folder, "global_pose/frame_orientations", 4))
    if not len(time) == len(position) == len(velocity) == len(device):
        raise InvalidInput(f"{folder}/global_pose: its arrays differ in length")
    can_time = _load(folder, "processed_log/CAN/steering_angle/t")
    can_angle = _load(folder, "processed_log/CAN/steering_angle/value")
    if len(can_time) != len(can_angle):
        raise InvalidInput(f"{folder}/processed_log/CAN/steering_angle: t and value differ in length")

    speed = np.linalg.norm(velocity, axis=1)
    seen = np.einsum("nji,nj->ni", device, velocity)  # travel in the camera's axes: forward, right, down
    moving = seen[speed > MOVING_MPS].mean(0) if (speed > MOVING_MPS).any() else np.array([1.0, 0.0, 0.0])
    camera = CAMERAS["road"].with_mount(
        pitch_rad=math.atan2(-moving[2], moving[0]), yaw_rad=math.atan2(moving[1], moving[0])
    )

    east, north = _east_north(position[0])
    forward = device[:, :, 0]
    yaw = np.unwrap(np.arctan2(forward @ north, forward @ east)) - camera.mount.yaw_rad
    offset = position - position[0]
    x, y = offset @ east, offset @ north
    # the log follows the camera; cars are followed by their rear axle
    x, y = x - camera.mount.x_m * np.cos(yaw), y - camera.mount.x_m * np.sin(yaw)
    x, y = x - x[0], y - y[0]
    cos, sin = math.cos(yaw[0]), math.sin(yaw[0])
    try:
        motion = MotionLog(
            time_s=time - time[0],
            x_m=cos * x + sin * y,
            y_m=cos * y - sin * x,
            yaw_rad=yaw - yaw[0],
            speed_mps=speed,
            steering_rad=np.radians(np.interp(time, can_time, can_angle)),
        )
    except InvalidInput as error:
        raise InvalidInput(f"{folder}: {error}") from error
    video = folder / "video.hevc"
    footage = Footage(video if video.is_file() else folder / "preview.png")
    # the log may end a frame before the video
    return RecordedDrive(footage.until(len(motion)), camera, motion)


def _load(folder: Path, name: str, columns: int | None = None) -> Array:
    """An array of a segment, ``(n, columns)``, or ``(n,)`` where it holds single numbers."""
    path = folder / name
    try:
        values = np.asarray(np.load(path, allow_pickle=False), np.float64)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InvalidInput(f"{path}: no such file; give the folder of a comma2k19 segment") from error
    except (OSError, EOFError, TypeError, ValueError) as error:
        raise InvalidInput(f"{path}: not a NumPy array of numbers ({error})") from error
    if columns is None and values.shape[1:] == (1,):
        values = values[:, 0]
    wanted = () if columns is None else (columns,)
    if values.ndim == 0 or values.shape[1:] != wanted:
        raise InvalidInput(
            f"{path}: shape {values.shape}; must be (n{''.join(f', {size}' for size in wanted)})"
        )
    if not len(values) or not np.isfinite(values).all():
        raise InvalidInput(f"{path}: must hold finite numbers, at least one")
    return values


def _rotations(quaternion: Array) -> Array:
    """Rotation matrices ``(n, 3, 3)`` of unit quaternions ``(n, 4)``, real part first."""
    w, x, y, z = (quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def _east_north(position: Array) -> tuple[Array, Array]:
    """East and north at a place given in earth-centred, earth-fixed coordinates, on a spherical earth.

    The true vertical differs by at most 0.2 degrees, which tilts the plane but turns nothing in it.
    """
    up = position / np.linalg.norm(position)
    east = np.cross([0.0, 0.0, 1.0], up)
    east /= np.linalg.norm(east)
    return east, np.cross(up, east)
