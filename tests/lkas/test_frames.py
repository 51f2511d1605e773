"""Frames are packed as openpilot packs them, and warped as flat roads are."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from lkas.frames import ground_homography, pack_yuv, packing_kernel, unpack_yuv, warp
from simulator.camera import CAMERAS, Camera


@pytest.fixture
def photo(rng: np.random.Generator) -> np.ndarray:
    """A soft random picture, ``(1, 256, 512, 3) uint8``."""
    return cv2.resize(rng.integers(0, 256, (32, 64, 3), dtype=np.uint8), (512, 256))[None]


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((255, 0, 0), (81.481, 90.203, 240)),
        ((0, 255, 0), (144.553, 53.797, 34.214)),
        ((0, 0, 255), (40.966, 240, 109.786)),
    ],
)
def test_colours_of_bt601(rgb: tuple[int, int, int], yuv: tuple[float, float, float]) -> None:
    packed = pack_yuv(torch.tensor(rgb, dtype=torch.uint8).expand(1, 4, 6, 3))
    assert packed.shape == (1, 6, 2, 3)
    expected = torch.tensor([yuv[0]] * 4 + [yuv[1], yuv[2]], dtype=torch.float32)
    torch.testing.assert_close(packed, expected[None, :, None, None].expand_as(packed), rtol=0, atol=1e-3)


def test_luma_places_are_openpilots() -> None:
    grey = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
    for plane, (row, column) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        grey[0, row, column] = 50 * (plane + 1)
    planes = pack_yuv(grey)[0, :4, 0, 0]
    torch.testing.assert_close(
        planes, 16 + 219 / 255 * torch.tensor([50.0, 100, 150, 200]), rtol=0, atol=1e-3
    )


def test_agrees_with_opencv(photo: np.ndarray) -> None:
    def by_opencv(frame: np.ndarray) -> np.ndarray:
        i420 = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)
        luma, chroma = i420[:256], i420[256:].reshape(2, 128, 256)
        planes = [luma[::2, ::2], luma[1::2, ::2], luma[::2, 1::2], luma[1::2, 1::2], *chroma]
        return np.stack(planes).astype(np.float32)

    # OpenCV rounds to bytes, and takes the chroma of one pixel of four instead of their mean
    packed = pack_yuv(torch.from_numpy(photo))[0].numpy()
    assert np.abs(packed - by_opencv(photo[0]))[:4].max() < 0.6
    blocks = photo[:, ::2, ::2].repeat(2, 1).repeat(2, 2)
    packed = pack_yuv(torch.from_numpy(blocks))[0].numpy()
    assert np.abs(packed - by_opencv(blocks[0])).max() < 0.6


def test_bytes_and_floats_and_both_memory_layouts_agree(photo: np.ndarray) -> None:
    rows = torch.from_numpy(np.concatenate([photo, photo[:, ::-1]]))
    planar = rows.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    assert not planar.is_contiguous()
    expected = pack_yuv(rows.permute(0, 3, 1, 2).float() / 255)
    for frames in (rows, planar):
        packed = pack_yuv(frames)
        torch.testing.assert_close(packed, expected, rtol=0, atol=1e-3)
        assert packed.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("first_row", [1, 16])
def test_rows_left_out_are_only_left_out(photo: np.ndarray, first_row: int) -> None:
    frames = torch.from_numpy(photo)
    for x in (frames, frames.permute(0, 3, 1, 2) / 255):
        torch.testing.assert_close(pack_yuv(x, first_row), pack_yuv(x)[:, :, first_row:], rtol=0, atol=1e-4)


def test_packing_is_differentiable(generator: torch.Generator) -> None:
    frames = torch.rand(1, 3, 2, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(pack_yuv, frames)


def test_kernel_keeps_grey_free_of_colour() -> None:
    weight, bias = packing_kernel(torch.float64)
    torch.testing.assert_close(
        weight[4:].sum((1, 2, 3)), torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-12
    )
    assert bias.tolist() == [16, 16, 16, 16, 128, 128]


def test_unpacking_undoes_packing(generator: torch.Generator) -> None:
    # every 2x2 block of one colour: otherwise chroma is lost
    frames = torch.rand(2, 3, 8, 8, generator=generator)
    frames = frames.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(unpack_yuv(pack_yuv(frames)), frames, rtol=0, atol=1e-5)


def test_homography_takes_road_points_along() -> None:
    camera = CAMERAS["road"].with_mount(pitch_rad=0.02, yaw_rad=-0.015, roll_rad=0.01, z_m=1.3)
    ideal = CAMERAS["model"]
    road = torch.tensor([[6.0, 1.5, 0.0], [20.0, -2.0, 0.0], [80.0, 5.0, 0.0]], dtype=torch.float64)
    u, v, _ = camera.project(road)
    there = ground_homography(camera, ideal) @ torch.stack([u, v, torch.ones_like(u)]).numpy()
    expected = torch.stack(ideal.project(road)[:2]).numpy()
    np.testing.assert_allclose(there[:2] / there[2], expected, atol=1e-6)


def test_warp_through_identity_and_shift(generator: torch.Generator) -> None:
    frames = torch.rand(1, 3, 6, 8, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(warp(frames, np.eye(3), 8, 6), frames, rtol=0, atol=1e-6)
    shift = np.array([[1.0, 0, 2], [0, 1, 0], [0, 0, 1]])
    moved = warp(frames, shift, 8, 6)
    torch.testing.assert_close(moved[..., 2:], frames[..., :-2], rtol=0, atol=1e-6)
    assert float(moved[..., :2].abs().max()) < 1e-6


def test_warp_shows_nothing_from_behind() -> None:
    source = Camera("s", 64, 32, 40.0, 40.0, 32.0, 8.0)
    frames = torch.ones(1, 3, 32, 64)
    ahead = warp(frames, ground_homography(source, source.with_mount(yaw_rad=0.1)), 64, 32)
    assert float(ahead[..., 10:28, 10:40].min()) > 0.99
    back = warp(frames, ground_homography(source, source.with_mount(yaw_rad=math.radians(170))), 64, 32)
    assert float(back.max()) == 0
