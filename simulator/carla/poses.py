"""Poses as CARLA has them, and their conversion to the frame of everything else.

Convention: CARLA's frame is left-handed: x forward, y to the right, z up; yaw clockwise seen from above, pitch
positive upwards, roll positive to the right, all in degrees. A pose is ``(x, y, z, pitch, yaw, roll)``. The rest of
the project has ISO 8855; only this module and its package know CARLA's.
"""

from __future__ import annotations

import math

Vector = tuple[float, float, float]
Pose = tuple[float, float, float, float, float, float]
Matrix = tuple[Vector, Vector, Vector]

ORIGIN: Pose = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
NOWHERE: Vector = (0.0, 0.0, 0.0)


def rotation(pose: Pose) -> Matrix:
    """Rows of the matrix from a pose's own axes to the world's."""
    pitch, yaw, roll = (math.radians(angle) for angle in pose[3:])
    cp, sp = math.cos(pitch), math.sin(pitch)
    cy, sy = math.cos(yaw), math.sin(yaw)
    cr, sr = math.cos(roll), math.sin(roll)
    return (
        (cy * cp, cy * sp * sr - sy * cr, -cy * sp * cr - sy * sr),
        (sy * cp, sy * sp * sr + cy * cr, -sy * sp * cr + cy * sr),
        (sp, -cp * sr, cp * cr),
    )


def apply(matrix: Matrix, vector: Vector) -> Vector:
    """A vector of a pose's own axes in the world's."""
    x, y, z = vector
    a, b, c = matrix
    return (
        a[0] * x + a[1] * y + a[2] * z,
        b[0] * x + b[1] * y + b[2] * z,
        c[0] * x + c[1] * y + c[2] * z,
    )


def compose(parent: Pose, child: Pose) -> Pose:
    """The pose in the world of what has the pose ``child`` in the frame of ``parent``."""
    if parent[3] == 0.0 and parent[5] == 0.0:
        # most parents stand upright: they only add their yaw, and the other angles stay as they are to the bit
        yaw = math.radians(parent[4])
        cos, sin = math.cos(yaw), math.sin(yaw)
        x, y, z, pitch, turn, roll = child
        place = parent[0] + cos * x - sin * y, parent[1] + sin * x + cos * y, parent[2] + z
        return (*place, pitch, parent[4] + turn, roll)
    outer, inner = rotation(parent), rotation(child)
    x, y, z = apply(outer, child[:3])
    columns = tuple(zip(*inner, strict=True))
    (m00, m10, m20), (_, _, m21), (_, _, m22) = (apply(outer, column) for column in columns)
    pitch = math.asin(min(max(m20, -1.0), 1.0))
    yaw, roll = math.atan2(m10, m00), math.atan2(-m21, m22)
    angles = math.degrees(pitch), math.degrees(yaw), math.degrees(roll)
    return (parent[0] + x, parent[1] + y, parent[2] + z, *angles)


def to_iso(pose: Pose) -> Pose:
    """x, y, z [m], and pitch, yaw, roll [rad] in ISO axes: pitch positive down, yaw counter-clockwise."""
    x, y, z, pitch, yaw, roll = pose
    return x, -y, z, -math.radians(pitch), -math.radians(yaw), math.radians(roll)


def from_iso(pose: Pose) -> Pose:
    """The inverse of ``to_iso``."""
    x, y, z, pitch, yaw, roll = pose
    return x, -y, z, -math.degrees(pitch), -math.degrees(yaw), math.degrees(roll)


def pose_of(message: object) -> Pose:
    """A pose out of a ``Transform`` message ``[[x, y, z], [pitch, yaw, roll]]``.

    Raises:
        ValueError: it is none, or a number in it is not finite.
    """
    if not (isinstance(message, list) and len(message) == 2):
        raise ValueError(f"{message!r} is no transform")
    location, angles = vector_of(message[0]), vector_of(message[1])
    return (*location, *angles)


def vector_of(message: object) -> Vector:
    """Three finite numbers.

    Raises:
        ValueError: it is not that.
    """
    if not (isinstance(message, list) and len(message) == 3):
        raise ValueError(f"{message!r} is no vector")
    x, y, z = (finite(number) for number in message)
    return x, y, z


def finite(number: object) -> float:
    """A number of reasonable size.

    Raises:
        ValueError: it is not one.
    """
    if isinstance(number, (int, float)) and abs(number) < 1e9:
        return float(number)
    raise ValueError(f"{number!r} is no number that can be used")


def transform_of(pose: Pose) -> list[list[float]]:
    """A ``Transform`` message."""
    return [list(pose[:3]), list(pose[3:])]
