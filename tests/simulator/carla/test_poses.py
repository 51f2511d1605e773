"""Poses agree with the client's own arithmetic, and come back from ISO axes as they were."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulator.camera import rotation_matrix
from simulator.carla.poses import Pose, apply, compose, from_iso, pose_of, rotation, to_iso

carla = pytest.importorskip("carla")

PARENT: Pose = (10.0, -20.0, 3.0, 12.0, 130.0, -7.0)
CHILD: Pose = (1.5, 0.3, 2.0, -20.0, 40.0, 15.0)


def _transform(pose: Pose) -> object:
    return carla.Transform(carla.Location(*pose[:3]), carla.Rotation(*pose[3:]))


def test_the_matrix_is_the_clients() -> None:
    matrix = np.array(_transform(PARENT).get_matrix())

    assert np.allclose(np.array(rotation(PARENT)), matrix[:3, :3], atol=1e-6)


@pytest.mark.parametrize("parent", [PARENT, (1.0, 2.0, 3.0, 0.0, 75.0, 0.0)])
def test_composition_is_the_product_of_matrices(parent: Pose) -> None:
    expected = np.array(_transform(parent).get_matrix()) @ np.array(_transform(CHILD).get_matrix())

    found = np.array(_transform(compose(parent, CHILD)).get_matrix())

    assert np.allclose(found, expected, atol=1e-5)


def test_iso_axes_are_the_mirror_image(rng: np.random.Generator) -> None:
    import torch

    x, y, z, pitch, yaw, roll = to_iso(CHILD)
    vector = rng.standard_normal(3)
    iso = rotation_matrix(*(torch.tensor(angle, dtype=torch.float64) for angle in (roll, pitch, yaw))).numpy()

    left_handed = apply(rotation(CHILD), (vector[0], -vector[1], vector[2]))

    assert np.allclose(iso @ vector, [left_handed[0], -left_handed[1], left_handed[2]])
    assert from_iso((x, y, z, pitch, yaw, roll)) == pytest.approx(CHILD)


@pytest.mark.parametrize(
    "message",
    [
        [[0, 0, 0]],
        [[0, 0, math.nan], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 1e30]],
        [["a", 0, 0], [0, 0, 0]],
        None,
        7,
    ],
)
def test_what_is_no_pose_is_refused(message: object) -> None:
    with pytest.raises(ValueError, match="is no"):
        pose_of(message)
