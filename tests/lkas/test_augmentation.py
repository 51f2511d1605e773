"""Changes keep frames and labels together."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lkas.augmentation import Changes, mirror
from lkas.clips import Clip
from lkas.frames import pack_yuv
from lkas.heads import CURVES
from lkas.losses import Labels
from lkas.network import AUXILIARY_COLUMNS, SKY_ROWS


def line_clip(column_px: int = 120) -> Clip:
    """Three dark frames with one white vertical line, labelled as the left near line."""
    rgb = torch.full((3, 256, 512, 3), 60, dtype=torch.uint8)
    rgb[:, :, column_px : column_px + 2] = 255
    frames = pack_yuv(rgb).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    columns = torch.full((2, CURVES, 14), math.nan)
    columns[:, 2] = (column_px + 1) / 16
    curves = torch.full((2, CURVES, 33), math.nan)
    curves[:, 2] = 1.7
    present = torch.tensor([[0.0, 1.0, 0.0, 0.0]]).repeat(2, 1)
    return Clip(frames, Labels(curves, present, torch.full((2,), 30.0), torch.ones(2, 6), columns))


def unchanged(size: int, mirrored: bool = False, fresh: bool = False) -> Changes:
    """No change of bytes."""
    tables = torch.arange(256, dtype=torch.uint8).expand(size, 6, 256)
    return Changes(torch.full((size,), mirrored), torch.full((size,), fresh), tables)


def test_mirror_twice_is_nothing(rng: np.random.Generator) -> None:
    frames = rng.integers(0, 256, (2, 4, 8, 6), dtype=np.uint8)
    assert not np.array_equal(mirror(frames), frames)
    np.testing.assert_array_equal(mirror(mirror(frames)), frames)


def test_mirror_of_packed_is_packed_mirror(rng: np.random.Generator) -> None:
    rgb = torch.from_numpy(rng.integers(0, 256, (1, 8, 12, 3), dtype=np.uint8))

    def packed(frames: torch.Tensor) -> np.ndarray:
        return pack_yuv(frames).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()

    np.testing.assert_array_equal(mirror(packed(rgb)), packed(rgb.flip(2)))


@pytest.mark.parametrize("mirrored", [False, True])
def test_labels_stay_on_the_line(mirrored: bool) -> None:
    clip = line_clip()
    changes = unchanged(1, mirrored)
    frames, labels = changes.frames([clip]), changes.labels([clip])
    luma = frames[1, 0, 40, :, :4].float().mean(-1)
    cell = (float(luma.argmax()) + 0.5) * AUXILIARY_COLUMNS / 256
    curve = 3 if mirrored else 2
    assert float(labels.columns[0, 0, curve, 5]) == pytest.approx(cell, abs=0.1)
    assert float(labels.curves_m[0, 0, curve, 3]) == pytest.approx(-1.7 if mirrored else 1.7)
    assert labels.lane_present[0, 0].tolist() == ([0, 0, 1, 0] if mirrored else [0, 1, 0, 0])


def test_nothing_changed_is_the_clip_without_sky() -> None:
    clip = line_clip()
    frames = unchanged(2).frames([clip, clip])
    assert frames.shape == (3, 2, 128 - SKY_ROWS, 256, 6)
    assert torch.equal(frames[:, 1], clip.frames[:, SKY_ROWS:])


def test_fresh_eyes_have_no_earlier_frame(rng: np.random.Generator) -> None:
    clip = line_clip()
    noise = torch.from_numpy(rng.integers(0, 256, tuple(clip.frames.shape), dtype=np.uint8))
    frames = unchanged(1, fresh=True).frames([Clip(noise, clip.labels)])
    assert torch.equal(frames[0], frames[1])
    assert torch.equal(frames[1, 0], noise[1, SKY_ROWS:])


def test_tables_are_looked_up_plane_by_plane() -> None:
    clip = line_clip()
    changes = unchanged(1)
    tables = changes.tables.clone()
    tables[0, 5] = 255 - tables[0, 5]
    frames = Changes(changes.mirrored, changes.fresh, tables).frames([clip])[:, 0]
    assert torch.equal(frames[..., :5], clip.frames[:, SKY_ROWS:, :, :5])
    assert torch.equal(frames[..., 5], 255 - clip.frames[:, SKY_ROWS:, :, 5])


def test_samples_are_reproducible_and_gentle() -> None:
    def draw(seed: int) -> Changes:
        return Changes.sample(64, 0.5, torch.Generator().manual_seed(seed))

    first = draw(0)
    assert torch.equal(first.tables, draw(0).tables)
    assert not torch.equal(first.tables, draw(1).tables)
    assert 10 < int(first.mirrored.sum()) < 54
    assert 10 < int(first.fresh.sum()) < 54
    # brighter stays brighter, and no picture turns black or white
    assert bool((first.tables.int().diff(dim=-1) >= 0).all())
    assert bool((first.tables[:, 0, 235].int() - first.tables[:, 0, 40].int() > 80).all())
    assert not bool(Changes.sample(64, 1.0, torch.Generator().manual_seed(0)).fresh.any())
