"""Structural similarity by pencil and paper, and of a road with and without a patch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attacks.perturbation import RoadPatch
from scenarios.plugins.sight import DISTANCES_M, patch_similarity, structural_similarity
from simulator.camera import Camera
from simulator.embedded import EmbeddedWorld, Start
from simulator.roads.layout import LaneLayout
from simulator.roads.segments import Line, build_road
from simulator.scene import Scene


def grey(value: float) -> np.ndarray:
    return np.full((32, 40, 3), value, np.uint8)


def test_equal_pictures_are_one(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (32, 40, 3), np.uint8)
    assert structural_similarity(picture, picture) == pytest.approx(1.0)


def test_of_even_greys_only_the_mean_counts() -> None:
    """Without contrast SSIM is (2 a b + C1) / (a^2 + b^2 + C1), C1 = (0.01 * 255)^2."""
    expected = (2 * 100 * 50 + 2.55**2) / (100**2 + 50**2 + 2.55**2)
    assert structural_similarity(grey(100), grey(50)) == pytest.approx(expected)


def test_opposite_contrast_is_dissimilar(rng: np.random.Generator) -> None:
    noise = rng.integers(-60, 61, (64, 64, 1)).repeat(3, 2)
    one, other = ((128 + sign * noise).astype(np.uint8) for sign in (1, -1))
    assert structural_similarity(one, other) < -0.8


def test_a_stronger_and_a_nearer_patch_stand_out_more() -> None:
    scene = Scene(build_road("line", [Line(120.0)], LaneLayout.two_way()))
    camera = Camera("small", 128, 64, 228.0, 228.0, 64.0, 12.0)
    world = EmbeddedWorld([scene, scene], Start(), cameras=[camera], ahead=False)
    patches = [RoadPatch(torch.full((20, 8), value), 60.0, 0.0, 20.0, 4.0) for value in (0.02, 0.3)]
    with torch.no_grad():
        channels = patch_similarity(world, patches)
    assert channels is not None
    faint, strong = (channel.values for channel in channels)
    assert faint.shape == (len(DISTANCES_M),)
    assert (strong < faint).all()
    assert (faint <= 1.0).all()
    assert strong[0] > strong[1] > strong[2]
    assert patch_similarity(EmbeddedWorld([scene], Start(), ahead=False), patches[:1]) is None
