"""RecordedDrive: what a camera saw and how the car moved that carried it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.camera import Camera
from simulator.logs.footage import Footage
from simulator.logs.motion import MotionLog
from simulator.world import InvalidInput


@dataclass(frozen=True)
class RecordedDrive:
    """A recorded drive, whatever its format.

    Attributes:
        footage: frames; frame ``i`` was taken at sample ``i`` of the motion log. One frame, the first, where the video
            is not there.
        camera: that took them, mounted as it was.
        motion: one sample for each frame of the whole drive.
    """

    footage: Footage
    camera: Camera
    motion: MotionLog

    def __post_init__(self) -> None:
        seen, camera = self.footage, self.camera
        if (seen.width, seen.height) != (camera.width, camera.height):
            raise InvalidInput(
                f"{seen.path}: frames of {seen.width} x {seen.height}, but camera {camera.name!r} has "
                f"{camera.width} x {camera.height}"
            )
        if len(seen) > len(self.motion):
            raise InvalidInput(
                f"{seen.path}: {len(seen)} frames, but the motion log has {len(self.motion)} samples"
            )

    def since(self, start_time_s: float) -> RecordedDrive:
        """The drive from the frame on that was taken nearest to a time."""
        time_s = self.motion.time_s[: len(self.footage)]
        if not 0 <= start_time_s <= time_s[-1]:
            raise InvalidInput(
                f"start_time_s: {start_time_s:g} is not within the {time_s[-1]:g} s for which {self.footage.path} has "
                "frames"
            )
        first = int(np.abs(time_s - start_time_s).argmin())
        if first == 0:
            return self
        return RecordedDrive(self.footage.since(first), self.camera, self.motion.since(first))
