"""Clips show what their labels say, and the same seed gives the same bytes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import lkas.clips
from lkas.clips import Clip, EpisodeSpec, render_episode
from lkas.heads import CURVES
from lkas.network import AUXILIARY_ROWS, SKY_ROWS
from simulator.camera import CAMERAS
from simulator.roads.layout import LaneLayout, Paint, Strip
from simulator.roads.segments import Arc, Line, build_road
from simulator.scene import Scene
from simulator.surface.style import SurfaceStyle
from simulator.world import DISTANCES_M

SMALL = EpisodeSpec(clips=2, pairs=2, dirt=0.0)

LEFT_NEAR, RIGHT_NEAR = 2, 3


@pytest.fixture
def clear_road(monkeypatch: pytest.MonkeyPatch) -> list[Clip]:
    """Drives on a gently bent, freshly painted road at noon, through a camera that looks a little to the left."""
    none, solid = Paint("none"), Paint("solid", "white", 0.15)
    shoulder = Strip(2.0, "shoulder")
    layout = LaneLayout((shoulder, Strip(), shoulder), (none, solid, solid, none), 1)
    road = build_road("clear", [Line(120.0), Arc(300.0, 900.0)], layout)
    style = SurfaceStyle(mark_wear=0.0, seams=0.0, cracks=0.0, stains=0.0, asphalt_brightness=0.3)
    camera = CAMERAS["model"].with_mount(yaw_rad=0.01)
    monkeypatch.setattr(lkas.clips, "sample_scene", lambda rng, speed: Scene(road, style))
    monkeypatch.setattr(lkas.clips, "sample_camera", lambda rng: camera)
    monkeypatch.setattr(lkas.clips, "Optics", lambda height, width, rng: lambda frames: frames)
    return render_episode(SMALL, 0, 0)


def brightest_column(luma: Tensor, row: float, column: float) -> float:
    """Centre of the brightest stretch of a picture row near a column; pixel centres at integers + 0.5."""
    first = max(int(column) - 9, 0)
    stretch = luma[int(row), first : int(column) + 10].double()
    weight = (stretch - stretch.median() - 0.4 * (stretch.max() - stretch.median())).clamp_min(0)
    return first + float((weight * (torch.arange(len(stretch)) + 0.5)).sum() / weight.sum())


def luma_of(packed: Tensor) -> Tensor:
    """Luma ``(256, 512)`` of a packed frame ``(128, 256, 6)``."""
    out = torch.empty(256, 512, dtype=torch.uint8)
    out[::2, ::2], out[1::2, ::2], out[::2, 1::2], out[1::2, 1::2] = packed[..., :4].unbind(-1)
    return out


def test_labelled_lines_are_where_the_marks_are(clear_road: list[Clip]) -> None:
    level = CAMERAS["model"]
    errors = []
    for clip in clear_road:
        for t, packed in enumerate(clip.frames[1:]):
            luma = luma_of(packed)
            for curve in (LEFT_NEAR, RIGHT_NEAR):
                y = np.interp([9.0, 12.0, 16.0, 22.0], DISTANCES_M, clip.labels.curves_m[t, curve])
                for x_m, y_m in zip([9.0, 12.0, 16.0, 22.0], y, strict=True):
                    u, v, _ = level.project(torch.tensor([x_m, y_m, 0.0], dtype=torch.float64))
                    if 12 < u < 500 and v < 255:
                        errors.append(brightest_column(luma, float(v), float(u)) - float(u))
    assert len(errors) >= 12
    # the camera bounces by a pixel; a car ahead may hide a mark here and there
    assert abs(float(np.median(errors))) < 1.5
    assert float(np.quantile(np.abs(errors), 0.75)) < 3


def test_columns_are_where_the_marks_are(clear_road: list[Clip]) -> None:
    errors = []
    for clip in clear_road:
        for t, packed in enumerate(clip.frames[1:]):
            luma = luma_of(packed)
            for row in range(2, AUXILIARY_ROWS):
                column = 16 * float(clip.labels.columns[t, LEFT_NEAR, row])
                if 12 < column < 500:
                    errors.append(brightest_column(luma, 2 * SKY_ROWS + 16 * (row + 0.5), column) - column)
    assert len(errors) >= 8
    assert abs(float(np.median(errors))) < 2


def test_shapes_and_what_is_known(clear_road: list[Clip]) -> None:
    assert len(clear_road) == SMALL.clips
    for clip in clear_road:
        assert clip.frames.shape == (SMALL.pairs + 1, 128, 256, 6)
        assert clip.frames.dtype == torch.uint8
        labels = clip.labels
        assert labels.curves_m.shape == (SMALL.pairs, CURVES, 33)
        assert labels.columns.shape == (SMALL.pairs, CURVES, AUXILIARY_ROWS)
        assert labels.pose.shape == (SMALL.pairs, 6)
        # one lane: there are no outer lines
        assert labels.lane_present.tolist() == [[0, 1, 1, 0]] * SMALL.pairs
        assert bool(labels.curves_m[:, [1, 4]].isnan().all())
        near = labels.curves_m[:, :, :10]
        width = near[:, LEFT_NEAR] - near[:, RIGHT_NEAR]
        torch.testing.assert_close(width, torch.full_like(width, 3.6), rtol=0, atol=0.05)
        middle = 0.5 * (near[:, LEFT_NEAR] + near[:, RIGHT_NEAR])
        torch.testing.assert_close(near[:, 0], middle, rtol=0, atol=0.02)
        assert bool((labels.pose[:, 0] > 2).all())
        # a camera that looks to the left sees the car drift to the right
        assert bool((labels.pose[:, 1] < 0).all())
        lead = labels.lead_distance_m
        assert bool((lead.isnan() | (lead > 0)).all())


def test_invisible_paint_is_not_labelled(clear_road: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    scene = lkas.clips.sample_scene(np.random.default_rng(0), 20.0)
    worn = Scene(scene.road, SurfaceStyle(mark_wear=0.82))
    monkeypatch.setattr(lkas.clips, "sample_scene", lambda rng, speed: worn)
    labels = render_episode(EpisodeSpec(clips=1, pairs=1), 0, 0)[0].labels
    assert not bool(labels.lane_present.any())
    assert bool(labels.curves_m[:, 1:].isnan().all())
    assert bool(labels.curves_m[:, 0, :10].isfinite().all())
    assert math.isfinite(float(labels.pose.sum()))


def test_same_seed_and_index_same_bytes_and_others_differ() -> None:
    spec = EpisodeSpec(clips=1, pairs=1)

    def render(seed: int, index: int) -> Clip:
        return render_episode(spec, seed, index)[0]

    first, again = render(3, 5), render(3, 5)
    assert torch.equal(first.frames, again.frames)
    for name, value in vars(first.labels).items():
        assert torch.equal(value.nan_to_num(-9), getattr(again.labels, name).nan_to_num(-9))
    assert not torch.equal(first.frames, render(3, 6).frames)
    assert not torch.equal(first.frames, render(4, 5).frames)
