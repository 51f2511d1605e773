"""The replay world as a scenario file names it: what was recorded, with which camera, and how far it is trusted."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from scenarios.registry import Plugin, Strict, WorldOptions

Name = Annotated[str, Field(min_length=1, max_length=4096)]
Angle = Annotated[float, Field(ge=-0.5, le=0.5)]


class CameraSpec(Strict):
    """A pinhole camera and where it is mounted; the size of its pictures is that of the files.

    Attributes:
        focal_px: focal length.
        centre_px: principal point, columns and rows from the top left; the middle of the picture, if not given.
        height_m: above the road.
        ahead_m: of the rear axle.
        left_m: of the car's middle line.
        roll_rad: positive leans right.
        pitch_rad: positive looks down.
        yaw_rad: positive looks left.
    """

    focal_px: Annotated[float, Field(ge=10.0, le=100_000.0)]
    centre_px: Annotated[tuple[float, float], Field(strict=False)] | None = None
    height_m: Annotated[float, Field(ge=0.2, le=5.0)] = 1.22
    ahead_m: Annotated[float, Field(ge=-2.0, le=5.0)] = 1.5
    left_m: Annotated[float, Field(ge=-2.0, le=2.0)] = 0.0
    roll_rad: Angle = 0.0
    pitch_rad: Angle = 0.0
    yaw_rad: Angle = 0.0


class Comma2k19Source(Strict):
    """A segment in the layout of comma2k19: a folder with ``global_pose`` and ``processed_log``."""

    type: Literal["comma2k19"]
    path: Name


class FootageSource(Strict):
    """A video or a picture from a car that drove straight ahead at ``ego.speed_mps``."""

    type: Literal["footage"]
    path: Name
    camera: CameraSpec


class RlogSource(Strict):
    """An openpilot log (extra ``openpilot``) and the video that belongs to it.

    Attributes:
        path: ``rlog.zst``, ``rlog.bz2`` or ``rlog``.
        footage: the road camera's video, or a picture that is its first frame.
        camera: that took it; by default the one of the device that wrote the log.
    """

    type: Literal["rlog"]
    path: Name
    footage: Name
    camera: CameraSpec | None = None


class LaneSpec(Strict):
    """The borders of the lane relative to the recorded trace, positive left, marked with a line each."""

    left_m: Annotated[float, Field(ge=0.0, le=10.0)]
    right_m: Annotated[float, Field(ge=-10.0, le=0.0)]


class NearFieldSpec(Strict):
    """What of a single frame's road is repeated ahead; see `simulator.recorded_road.NearField`."""

    start_m: Annotated[float, Field(gt=2.0, le=50.0)] = 7.5
    length_m: Annotated[float, Field(gt=4.0, le=50.0)] = 12.192
    half_width_m: Annotated[float, Field(ge=1.0, le=30.0)] = 6.0


class TrustSpec(Strict):
    """How far views are trusted; see `simulator.replay.Trust`."""

    lateral_m: Annotated[float, Field(gt=0.0, le=10.0)] = 2.5
    heading_rad: Annotated[float, Field(gt=0.0, le=0.5)] = 0.2
    continued_m: Annotated[float, Field(gt=0.0, le=1000.0)] = 100.0
    known: Annotated[float, Field(ge=0.0, le=1.0)] = 0.6


class ReplayOptions(WorldOptions):
    """Roads that were recorded. The speed is the recorded one; the assistant steers.

    Attributes:
        source: what was recorded.
        start_time_s: when in it the drive begins.
        lane: borders of the lane, where they are known; without, offsets are from the recorded trace.
        hood_row: rows of the frames from here on show the car's own bonnet.
        near_field: what is repeated where there is but one frame.
        trust: how far views are trusted.
        beyond_trust: what happens where they no longer are: the run is refused (exit code 2), or ends there.
    """

    takes_plant: ClassVar[bool] = True
    files: ClassVar[tuple[str, ...]] = ("source.path", "source.footage")

    type: Literal["replay"]
    source: Annotated[Comma2k19Source | FootageSource | RlogSource, Field(discriminator="type")]
    start_time_s: Annotated[float, Field(ge=0.0, le=36_000.0)] = 0.0
    lane: LaneSpec | None = None
    hood_row: Annotated[int, Field(ge=1, le=100_000)] | None = None
    near_field: NearFieldSpec = NearFieldSpec()
    trust: TrustSpec = TrustSpec()
    beyond_trust: Literal["refuse", "stop"] = "refuse"


REPLAY = Plugin(
    "replay",
    "Recorded roads, seen from where the car would be: comma2k19 segments, openpilot logs, videos, pictures",
    "scenarios.plugins.replays:replay",
    ReplayOptions,
    course="scenarios.plugins.replays:course",
)
