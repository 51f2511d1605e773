"""Spoilt pictures stay pictures of the same road, and one camera spoils all its frames alike."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lkas.optics import Optics


def stripes() -> Tensor:
    """Two frames with a white line in the middle of grey."""
    frames = torch.full((2, 3, 64, 128), 0.4)
    frames[..., 62:66] = 0.9
    return frames


def test_values_and_size_are_those_of_pictures(rng: np.random.Generator) -> None:
    for _ in range(40):
        spoilt = Optics(64, 128, rng)(stripes())
        assert spoilt.shape == (2, 3, 64, 128)
        assert spoilt.dtype == torch.float32
        assert 0 <= float(spoilt.min()) <= float(spoilt.max()) <= 1


def test_a_camera_spoils_every_frame_alike(rng: np.random.Generator) -> None:
    for _ in range(40):
        one, other = Optics(64, 128, rng)(stripes())
        assert torch.equal(one, other)


def test_the_line_stays_where_it_is(rng: np.random.Generator) -> None:
    # above any bonnet; the field of gains can outshine a line in few places, so the median decides
    rows = slice(16, 48)
    for _ in range(40):
        seen = Optics(64, 128, rng)(stripes())[0, 1, rows, 48:80]
        assert 60 <= float(seen.argmax(-1).float().median()) + 48 <= 68


def test_cameras_differ_and_some_are_clean(rng: np.random.Generator) -> None:
    changes = [float((Optics(64, 128, rng)(stripes()) - stripes()).abs().max()) for _ in range(60)]
    assert sum(change < 1e-6 for change in changes) >= 3
    assert sum(change > 0.02 for change in changes) >= 20
