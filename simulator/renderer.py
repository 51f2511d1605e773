"""The camera's picture of a Scene, in torch: batched, differentiable, without aliasing.

A pixel's ray meets the road at a point; the point's place along and across the road says which texels of the surface
it shows; the light of the scene falls on them, air comes between, and the sensor adds its noise. Geometry varies
smoothly along a pixel row, so it is worked out at every row but only at every 32nd column, and interpolated linearly:
between them the curve of a lane is replaced by its chord.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from simulator.camera import Camera, Mounts
from simulator.drawing import draw_boxes
from simulator.geometry import rotate
from simulator.lens import Lens
from simulator.objects import Boxes, pick
from simulator.roads.place import stack_curves
from simulator.scene import Scene
from simulator.sky import Panorama
from simulator.snapshots import Laid, Sight, Snapshots
from simulator.surface.bake import Surface, bake
from simulator.surface.layer import SurfaceLayer
from simulator.texels import RoadTexels
from simulator.views import GroundView, RayCast
from simulator.weather import Light
from simulator.world import VehicleState

FARTHEST_M = 400.0
"""Ground beyond is drawn as the ground there."""

_NODE_SPACING_PX = 32

_LANE_BORDER_M = 1.8


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
        spans = max(1, round(camera.width / _NODE_SPACING_PX))
        self._road = RoadTexels(self._surfaces, camera.width, spans, dtype, device)
        self._lights = [Light.of(scene.weather) for scene in unique]
        self._lens = Lens(
            camera, [(scene.seed, light) for scene, light in zip(unique, self._lights, strict=True)]
        )
        self._u = torch.linspace(0, camera.width, spans + 1, dtype=dtype, device=device)
        self._v = torch.arange(camera.height, dtype=dtype, device=device) + 0.5
        self._ground_light = self._light_tensor("ground")
        self._horizon = self._light_tensor("sky_horizon")
        self._extinction = self._light_tensor("extinction_per_m")
        self._fog, self._fog_distance = self._light_tensor("fog_per_m"), self._light_tensor("fog_distance_m")
        self._gloss = self._light_tensor("gloss")
        self._headlights = self._light_tensor("headlights")
        self._usual_mounts = Mounts.of(camera.mount, 1, dtype, device)
        self._usual_rays = self._cast(self._usual_mounts)
        self._usual_light = self.illuminate(self._usual_rays, torch.arange(len(unique), device=device))
        self._snapshots: Snapshots | None = None

    def _light_tensor(self, name: str) -> Tensor:
        return torch.tensor(
            [getattr(light, name) for light in self._lights], dtype=self.dtype, device=self.device
        )

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
            exposure: ``(N,)`` factor on the brightness of the picture; the camera's own where None.

        Returns:
            ``(N, 3, H, W)`` in [0, 1], RGB.
        """
        n = len(state)
        rays, ground, index = self.look(state, s_m, mounts, world)
        mounts = mounts or self._usual_mounts
        texels = self._road.find(ground, index)
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
            road = self._surfaces[scene].albedo.look_up(*texels.grid(i))
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
        elif self.camera.exposure != 1:
            picture = picture * self.camera.exposure
        return self._lens(picture, index, frame_index)

    def photograph(
        self, state: VehicleState, s_m: Tensor, frame_index: int | Tensor, layers: Sequence[SurfaceLayer] = (),
        boxes: Boxes | None = None,
    ) -> Tensor:  # fmt: skip
        """The picture of every world as bytes: ``(N, H, W, 3) uint8``, RGB, without gradients.

        The same as calling, rounded, but for single steps where rounding was close; several times faster on a CPU.
        The arguments are those of calling.
        """
        with torch.no_grad():
            if self.dtype != torch.float32 or self._scene_of.device.type != "cpu":
                return to_uint8(self(state, s_m, frame_index, layers, boxes))
            if self._snapshots is None:
                self._surfaces = [replace(s, albedo=s.albedo.interleaved()) for s in self._surfaces]
                sights = [
                    Sight.of(surface.albedo, panorama, air, light, self.camera.width)
                    for surface, panorama, air, light in zip(
                        self._surfaces, self._panoramas, *self._usual_light, strict=True
                    )
                ]
                self._snapshots = Snapshots(self.camera, self._usual_rays, sights, self._lens)
            _, ground, index = self.look(state, s_m)
            laid = [[self._found(layer, ground, i) for layer in layers] for i in range(len(state))]
            lights = [self._lights[scene] for scene in index.tolist()]

            def draw(i: int, picture: Tensor) -> Tensor:
                assert boxes is not None
                one = slice(i, i + 1)
                return draw_boxes(picture, pick(boxes, one), self.camera, pick(state, one), lights[one])

            return self._snapshots(
                self._road.find(ground, index), state.yaw_rad, index, frame_index, laid,
                None if boxes is None else draw,
            )  # fmt: skip

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
        middle = len(self._u) // 2
        range_m = torch.hypot(ahead[..., middle], left[..., middle])
        change = (range_m[:, 1:] - range_m[:, :-1]).abs()
        azimuth = torch.atan2(rays[:, :last, :, 1], rays[:, :last, :, 0])
        # who looks backwards sees the angles jump by a turn; between nodes they must not
        turns = ((azimuth - azimuth[:, :1, middle, None]) / (2 * math.pi)).detach().round()
        azimuth = azimuth - 2 * math.pi * turns
        elevation = torch.atan2(-below, level)[:, :last]
        return RayCast(
            first,
            last,
            ahead,
            left,
            range_m,
            _LANE_BORDER_M * torch.cat([change, change[:, -1:]], 1) / range_m.clamp_min(1.0),
            self._road.fill(share[:, first:last]),
            self._road.fill(azimuth),
            self._road.fill(elevation),
        )

    def _look_down(
        self, rays: RayCast, mounts: Mounts, state: VehicleState, s_m: Tensor, index: Tensor
    ) -> GroundView:
        """Where along and across the roads the rays end."""
        ahead = rays.ahead_m + mounts.x_m[:, None, None]
        left = rays.left_m + mounts.y_m[:, None, None]
        pose = torch.stack([state.x_m, state.y_m, state.yaw_rad, s_m.to(state.x_m)])
        x, y, yaw, s = pose.to(self.dtype)[..., None, None].unbind()
        dx, dy = rotate(ahead, left, yaw)
        which = index if len(self._curves) > 1 else None
        s, d = self._curves.to_frenet(x + dx, y + dy, s + ahead.detach(), 2, which)
        with torch.no_grad():
            along, across = self._footprint(s, d, rays.drift_m)
        return GroundView(s, d, along, across)

    def _footprint(self, s: Tensor, d: Tensor, drift: Tensor) -> tuple[Tensor, Tensor]:
        """Length and width of road in a pixel of each row, at the column where the row meets the ego lane."""
        rows, columns = s.shape[1:]
        near = d.abs().argmin(-1).clamp_max(columns - 2)
        # the last row is as its neighbour
        above = torch.arange(rows, device=s.device).clamp_max(rows - 2) * columns
        here = near + above
        probe = torch.cat([here, here + 1, here + columns], 1)
        (s_here, s_beside, s_below), (d_here, d_beside, d_below) = (
            values.flatten(1).gather(1, probe).chunk(3, 1) for values in (s, d)
        )
        per_px = 1 / float(self._u[1] - self._u[0])
        along = (s_below - s_here).abs() + (s_beside - s_here).abs() * per_px
        # a mark at the lane's border drifts sideways from row to row by perspective alone; half of it is blurred away
        slant = ((d_below - d_here).abs() + drift) * 0.5
        return along, torch.hypot((d_beside - d_here) * per_px, slant)

    def _found(self, layer: SurfaceLayer, ground: GroundView, i: int) -> Laid | None:
        """What one view sees of a layer, for pictures as bytes."""
        seen = self._see(layer, ground, i)
        if seen is None:
            return None
        near, laid = seen[0], seen[1].permute(1, 2, 0)
        if layer.keep is None:
            return Laid(near, laid.expand(-1, -1, 3), None)
        return Laid(near, laid[..., :-1].expand(-1, -1, 3), 1 - laid[..., -1:])

    def _lay(self, layer: SurfaceLayer, road: Tensor, ground: GroundView, i: int) -> Tensor:
        """Put a layer on the road of one view, touching only the picture rows that it is in."""
        seen = self._see(layer, ground, i)
        if seen is None:
            return road
        near, laid = seen
        part = road[:, near]
        if layer.keep is not None:
            laid, hidden = laid[:-1], laid[-1:]
            part = part * (1 - hidden)
        return torch.cat([road[:, : near.start], part + laid, road[:, near.stop :]], 1)

    def _see(self, layer: SurfaceLayer, ground: GroundView, i: int) -> tuple[slice, Tensor] | None:
        """Ground rows of the picture that may show a layer, and its channels there, ``(C, rows, W)``."""
        found = self.locate(layer, ground, i)
        if found is None:
            return None
        near, x, y = found
        return near, layer.ripmap.look_up(x, y, min(i, len(layer.add) - 1))

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
        y = self._road.fill((ground.s_m[i, near] - start) / length * to_y + y0)
        x = self._road.fill((centre + layer.width_m / 2 - ground.d_m[i, near]) / width * to_x + x0)
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
        before = torch.minimum(rays.range_m, self._fog_distance[index, None])
        clear = torch.exp(self._fog[index, None] * before - self._extinction[index, None] * rays.range_m)
        height = self.camera.mount.z_m
        grazing = 1 - height / torch.sqrt(rays.range_m**2 + height**2)
        mirror = self._gloss[index, None] * (0.03 + 0.6 * grazing**5)
        horizon = self._horizon[index, :, None]
        air = (horizon * (1 - clear * (1 - mirror))[:, None])[..., None]
        light = self._ground_light[index, :, None, None]
        if bool((self._headlights[index] > 0).any()):
            beam = self._road.fill(_beam(rays.ahead_m, rays.left_m) * self._headlights[index, None, None])
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
