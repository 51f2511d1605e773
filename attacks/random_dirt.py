"""Random dirt: the control beside every attack. If this moves a car, no attack figure means anything.

Its families differ from all that drivers train with (``lkas.dirt``), so that it also tests whether a driver has learned
what dirt is or only what its training's dirt looked like.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from attacks.perturbation import AttackResult
from attacks.target import RoadTarget
from attacks.threat import RoadPatchThreat

Field = NDArray[np.float32]


def leaves(rows: int, columns: int, rng: np.random.Generator) -> Field:
    """Litter: many small tilted ellipses, bright and dark."""
    out = np.zeros((rows, columns), np.float32)
    for _ in range(int(rng.uniform(0.01, 0.12) * rows * columns / 8)):
        centre = (int(rng.integers(columns)), int(rng.integers(rows)))
        axes = (int(rng.integers(1, 4)), int(rng.integers(1, 6)))
        cv2.ellipse(
            out, centre, axes, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(-1, 1)), -1, cv2.LINE_AA
        )
    return out


def splatter(rows: int, columns: int, rng: np.random.Generator) -> Field:
    """Blobs: spills of drops, large in the middle and small around it."""
    out = np.zeros((rows, columns), np.float32)
    for _ in range(rng.integers(3, 14)):
        middle, spread = rng.uniform(0, 1, 2) * (columns, rows), rng.uniform(3, 25)
        level = float(rng.choice([-1, 1]) * rng.uniform(0.4, 1))
        for _ in range(rng.integers(5, 60)):
            x, y = middle + rng.normal(0, spread, 2) * (0.5, 1.0)
            radius = max(1, int(rng.exponential(4.0) * math.exp(-math.dist((x, y), middle) / (2 * spread))))
            cv2.circle(out, (int(x), int(y)), radius, level, -1, cv2.LINE_AA)
    return out


def dried_mud(rows: int, columns: int, rng: np.random.Generator) -> Field:
    """Stains with polygonal rims: cells around random points (Voronoi), each of one brightness."""
    count = int(rng.integers(10, 400))
    seeds = np.ones((rows, columns), np.uint8)
    seeds[rng.integers(rows, size=count), rng.integers(columns, size=count)] = 0
    _, label = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    level = rng.uniform(-1, 1, int(label.max()) + 1) * (
        rng.random(int(label.max()) + 1) < rng.uniform(0.3, 1)
    )
    return level.astype(np.float32)[label]


def fractal(rows: int, columns: int, rng: np.random.Generator) -> Field:
    """Noise of all scales at once: power falls with a power of the spatial frequency."""
    along, across = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None]
    frequency = np.sqrt(along**2 * rng.uniform(1, 9) + across**2)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((rows, columns))) * frequency ** (-rng.uniform(0.5, 1.8))
    field = np.fft.irfft2(spectrum, (rows, columns))
    return np.clip(0.5 * field / field.std(), -1, 1).astype(np.float32)


def gravel(rows: int, columns: int, rng: np.random.Generator) -> Field:
    """Noise of single cells, scattered densely or thinly."""
    thrown = rng.random((rows, columns)) < rng.uniform(0.05, 1.0)
    return (rng.uniform(-1, 1, (rows, columns)) * thrown).astype(np.float32)


def smears(rows: int, columns: int, rng: np.random.Generator) -> Field:
    """Broad curved strokes that fade out, at any angle to the road."""
    out = np.zeros((rows, columns), np.float32)
    for _ in range(rng.integers(3, 20)):
        corners = rng.uniform(-0.2, 1.2, (3, 2)) * (columns, rows)
        t = np.linspace(0, 1, 40)[:, None]
        line = (1 - t) ** 2 * corners[0] + 2 * t * (1 - t) * corners[1] + t**2 * corners[2]
        level, thickness = rng.uniform(-1, 1), int(rng.integers(2, 14))
        for k, (a, b) in enumerate(zip(line[:-1].astype(int), line[1:].astype(int), strict=True)):
            cv2.line(
                out,
                tuple(map(int, a)),
                tuple(map(int, b)),
                float(level * (1 - k / 40)),
                thickness,
                cv2.LINE_AA,
            )
    return out


FAMILIES: dict[str, Callable[[int, int, np.random.Generator], Field]] = {
    "leaves": leaves,
    "splatter": splatter,
    "dried_mud": dried_mud,
    "fractal": fractal,
    "gravel": gravel,
    "smears": smears,
}
"""Every family by name; values of each are within [-1, 1]."""


@dataclass(frozen=True)
class RandomDirt:
    """Covers the patch with dirt of one to three families, at the full contrast that the threat allows.

    Attributes:
        families: names of those to draw from.
        rms_brightness: root mean square of the dirt, to compare it with another patch of this energy; dirt that
            cannot be that strong is as strong as it may be. The full contrast where None.
    """

    families: tuple[str, ...] = tuple(FAMILIES)
    rms_brightness: float | None = None

    def run(self, target: RoadTarget, threat: RoadPatchThreat, generator: torch.Generator) -> AttackResult:
        """Draw a patch.

        Args:
            target: where it lies.
            threat: its size, and how far brightness may change.
            generator: source of randomness.

        Raises:
            InvalidInput: the patch does not fit the road, or nothing may change.
        """
        threat.check(target)
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
        rows, columns = threat.shape
        field = np.zeros((rows, columns), np.float32)
        count = int(rng.integers(1, min(3, len(self.families)) + 1))
        for name in rng.choice(self.families, size=count, replace=False):
            field += FAMILIES[str(name)](rows, columns, rng)
        low, high = bounds = threat.bounds(target)
        shares = torch.from_numpy(np.clip(field, -1, 1))
        if not low.any():
            # where nothing may be darker, dark dirt is bright dirt
            shares = shares.abs()
        wish = torch.where(shares > 0, shares * high, -shares * low)
        cells = threat.printed(wish, bounds)
        if self.rms_brightness is not None:
            cells = _as_strong(self.rms_brightness, wish, threat, bounds)
        return AttackResult(threat.patch(target, cells))


def _as_strong(
    rms_brightness: float,
    wish: torch.Tensor,
    threat: RoadPatchThreat,
    bounds: tuple[torch.Tensor, torch.Tensor],
) -> torch.Tensor:
    """Dirt of a root mean square, by bisection over a factor, as near as the threat lets it come."""
    least, most = 0.0, 64.0
    for _ in range(24):
        factor = 0.5 * (least + most)
        strength = float(threat.printed(factor * wish, bounds).square().mean().sqrt())
        least, most = (factor, most) if strength < rms_brightness else (least, factor)
    return threat.printed(most * wish, bounds)
