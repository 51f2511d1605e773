"""The camera's picture of a Scene, in torch: batched, differentiable, without aliasing.

A pixel's ray meets the road at a point; the point's place along and across the road says which texels of the surface
it shows; the light of the scene falls on them, air comes between, and the sensor adds its noise. Geometry varies
smoothly along a pixel row, so it is worked out at every row but only at every 32nd column, and interpolated linearly:
between them the curve of a lane is replaced by its chord.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from simulator.camera import Camera, Mounts
from simulator.geometry import rotate
from simulator.lens import Lens
from simulator.objects import Boxes, draw_boxes
from simulator.roads.place import stack_curves
from simulator.scene import Scene
from simulator.sky import Panorama
from simulator.surface import grid as raster
from simulator.surface.bake import Surface, bake
from simulator.surface.layer import SurfaceLayer
from simulator.views import GroundView, RayCast
from simulator.weather import Light
from simulator.world import VehicleState

FARTHEST_M = 400.0
"""Ground beyond is drawn as the ground there."""

_NODE_SPACING_PX = 32


class Renderer:
    """Pictures of N scenes through one kind of camera.

    Args:
        scenes: one per world, or one for all of them.
        camera: intrinsics and default mount.
        dtype: float32 to look, float64 to check gradients.
        device: where tensors live.
        stretch: render only this stretch of the roads, for short clips; all of them where None.
    """

    def __init__(
        self, scenes: Sequence[Scene], camera: Camera, dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu", stretch: tuple[float, float] | None = None,
    ) -> None:  # fmt: skip
        self.camera, self.dtype, self.device = camera, dtype, device
        unique = list({id(scene): scene for scene in scenes}.values())
        self.scenes = tuple(scenes)
        self._scene_of = torch.tensor([[id(u) for u in unique].index(id(s)) for s in scenes], device=device)
        self._surfaces: list[Surface] = [bake(scene, dtype, device, stretch) for scene in unique]
        self._panoramas = [Panorama.of(scene, dtype, device) for scene in unique]
        self._curves = stack_curves([scene.road for scene in unique], dtype, device)
        self._lights = [Light.of(scene.weather) for scene in unique]
        self._lens = Lens(
            camera, [(scene.seed, light) for scene, light in zip(unique, self._lights, strict=True)]
        )
        spans = max(1, round(camera.width / _NODE_SPACING_PX))
        self._u = torch.linspace(0, camera.width, spans + 1, dtype=dtype, device=device)
        self._v = torch.arange(camera.height, dtype=dtype, device=device) + 0.5
        position = (torch.arange(camera.width, dtype=dtype, device=device) + 0.5) * (spans / camera.width)
        nodes = torch.arange(spans + 1, dtype=dtype, device=device)
        self._hat = (1 - (position - nodes[:, None]).abs()).clamp_min(0)
        self._ground_light = self._light_tensor("ground")
        self._horizon = self._light_tensor("sky_horizon")
        self._extinction = self._light_tensor("extinction_per_m")
        self._gloss = self._light_tensor("gloss")
        self._headlights = self._light_tensor("headlights")
        self._usual_mounts = Mounts.of(camera.mount, 1, dtype, device)
        self._usual_rays = self._cast(self._usual_mounts)
        self._usual_light = self.illuminate(self._usual_rays, torch.arange(len(unique), device=device))

    def _light_tensor(self, name: str) -> Tensor:
        return torch.tensor(
            [getattr(light, name) for light in self._lights], dtype=self.dtype, device=self.device
        )

    def _fill(self, nodes: Tensor) -> Tensor:
        """Interpolate ``(..., K)`` at the node columns to ``(..., W)``."""
        return nodes @ self._hat

    def __call__(
        self, state: VehicleState, s_m: Tensor, frame_index: int | Tensor, layers: Sequence[SurfaceLayer] = (),
        boxes: Boxes | None = None, mounts: Mounts | None = None, world: Tensor | None = None,
        exposure: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Take a picture of every world.

        Args:
            state: the cars, N of them.
            s_m: ``(N,)`` where they are along their roads, to within a few metres.
            frame_index: counts frames, an int or ``(N,)``; chooses the sensor's noise and the rain.
            layers: what lies on the roads, lowest first.
            boxes: cars and other things that stand there.
            mounts: how the cameras are mounted; the camera's own mount where None. Carries gradients.
            world: ``(N,)`` which scene each view is of; view ``i`` is of scene ``i`` where None.
            exposure: ``(N,)`` factor on the brightness of the picture; 1 where None.

        Returns:
            ``(N, 3, H, W)`` in [0, 1], RGB.
        """
        n = len(state)
        rays, ground, index = self.look(state, s_m, mounts, world)
        mounts = mounts or self._usual_mounts
        if rays is self._usual_rays:
            air, light = (part[index] for part in self._usual_light)
        else:
            air, light = self.illuminate(rays, index)
        azimuth = rays.azimuth_rad + state.yaw_rad.to(self.dtype)[:, None, None]
        elevation = rays.elevation_rad.expand_as(azimuth)
        share = rays.share.expand(n, -1, -1)
        picture = air.new_empty(n, 3, self.camera.height, self.camera.width)
        first, seam = rays.first_ground, rays.last_sky - rays.first_ground
        # the rest touches every pixel: one view at a time stays in the processor's cache
        for i, scene in enumerate(index.tolist()):
            road = self._surface(ground, i, self._surfaces[scene])
            for layer in layers:
                road = self._lay(layer, road, ground, i)
            into = None if torch.is_grad_enabled() else picture[i, :, first:]
            lit = torch.mul(road, light[i], out=into).add_(air[i])
            sky = self._panoramas[scene].sample(azimuth[i], elevation[i])
            picture[i, :, :first] = sky[:, :first]
            picture[i, :, first : first + seam] = torch.lerp(sky[:, first:], lit[:, :seam], share[i])
            if into is None:
                picture[i, :, first + seam :] = lit[:, seam:]
        if boxes is not None:
            cameras = mounts.cameras(self.camera) if len(mounts.x_m) == n else self.camera
            picture = draw_boxes(
                picture, boxes, cameras, state, [self._lights[scene] for scene in index.tolist()]
            )
        if exposure is not None:
            picture = picture * exposure.to(self.dtype)[:, None, None, None]
        return self._lens(picture, index, frame_index)

    def _cast(self, mounts: Mounts) -> RayCast:
        """Follow the rays of mounted cameras until they meet the road or leave for the sky."""
        rays = mounts.rays(self.camera, self._u, self._v)
        level = torch.sqrt(rays[..., 0] ** 2 + rays[..., 1] ** 2)
        below = -rays[..., 2]
        share = (below * self.camera.fy + 0.5).clamp(0, 1)
        height = mounts.z_m[:, None, None]
        reach = height / torch.maximum(below, level * height / FARTHEST_M)
        with torch.no_grad():
            has_ground = (share > 0).any(2).any(0)
            first = int(has_ground.int().argmax()) if bool(has_ground.any()) else self.camera.height - 1
            has_sky = torch.nonzero((share < 1).any(2).any(0))
            last = max(first, int(has_sky.max()) + 1 if len(has_sky) else 0)
        ahead, left = (rays[..., 0] * reach)[:, first:], (rays[..., 1] * reach)[:, first:]
        azimuth = torch.atan2(rays[:, :last, :, 1], rays[:, :last, :, 0])
        elevation = torch.atan2(-below, level)[:, :last]
        return RayCast(
            first,
            last,
            ahead,
            left,
            ahead[..., len(self._u) // 2],
            self._fill(share[:, first:last]),
            self._fill(azimuth),
            self._fill(elevation),
        )

    def _look_down(
        self, rays: RayCast, mounts: Mounts, state: VehicleState, s_m: Tensor, index: Tensor
    ) -> GroundView:
        """Where along and across the roads the rays end."""
        ahead = rays.ahead_m + mounts.x_m[:, None, None]
        left = rays.left_m + mounts.y_m[:, None, None]
        dx, dy = rotate(ahead, left, state.yaw_rad.to(self.dtype)[:, None, None])
        x, y = state.x_m.to(self.dtype)[:, None, None] + dx, state.y_m.to(self.dtype)[:, None, None] + dy
        table = self._curves.table
        curve = replace(
            self._curves, table=table.expand(len(index), -1, -1) if len(table) == 1 else table[index]
        )
        s, d = curve.to_frenet(x, y, s_m.to(self.dtype)[:, None, None] + ahead.detach(), iterations=2)
        with torch.no_grad():
            along, across = self._footprint(s, d, rays.ahead_m)
        return GroundView(s, d, along, across)

    def _footprint(self, s: Tensor, d: Tensor, ahead: Tensor) -> tuple[Tensor, Tensor]:
        """Length and width of road in a pixel of each row, at the column where the row meets the ego lane."""
        near = d.abs().argmin(-1, keepdim=True).clamp(0, d.shape[-1] - 2)
        spacing = float(self._u[1] - self._u[0])

        def per_row(values: Tensor) -> Tensor:
            change = (values[:, 1:] - values[:, :-1]).abs()
            return torch.cat([change, change[:, -1:]], 1).expand(len(near), -1, -1).gather(-1, near)

        s_near, d_near = s.gather(-1, near), d.gather(-1, near)
        ds_col = (s.gather(-1, near + 1) - s_near).abs() / spacing
        dd_col = (d.gather(-1, near + 1) - d_near).abs() / spacing
        # a mark at the lane's border drifts sideways from row to row by perspective alone; half of it is blurred away
        drift = 1.8 * per_row(ahead) / ahead.expand(len(near), -1, -1).gather(-1, near).clamp_min(1.0)
        along = per_row(s) + ds_col
        across = torch.sqrt(dd_col**2 + (0.5 * (per_row(d) + drift)) ** 2)
        return along.squeeze(-1), across.squeeze(-1)

    def _surface(self, ground: GroundView, i: int, surface: Surface) -> Tensor:
        """Colour of the road in one view: ``(3, G, W)``."""
        ripmap, grid = surface.albedo, surface.grid
        level = ripmap.choose(ground.along_m[i] / raster.LENGTH_M, ground.across_m[i] / raster.WIDTH_M)
        place = ripmap.placement(level, self.dtype)
        (to_y, y0), (to_x, x0) = ((f[:, None], o[:, None]) for f, o in (place.along, place.across))
        reach = raster.reach_m()
        d = ground.d_m[i].clamp(-reach, reach)
        core = d.clamp(-raster.CORE_M, raster.CORE_M)
        # texel positions are affine along each row and worked out at the nodes, but for the far rows that see beyond
        # the core of the raster, where texels grow wider
        y = self._fill(grid.row_of(ground.s_m[i]).clamp(0.5, grid.rows - 0.5) * to_y + y0)
        x = self._fill((raster.MIDDLE + raster.BY_D * d + raster.BY_CORE * core) * to_x + x0)
        beyond = torch.nonzero((core != d).any(-1))
        if len(beyond):
            far = slice(0, int(beyond.max()) + 1)
            middle = self._fill(d[far]).clamp(-raster.CORE_M, raster.CORE_M)
            wide = self._fill((raster.MIDDLE + raster.BY_D * d[far]) * to_x[far] + x0[far])
            x[far] = torch.addcmul(wide, middle, raster.BY_CORE * to_x[far])
        return ripmap.look_up(x, y)

    def _lay(self, layer: SurfaceLayer, road: Tensor, ground: GroundView, i: int) -> Tensor:
        """Put a layer on the road of one view, touching only the picture rows that it is in."""
        found = self.locate(layer, ground, i)
        if found is None:
            return road
        near, x, y = found
        laid = layer.ripmap.look_up(x, y, min(i, len(layer.add) - 1))
        part = road[:, near]
        if layer.keep is not None:
            laid, hidden = laid[:-1], laid[-1:]
            part = part * (1 - hidden)
        return torch.cat([road[:, : near.start], part + laid, road[:, near.stop :]], 1)

    def locate(self, layer: SurfaceLayer, ground: GroundView, i: int) -> tuple[slice, Tensor, Tensor] | None:
        """Where one view looks at a layer.

        Returns:
            Which ground rows of the picture may show it, and for these where in the atlas of the layer's ripmap every
            pixel looks, x and y ``(rows, W)`` each; None where the layer is out of sight.
        """
        start, centre = layer.place(i)
        with torch.no_grad():
            margin = ground.along_m[i] + 1.0
            s = ground.s_m[i]
            inside = (s.amax(-1) > start - margin) & (s.amin(-1) < start + layer.length_m + margin)
            rows = torch.nonzero(inside).flatten()
        if not len(rows):
            return None
        near = slice(int(rows[0]), int(rows[-1]) + 1)
        (length, width), ripmap = layer.cell_m, layer.ripmap
        level = ripmap.choose(ground.along_m[i, near] / length, ground.across_m[i, near] / width)
        place = ripmap.placement(level, self.dtype)
        (to_y, y0), (to_x, x0) = ((f[:, None], o[:, None]) for f, o in (place.along, place.across))
        y = self._fill((ground.s_m[i, near] - start) / length * to_y + y0)
        x = self._fill((centre + layer.width_m / 2 - ground.d_m[i, near]) / width * to_x + x0)
        y = torch.minimum(torch.maximum(y, place.limits_y[0][:, None]), place.limits_y[1][:, None])
        x = torch.minimum(torch.maximum(x, place.limits_x[0][:, None]), place.limits_x[1][:, None])
        return near, x, y

    def look(
        self, state: VehicleState, s_m: Tensor, mounts: Mounts | None = None, world: Tensor | None = None
    ) -> tuple[RayCast, GroundView, Tensor]:
        """Where the pixels of every view look, and which scene each view is of."""
        index = self._scene_of[world] if world is not None else self._scene_of.expand(len(state))
        rays = self._usual_rays if mounts is None else self._cast(mounts)
        return rays, self._look_down(rays, mounts or self._usual_mounts, state, s_m, index), index

    def illuminate(self, rays: RayCast, index: Tensor) -> tuple[Tensor, Tensor]:
        """What the air adds and the factor on the road's colour, ``(N, 3, G, 1 or W)`` each.

        A wet road mirrors the horizon the more, the flatter one looks (Schlick's approximation of Fresnel's law).
        """
        clear = torch.exp(-self._extinction[index, None] * rays.range_m)
        height = self.camera.mount.z_m
        grazing = 1 - height / torch.sqrt(rays.range_m**2 + height**2)
        mirror = self._gloss[index, None] * (0.03 + 0.6 * grazing**5)
        horizon = self._horizon[index, :, None]
        air = (horizon * (1 - clear * (1 - mirror))[:, None])[..., None]
        light = self._ground_light[index, :, None, None]
        if bool((self._headlights[index] > 0).any()):
            beam = self._fill(_beam(rays.ahead_m, rays.left_m) * self._headlights[index, None, None])
            light = light + beam[:, None] * beam.new_tensor([1.0, 0.97, 0.90])[:, None, None]
        return air, light * (clear * (1 - mirror))[:, None, :, None]


def _beam(ahead_m: Tensor, left_m: Tensor) -> Tensor:
    """Brightness that dipped headlights give the road: a cone that fades with distance; 1 at its brightest."""
    spread = 1.6 + 0.22 * ahead_m
    near = ahead_m / (ahead_m + 4.0)
    return near * torch.exp(-((left_m / spread) ** 2) - (ahead_m / 38.0) ** 1.5)


def to_uint8(image: Tensor) -> Tensor:
    """``(N, 3, H, W)`` float in [0, 1] to ``(N, H, W, 3)`` uint8, rounded to nearest."""
    return (image * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
