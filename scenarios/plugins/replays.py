"""From what a scenario file says of a recorded drive to the world that replays it. Imported when one is first used."""

from __future__ import annotations

import math
from functools import lru_cache, partial

from scenarios.courses import NARROWEST_LANE_M, WIDEST_LANE_M, Course
from scenarios.factories import Setting
from scenarios.plugins.replay import (
    CameraSpec,
    Comma2k19Source,
    FootageSource,
    ReplayOptions,
)
from scenarios.schema import EgoSpec
from simulator.camera import Camera, Mount
from simulator.logs.comma import read_segment
from simulator.logs.drive import RecordedDrive
from simulator.logs.footage import Footage
from simulator.logs.motion import MotionLog
from simulator.logs.rlog import read_drive
from simulator.recorded_road import NearField
from simulator.replay import ReplayWorld, Trust
from simulator.world import CAMERA_PERIOD_S, InvalidInput

MOST_SAMPLES = 20_000
"""Of the motion past a picture, at 20 Hz: longer than any scenario lasts."""

READ_DRIVES = 4
"""So many drives are kept, so that the checks before a run do not read a log again and again."""


def replay(options: ReplayOptions, setting: Setting) -> ReplayWorld:
    """The replay world of one scenario."""
    (start,) = setting.starts
    drive = _drive(options, start.speed_mps)
    return ReplayWorld(
        drive,
        setting.cameras,
        vehicle=setting.moving(options.latency_s),
        lane_m=_lane_m(options),
        layers=setting.layers,
        offset_m=start.offset_m,
        turned_rad=start.heading_error_rad,
        hood_row=options.hood_row,
        near_field=NearField(**options.near_field.model_dump()),
        trust=Trust(**options.trust.model_dump()),
        refuse=options.beyond_trust == "refuse",
    )


def course(options: ReplayOptions, ego: EgoSpec) -> Course:
    """The recorded road, as far as it is trusted, and how fast it was driven.

    Raises:
        InvalidInput: the recording cannot be read, a speed is given twice or not at all, or no car drives in the lane.
    """
    stated, wanted = ego.speed_mps is not None, isinstance(options.source, FootageSource)
    if stated and not wanted:
        raise InvalidInput(f"ego.speed_mps: the speed is recorded in {options.source.path}; leave this out")
    if wanted and not stated:
        raise InvalidInput(
            "ego.speed_mps: this field is missing; a picture or video does not say how fast the car was"
        )
    lane_m = _lane_m(options)
    if lane_m is not None and not NARROWEST_LANE_M <= lane_m[0] - lane_m[1] <= WIDEST_LANE_M:
        raise InvalidInput(
            f"world.lane: it is {lane_m[0] - lane_m[1]:g} m wide, but must be {NARROWEST_LANE_M:g} to "
            f"{WIDEST_LANE_M:g} m wide; leave it out where it is not known"
        )
    try:
        drive = _drive(options, ego.speed_mps or 0.0)
        length_m = Trust(**options.trust.model_dump()).length_m(drive)
        road = drive.motion.road(drive.footage.path.name, length_m, lane_m)
    except InvalidInput as error:
        raise InvalidInput(f"world: {error}") from error
    return Course(road, float(drive.motion.speed_mps[0]), drive.motion.driven_m)


def _lane_m(options: ReplayOptions) -> tuple[float, float] | None:
    return None if options.lane is None else (options.lane.left_m, options.lane.right_m)


@lru_cache(READ_DRIVES)
def _drive(options: ReplayOptions, speed_mps: float) -> RecordedDrive:
    """What was recorded, from ``start_time_s`` on."""
    source = options.source
    if isinstance(source, Comma2k19Source):
        drive = read_segment(source.path)
    elif isinstance(source, FootageSource):
        footage = Footage(source.path)
        if footage.period_s is None:
            raise InvalidInput(
                f"{source.path}: a raw stream does not say how many frames a second has; put it into a container, "
                "such as .mp4"
            )
        frames = len(footage)
        if frames == 1:  # one picture, and road for as long as it may be continued
            frames = math.ceil(options.trust.continued_m / (speed_mps * CAMERA_PERIOD_S)) + 1
            frames = min(frames, MOST_SAMPLES)
        motion = MotionLog.straight(speed_mps, frames, footage.period_s)
        drive = RecordedDrive(footage, _camera(source.camera, footage), motion)
    else:
        camera_of = None if source.camera is None else partial(_camera, source.camera)
        drive = read_drive(source.path, source.footage, camera_of)
    return drive.since(options.start_time_s)


def _camera(spec: CameraSpec, footage: Footage) -> Camera:
    u, v = spec.centre_px or (footage.width / 2, footage.height / 2)
    mount = Mount(spec.ahead_m, spec.left_m, spec.height_m, spec.roll_rad, spec.pitch_rad, spec.yaw_rad)
    return Camera("recorded", footage.width, footage.height, spec.focal_px, spec.focal_px, u, v, mount)
