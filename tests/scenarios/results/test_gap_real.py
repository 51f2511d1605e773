"""What the driver says of real frames is held against TwinLiteNet as the geometry of the camera says."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from lkas.driver import DriverAssistant
from lkas.heads import LAYOUT
from lkas.network import DriverNet
from lkas.zoo.twinlitenet import TwinLiteNet
from scenarios.cli import main
from scenarios.results.gap_real import Comparison, Source, compare, describe, judged_frames, sources
from simulator.camera import Camera
from simulator.logs.footage import Footage
from simulator.world import InvalidInput

WIDTH, HEIGHT, FOCAL = 640, 360, 512.0
LINES_M = (1.8, -1.8)


def camera(**mount: float) -> Camera:
    return Camera("test", WIDTH, HEIGHT, FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2).with_mount(**mount)


def paint(seen_by: Camera, lines: tuple[float, ...] = LINES_M) -> Tensor:
    """Lane-line probability of straight lines, ``(H, W)``."""
    picture = np.zeros((HEIGHT, WIDTH), np.float32)
    x = torch.arange(3.0, 90.0, 0.25)
    for y in lines:
        u, v, _ = seen_by.project(torch.stack([x, torch.full_like(x, y), torch.zeros_like(x)], -1))
        points = torch.stack([u, v], -1).sub(0.5).mul(16).round().int().numpy()
        cv2.polylines(picture, [points], False, 1.0, 4, cv2.LINE_AA, shift=4)
    return torch.from_numpy(picture)


class Segmenter(TwinLiteNet):
    """Sees what it is told to see."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.mask = mask

    def probabilities(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        return self.mask[None], self.mask[None]


class Believer(DriverAssistant):
    """Says always the same, and counts what it is shown."""

    def __init__(self, left_m: float, right_m: float) -> None:
        super().__init__(DriverNet())
        self.output = torch.zeros(1, LAYOUT.size)
        lanes = torch.zeros(4, 33)
        lanes[1], lanes[2] = left_m, right_m
        self.output[0, LAYOUT.lanes] = lanes.flatten()
        self.shown: list[tuple[int, ...]] = []

    def see(self, frames: Tensor) -> Tensor:
        self.shown.append(tuple(frames.shape))
        return self.output


@pytest.fixture
def picture(tmp_path: Path) -> Footage:
    path = tmp_path / "road.png"
    cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    return Footage(path)


def compare_one(picture: Footage, mask: Tensor, driver: Believer, known: bool, cam: Camera) -> Comparison:
    (comparison,) = compare(Segmenter(mask), driver, Source("road", picture, cam, known), every=6)
    return comparison


def test_known_mounts_are_judged_in_metres(picture: Footage) -> None:
    driver = Believer(1.9, -2.1)
    cam = camera(pitch_rad=0.03)
    found = compare_one(picture, paint(cam), driver, True, cam)
    assert found.seen == "both"
    assert found.difference == pytest.approx((0.1, 0.3), abs=0.03)
    assert found.agrees is True
    assert driver.shown == [(1, 256, 512, 3)] * 8


def test_unknown_mounts_are_found_and_judged_in_the_picture(picture: Footage) -> None:
    """A wrong pitch and height do not matter: the lane tells them."""
    mask = paint(camera(pitch_rad=0.04, z_m=1.5))
    found = compare_one(picture, mask, Believer(2.3, -1.8), False, camera())
    # the share of the width that half a metre spans ten metres ahead, seen along a slightly lowered axis
    assert found.difference == pytest.approx((0.5 * FOCAL / 10 / WIDTH, 0.0), abs=0.003)
    assert found.agrees is False


def test_nothing_is_judged_where_a_line_is_missing(picture: Footage) -> None:
    found = compare_one(picture, paint(camera(), (1.8,)), Believer(9.0, -9.0), True, camera())
    assert (found.seen, found.difference, found.agrees) == ("left", None, None)
    assert describe(found).shape == found.picture.shape


def test_sources_are_what_is_there(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg"):
        cv2.imwrite(str(tmp_path / name), np.zeros((90, 160, 3), np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    found = sources(tmp_path, None)
    assert [source.name for source in found] == ["a.jpg", "b.png"]
    assert found[0].camera.fx == 128.0
    assert sources(tmp_path / "b.png", 100.0)[0].camera.fx == 100.0
    assert judged_frames(found[0], 6) == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="neither pictures, nor videos"):
        sources(tmp_path / "empty", None)
    with pytest.raises(InvalidInput, match=r"nothing\.png"):
        sources(tmp_path / "nothing.png", None)


def test_segments_bring_their_mount(data: Path) -> None:
    (source,) = sources(data / "drp_sc1/data/scenarios/highway/sc1", None)
    assert source.known
    assert source.camera.mount.pitch_rad != 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["real", "{}", "--twinlitenet", "nothing.pth"], "nothing.pth"),
        (["real", "{}", "--twinlitenet", "nothing.pth", "--every", "0"], "--every 0: give 1 or more"),
        (["real", "no/such.png", "--twinlitenet", "nothing.pth"], "no/such.png"),
        (["real", "{}", "--twinlitenet", "nothing.pth", "--mosaic", "a.gif"], "--mosaic a.gif"),
        (["rendered", "--twinlitenet", "nothing.pth"], "nothing.pth"),
        (["rendered", "--twinlitenet", "nothing.pth", "--frames", "0"], "--frames 0: give 1 to 100000"),
        (["rendered", "benign/highway_night", "--twinlitenet", "nothing.pth"], "it is dark"),
    ],
)
def test_what_cannot_be_is_invalid_input(
    arguments: list[str], message: str, picture: Footage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gap", *(argument.format(picture.path) for argument in arguments)]) == 2
    assert message in capsys.readouterr().err
