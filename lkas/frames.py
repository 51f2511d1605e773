"""Camera frames to what the network eats: model-frame warp, YUV420 packing.

Packing follows openpilot's loader: a 512x256 RGB model frame becomes six planes of 128x256, four of luma and two of
chroma. It is a single 2x2 convolution of stride 2, so it is fast, and differentiable in float frames. Byte frames are
packed fastest with two neighbouring pixels as one of six channels, which a 2x1 convolution turns into six planes.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from simulator.camera import Camera, rotation_matrix

MODEL_WIDTH, MODEL_HEIGHT = 512, 256
PACKED_SHAPE = (6, MODEL_HEIGHT // 2, MODEL_WIDTH // 2)

# ITU-R BT.601, studio range: RGB in [0, 255] to Y in [16, 235], U and V in [16, 240]
_LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)
_CHROMA_BLUE = (-37.797 / 255, -74.203 / 255, 112.0 / 255)
_CHROMA_RED = (112.0 / 255, -93.786 / 255, -18.214 / 255)
# row and column, inside its block of 2x2 pixels, of the luma sample that each of the first four planes holds
_LUMA_PLACES = ((0, 0), (1, 0), (0, 1), (1, 1))


def packing_kernel(
    dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Convolution that packs RGB in [0, 255]: weight ``(6, 3, 2, 2)`` and bias ``(6,)``, to be used with stride 2."""
    # as nested lists: filling tensors element by element costs a tenth of the packing
    block = ((0, 0), (0, 1), (1, 0), (1, 1))
    luma = [[[y * (place == here) for here in block] for y in _LUMA] for place in _LUMA_PLACES]
    chroma = [[[c / 4] * 4 for c in coefficients] for coefficients in (_CHROMA_BLUE, _CHROMA_RED)]
    weight = torch.tensor(luma + chroma, dtype=dtype, device=device).unflatten(2, (2, 2))
    return weight, torch.tensor([16.0] * 4 + [128.0] * 2, dtype=dtype, device=device)


def pack_yuv(frames: Tensor, first_row: int = 0) -> Tensor:
    """Pack RGB model frames as openpilot does.

    Plane 0 is ``Y[::2, ::2]``, 1 is ``Y[1::2, ::2]``, 2 is ``Y[::2, 1::2]``, 3 is ``Y[1::2, 1::2]``, 4 and 5 are U and
    V, each the mean of 2x2 pixels (order of loadyuv.cl, conversion of rgb_to_yuv.cl, both openpilot, without rounding).

    Args:
        frames: ``(N, H, W, 3)`` uint8 RGB, or ``(N, 3, H, W)`` float RGB in [0, 1], then differentiable; 256 x 512
            for a driver, and even in any case.
        first_row: of the packed frame; those above are left out.

    Returns:
        ``(N, 6, H / 2 - first_row, W / 2)`` float in [0, 255], channels last in memory.
    """
    if frames.dtype == torch.uint8:
        return _pack_bytes(frames[:, 2 * first_row :])
    rgb = frames[:, :, 2 * first_row :].contiguous(memory_format=torch.channels_last)
    weight, bias = packing_kernel(rgb.dtype, rgb.device)
    return F.conv2d(rgb, weight * 255, bias, stride=2)


def _pack_bytes(frames: Tensor) -> Tensor:
    pairs = interleaved(frames).unflatten(2, (-1, 2)).flatten(3).float().permute(0, 3, 1, 2)
    return F.conv2d(pairs, *_pair_kernel(frames.device), stride=(2, 1))


@cache
def _pair_kernel(device: torch.device) -> tuple[Tensor, Tensor]:
    """The packing kernel for pairs of pixels, channels RGB of the left one, then of the right one."""
    with torch.inference_mode(False):
        weight, bias = packing_kernel(device=device)
        weight = weight.permute(0, 3, 1, 2).flatten(1, 2)[..., None]
        return weight.contiguous(memory_format=torch.channels_last), bias


def interleaved(frames: Tensor) -> Tensor:
    """Frames ``(N, H, W, 3) uint8`` with contiguous rows; OpenCV makes them of planes in a tenth of torch's time."""
    if frames.stride()[2:] == (3, 1):
        return frames
    if frames.device.type != "cpu":
        return frames.contiguous()
    out = np.empty(frames.shape, np.uint8)
    for target, planes in zip(out, frames.permute(0, 3, 1, 2).numpy(), strict=True):
        cv2.merge([np.ascontiguousarray(plane) for plane in planes], target)
    return torch.from_numpy(out)


def unpack_yuv(packed: Tensor) -> Tensor:
    """RGB frames as people see them, from packed ones; chroma is repeated over its 2x2 pixels.

    Args:
        packed: ``(N, 6, H, W)`` in [0, 255].

    Returns:
        ``(N, 3, 2H, 2W)`` float RGB in [0, 1].
    """
    size, _, height, width = packed.shape
    luma = packed.new_empty(size, 2 * height, 2 * width)
    for plane, (row, column) in enumerate(_LUMA_PLACES):
        luma[:, row::2, column::2] = packed[:, plane]
    chroma = packed[:, 4:].repeat_interleave(2, -2).repeat_interleave(2, -1)
    yuv = torch.stack([luma - 16, chroma[:, 0] - 128, chroma[:, 1] - 128], 1)
    matrix = torch.tensor([_LUMA, _CHROMA_BLUE, _CHROMA_RED], dtype=torch.float64)
    to_rgb = torch.linalg.inv(matrix).to(yuv)
    return (torch.einsum("ij,njhw->nihw", to_rgb, yuv) / 255).clamp(0, 1)


def ground_homography(camera: Camera, ideal: Camera) -> NDArray[np.float64]:
    """Homography from pixels of a camera to pixels of another one at the same place, exact for points on the flat road.

    Convention: pixel centres at integers + 0.5; mounts as in ``simulator.camera``. Only angles and heights of the two
    mounts count: both feet are taken to be the same point.

    Args:
        camera: that took the frame, mounted as calibration says.
        ideal: that the frame shall look taken with, e.g. ``CAMERAS["model"]``.

    Returns:
        ``(3, 3)`` float64: pixel of the ideal camera ~ result @ pixel of the camera.
    """
    return _road_to_pixel(ideal) @ np.linalg.inv(_road_to_pixel(camera))


def _road_to_pixel(camera: Camera) -> NDArray[np.float64]:
    """Map road points (forward, left, 1) in the foot frame to homogeneous pixels."""
    mount = camera.mount
    angles = torch.tensor([mount.roll_rad, mount.pitch_rad, mount.yaw_rad], dtype=torch.float64)
    camera_from_car = rotation_matrix(*angles.unbind()).numpy().T
    # camera axes (forward, left, up) to the image's (right, down, forward)
    image_axes = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
    intrinsics = np.array([[camera.fx, 0.0, camera.cx], [0.0, camera.fy, camera.cy], [0.0, 0.0, 1.0]])
    road = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -mount.z_m]])
    return intrinsics @ image_axes @ camera_from_car @ road


def warp(
    frames: Tensor, homography: NDArray[np.float64], width: int = MODEL_WIDTH, height: int = MODEL_HEIGHT
) -> Tensor:
    """Resample frames through a homography, bilinearly; black where the source has nothing.

    Convention: pixel centres at integers + 0.5 in both frames.

    Args:
        frames: ``(N, 3, H, W)`` float RGB in [0, 1].
        homography: ``(3, 3)``, target pixel ~ homography @ source pixel.
        width: of the target.
        height: of the target.

    Returns:
        ``(N, 3, height, width)``, differentiable in ``frames``.
    """
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    target = torch.stack([u, v, torch.ones_like(u)], -1).double()
    source = target @ torch.as_tensor(np.linalg.inv(homography)).T
    # points behind the source camera must not be mirrored into the frame
    behind = source[..., 2:] <= 1e-9
    xy = source[..., :2] / source[..., 2:].where(~behind, torch.ones(()).double())
    size = torch.tensor([frames.shape[-1], frames.shape[-2]], dtype=torch.float64)
    grid = (2 * xy / size - 1).masked_fill(behind, -4.0).to(frames)
    return F.grid_sample(
        frames, grid.expand(len(frames), -1, -1, -1), align_corners=False, padding_mode="zeros"
    )
