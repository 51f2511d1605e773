"""The other half of the gap between rendered and real: does our driver find the lane in real pictures?

There is no truth in a picture from the internet; what the driver says is held against what TwinLiteNet, trained on real
roads, segments in the same picture, wherever that sees both lines of the ego lane. Where nobody knows how the camera is
mounted, its pitch and height follow from the lane (`lkas.zoo.levelling.calibrate`), and since a mount that was guessed
from a lane proves nothing about metres, lines are then compared in the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lkas.driver import DriverAssistant
from lkas.frames import ground_homography, warp
from lkas.network import parse
from lkas.perception import LEFT_NEAR, RIGHT_NEAR, Perception
from lkas.zoo.lane_mask import EgoLane, fit_ego_lane
from lkas.zoo.levelling import AT_M, calibrate
from lkas.zoo.twinlitenet import TwinLiteNet
from scenarios.reports.mosaic import draw_line, label
from simulator.camera import CAMERAS, Camera
from simulator.logs.comma import read_segment
from simulator.logs.footage import PICTURES, Footage
from simulator.overlay import draw_sight
from simulator.renderer import to_uint8
from simulator.world import DISTANCES_M, InvalidInput

Image = NDArray[np.uint8]

LIMIT_M, LIMIT_SHARE = 0.4, 0.03
"""Lines agree that are so near each other: in metres, or as a share of the width where the mount is guessed."""

USUAL_FOCAL = 0.8
"""Focal length of a camera behind a windscreen, as a share of the picture's width: an angle of 64 degrees."""

STILL_FRAMES = 8
"""A single picture is shown so often, as the driver needs some frames to be sure."""

TILE_HEIGHT = 270
VIDEOS = frozenset({".mp4", ".avi", ".mkv", ".mov", ".hevc", ".webm"})


@dataclass(frozen=True)
class Source:
    """Real frames and their camera.

    Attributes:
        name: for people.
        footage: one picture, or a video.
        camera: that took it.
        known: whether its mount is known, and not to be found from the lane.
    """

    name: str
    footage: Footage
    camera: Camera
    known: bool


@dataclass(frozen=True)
class Comparison:
    """The driver and TwinLiteNet on one frame.

    Attributes:
        source: its name.
        frame: number of the frame.
        seen: which lines of the ego lane TwinLiteNet sees: both, left, right or none.
        known: whether differences are in metres, or in shares of the picture's width.
        difference: of the left and the right line 10 m ahead; None where TwinLiteNet does not see both.
        picture: both, over the frame (TwinLiteNet cyan) and over what the driver saw.
    """

    source: str
    frame: int
    seen: str
    known: bool
    difference: tuple[float, float] | None
    picture: Image

    @property
    def worst(self) -> float | None:
        """The larger difference as a multiple of what is allowed."""
        if self.difference is None:
            return None
        return max(self.difference) / (LIMIT_M if self.known else LIMIT_SHARE)

    @property
    def agrees(self) -> bool | None:
        """Whether both lines agree; None where there is nothing to hold the driver against."""
        return None if self.worst is None else self.worst <= 1.0


def sources(path: Path, focal_px: float | None) -> list[Source]:
    """What can be shown: a picture, a video, a segment in the layout of comma2k19, or a folder of pictures and videos.

    Args:
        path: of it.
        focal_px: of cameras that nothing is known of; by default ``USUAL_FOCAL`` of the width.

    Raises:
        InvalidInput: there is no such thing.
    """
    if (path / "global_pose").is_dir():
        drive = read_segment(path)
        return [Source(path.name, drive.footage, drive.camera, known=True)]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES | VIDEOS)
        if not files:
            raise InvalidInput(
                f"{path}: neither pictures, nor videos, nor a comma2k19 segment in this folder"
            )
    else:
        files = [path]
    found = []
    for file in files:
        footage = Footage(file)
        width, height = footage.width, footage.height
        focal = USUAL_FOCAL * width if focal_px is None else focal_px
        camera = Camera(file.stem, width, height, focal, focal, width / 2, height / 2)
        found.append(Source(file.name, footage, camera, known=False))
    return found


def judged_frames(source: Source, every: int) -> int:
    """How many frames of a source are compared."""
    return len(range(0, len(source.footage), every))


def compare(
    network: TwinLiteNet, driver: DriverAssistant, source: Source, every: int
) -> Iterator[Comparison]:
    """Show both the same frames, the driver all of them, TwinLiteNet and whoever judges only some.

    The mount of an unknown camera is found in the first frame, and kept.

    Args:
        network: with trained weights.
        driver: only its eyes are used.
        source: what to show.
        every: so many frames of a video apart.
    """
    camera = source.camera
    driver.reset(1)
    for index in range(len(source.footage)):
        frame = source.footage.frame(index)
        judged = index % every == 0
        lane = EgoLane(None, None)
        if judged:
            with torch.no_grad():
                mask = network.probabilities(frame[None])[1][0]
            if index == 0 and not source.known:
                camera, lane = calibrate(mask, camera)
            else:
                lane = fit_ego_lane(mask, camera)
        view = _model_view(frame, camera)
        repetitions = STILL_FRAMES if len(source.footage) == 1 else 1
        for _ in range(repetitions):
            output = driver.see(view)
        if judged:
            yield _compare_lines(source, index, frame.numpy(), camera, lane, view, parse(output.double()))


def _model_view(frame: Tensor, camera: Camera) -> Tensor:
    """The frame as the driver's own camera would have taken it there, ``(1, 256, 512, 3) uint8``."""
    model = CAMERAS["model"]
    planes = frame.permute(2, 0, 1)[None].float() / 255
    return to_uint8(warp(planes, ground_homography(camera, model)))


def _compare_lines(
    source: Source, index: int, frame: Image, camera: Camera, lane: EgoLane, view: Tensor, said: Perception
) -> Comparison:
    seen = {(True, True): "both", (True, False): "left", (False, True): "right", (False, False): "none"}[
        lane.left is not None, lane.right is not None
    ]
    differences = []
    for line, place in ((lane.left, LEFT_NEAR), (lane.right, RIGHT_NEAR)):
        if line is not None:
            here = float(line.y_at(torch.tensor(AT_M, dtype=torch.float64)).detach())
            mine = float(np.interp(AT_M, DISTANCES_M.numpy(), said.lane_y_m[0, place].numpy()))
            u, _, _ = camera.project(
                torch.tensor([[AT_M, mine, 0.0], [AT_M, here, 0.0]], dtype=torch.float64)
            )
            differences.append(
                abs(mine - here) if source.known else float((u[0] - u[1]).abs()) / camera.width
            )
    difference = (differences[0], differences[1]) if seen == "both" else None
    picture = _draw(frame, camera, lane, view[0].numpy(), said)
    return Comparison(source.name, index, seen, source.known, difference, picture)


def _draw(frame: Image, camera: Camera, lane: EgoLane, view: Image, said: Perception) -> Image:
    """The real frame beside what the driver saw, both with what the driver believes."""
    belief = said.path_y_m[0].numpy(), said.lane_y_m[0].numpy(), said.lane_prob[0].numpy()
    real = draw_sight(frame, camera, *belief)
    for line in (lane.left, lane.right):
        real = draw_line(real, camera, line, (0, 255, 255))
    model = draw_sight(view, CAMERAS["model"], *belief)
    sizes = ((TILE_HEIGHT * 16 // 9, TILE_HEIGHT), (TILE_HEIGHT * 2, TILE_HEIGHT))
    return np.hstack(
        [
            np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
            for picture, size in zip((real, model), sizes, strict=True)
        ]
    )


def describe(comparison: Comparison) -> Image:
    """Its picture, with name and differences."""
    if comparison.difference is None:
        said = f"TwinLiteNet sees {comparison.seen}"
    elif comparison.known:
        said = "{:.2f} m {:.2f} m".format(*comparison.difference)
    else:
        said = "{:.1f} % {:.1f} %".format(*(100 * share for share in comparison.difference))
    return label(
        comparison.picture, f"{comparison.source} {comparison.frame} {said}", comparison.agrees is not False
    )
