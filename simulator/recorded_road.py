"""The road of a recorded drive: where its pixels lie along the trace, and what is laid on it.

Patches are laid on real roads as they are on rendered ones, cell by cell, filtered to the resolution at which they are
seen. A single frame's near field, rectified and repeated, is one more such layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from simulator.camera import Camera
from simulator.geometry import Curve, rotate
from simulator.surface.layer import SurfaceLayer
from simulator.synthesis import RelativePose, Viewpoint, project_ground, sample
from simulator.world import InvalidInput

REACH_M = 150.0
"""Road beyond is shown as the recorded frame has it."""

CELL_M = 0.05
"""Size of the cells that the near field is rectified to."""

SEAM_M = 2.0
"""Over this length one copy of the near field is faded into the next."""

SHARP, BLURRED = 1.5, 2.5
"""A road point that was recorded from up to ``SHARP`` times its distance now is shown by the frame, and no longer by it
from ``BLURRED`` times on."""


@dataclass(frozen=True)
class NearField:
    """The stretch of a single frame's road that is continued ahead, from the rear axle of the car that took the frame.

    Its length should be a multiple of the dash cycle, lest dashes be cut.

    Attributes:
        start_m: nearest road that is seen well, in front of the bonnet.
        length_m: of one copy; 40 feet, the dash cycle of the United States.
        half_width_m: to each side.
    """

    start_m: float = 7.5
    length_m: float = 12.192
    half_width_m: float = 6.0

    def __post_init__(self) -> None:
        if not (self.start_m > 2 and self.length_m > 2 * SEAM_M and self.half_width_m > 0):
            raise InvalidInput(
                f"near field: {self} must start more than 2 m ahead, be longer than {2 * SEAM_M:g} m and have a width"
            )


class RecordedRoad:
    """What lies on the road along a trace.

    Args:
        curve: the trace of the rear axle, one curve.
    """

    def __init__(self, curve: Curve) -> None:
        self._curve = curve
        self._continued: SurfaceLayer | None = None

    def continue_from(self, frame: Tensor, source: Camera, near: NearField, until_m: float) -> None:
        """Rectify the near field of the frame taken at the start of the trace, its origin, and repeat it ahead.

        Args:
            frame: ``(3, H, W)`` float in [0, 1].
            source: that took it.
            near: what to repeat.
            until_m: how far the car will go.
        """
        rows, seam = round(near.length_m / CELL_M), round(SEAM_M / CELL_M)
        columns = round(2 * near.half_width_m / CELL_M)
        s = near.start_m + (torch.arange(rows + seam, dtype=torch.float64) + 0.5) * CELL_M
        d = near.half_width_m - (torch.arange(columns, dtype=torch.float64) + 0.5) * CELL_M
        s, d = (grid.reshape(1, -1) for grid in torch.meshgrid(s, d, indexing="ij"))
        x, y = self._curve.to_cartesian(s, d)
        shape = rows + seam, columns
        colour, inside = sample(frame, *project_ground(source, x.reshape(shape), y.reshape(shape)))
        stretch = torch.cat([colour, inside[None].to(colour)])
        fade = ((torch.arange(seam, dtype=colour.dtype) + 0.5) / seam)[:, None]
        start = torch.lerp(stretch[:, rows:], stretch[:, :seam], fade)
        copy = torch.cat([start, stretch[:, seam:rows]], 1)
        copies = math.ceil((until_m + REACH_M / 2) / (rows * CELL_M))
        texture = copy.repeat(1, copies, 1)[None]
        hidden = texture[:, 3:]
        self._continued = SurfaceLayer(
            add=texture[:, :3] * hidden,
            s_m=near.start_m,
            d_m=0.0,
            length_m=copies * rows * CELL_M,
            width_m=columns * CELL_M,
            keep=1 - hidden,
        )

    def dress(
        self,
        picture: Tensor,
        seen: Tensor,
        view: Viewpoint,
        pose: RelativePose,
        recorded: tuple[Tensor, Tensor, Tensor],
        layers: Sequence[SurfaceLayer],
        index: int,
    ) -> tuple[Tensor, Tensor]:
        """Put on the road of a picture what lies there.

        Args:
            picture: ``(3, H, W)`` synthesised view.
            seen: ``(H, W)`` bool, which pixels the recorded frame shows.
            view: that made it.
            pose: of the car relative to the recorded frame.
            recorded: x, y, yaw of the car that took the frame.
            layers: lowest first; arc length along the trace, lateral position relative to it.
            index: which world this is, for layers that differ between worlds.

        Returns:
            ``(3, H, W)`` in [0, 1] and which pixels are known now.
        """
        if not layers and self._continued is None:
            return picture, seen
        ground = view.is_ground & (view.ground_x_m < REACH_M)
        first = int(ground.all(1).int().argmax()) if bool(ground.all(1).any()) else len(ground)
        if first >= len(ground) - 1:
            return picture, seen
        x, y = (part[first:] for part in view.ground_from(pose))
        dx, dy = rotate(x, y, recorded[2])
        guess = self._arc_guess(recorded) + x.detach()
        s, d = self._curve.to_frenet(
            (recorded[0] + dx)[None], (recorded[1] + dy)[None], guess[None], iterations=2
        )
        road = Pixels(s[0], d[0])
        part, known, hood = picture[:, first:], seen[first:], view.hood[first:]
        if self._continued is not None:
            laid = road.look_up(self._continued, index)
            depth = (view.ground_x_m[first:] - view.target.mount.x_m).clamp_min(0.1)
            stretched = (x - view.source.mount.x_m) / depth
            worn = ((stretched.detach() - SHARP) / (BLURRED - SHARP)).clamp(0, 1).to(part)
            worn = torch.where(known, worn, torch.ones_like(worn))
            covered = worn * laid[-1]
            # the layer's colours are multiplied by what they cover already
            part = part * (1 - covered) + worn * laid[:-1]
            known = known | (laid[-1] > 0.5)
        for layer in layers:
            laid = road.look_up(layer, index)
            if layer.keep is not None:
                laid, part = laid[:-1], part * (1 - laid[-1])
            part = part + laid
        part = torch.where(hood, picture[:, first:], part.clamp(0, 1))
        return torch.cat([picture[:, :first], part], 1), torch.cat([seen[:first], known])

    def _arc_guess(self, recorded: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Arc length of the trace nearest to a recorded pose."""
        table = self._curve.table[0]
        distance = (table[:, 0] - recorded[0]) ** 2 + (table[:, 1] - recorded[1]) ** 2
        return self._curve.start_m + distance.argmin() * self._curve.step_m


@dataclass(frozen=True)
class Pixels:
    """Where the road pixels of a picture lie along the trace.

    Attributes:
        s_m: ``(G, W)`` arc length.
        d_m: ``(G, W)`` lateral position.
    """

    s_m: Tensor
    d_m: Tensor

    def look_up(self, layer: SurfaceLayer, index: int) -> Tensor:
        """A layer's channels (``add``, and ``1 - keep`` if it has one) at every pixel, ``(C, G, W)``; 0 outside."""
        start, centre = layer.place(index)
        (length, width), ripmap = layer.cell_m, layer.ripmap
        along, across = self._footprint()
        level = ripmap.choose(along / length, across / width)
        place = ripmap.placement(level, torch.float64)
        (to_y, y0), (to_x, x0) = ((f[:, None], o[:, None]) for f, o in (place.along, place.across))
        y = (self.s_m - start) / length * to_y + y0
        x = (centre + layer.width_m / 2 - self.d_m) / width * to_x + x0
        y = torch.minimum(torch.maximum(y, place.limits_y[0][:, None]), place.limits_y[1][:, None])
        x = torch.minimum(torch.maximum(x, place.limits_x[0][:, None]), place.limits_x[1][:, None])
        dtype = layer.add.dtype
        return ripmap.look_up(x.to(dtype), y.to(dtype), min(index, len(layer.add) - 1))

    def _footprint(self) -> tuple[Tensor, Tensor]:
        """Length and width of road in a pixel of each row, ``(G,)``, at the middle column."""
        with torch.no_grad():
            middle = self.s_m.shape[1] // 2
            s = self.s_m[:, middle]
            along = (s[1:] - s[:-1]).abs()
            across = (self.d_m[:, middle] - self.d_m[:, middle - 1]).abs()
            return torch.cat([along[:1], along]), across
