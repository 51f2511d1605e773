"""Clips: short stretches of driving in random places, rendered and labelled, to learn from.

One *episode* is one random place; it is painted once and driven through several times, each time with another motion,
camera mount, exposure, dirt and traffic. Each drive is one clip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from lkas.dirt import sample_dirt
from lkas.domain import Motion, sample_camera, sample_motion, sample_scene, sample_speed
from lkas.frames import pack_yuv
from lkas.heads import CURVES
from lkas.losses import Labels
from lkas.network import AUXILIARY_ROWS, SKY_ROWS
from lkas.optics import Optics
from simulator.camera import CAMERAS, Camera, Mounts
from simulator.geometry import rotate
from simulator.objects import OTHER_CAR_LENGTH_M, Boxes, pick
from simulator.renderer import Renderer
from simulator.roads.ahead import Lines, look_ahead
from simulator.roads.road import Road
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.vehicle import VehicleParameters
from simulator.world import CAMERA_PERIOD_S, DISTANCES_M, VehicleState

_VIEW_M = 195.0
"""How much road ahead of the last frame is painted."""

_START_SPREAD_M = 30.0
"""Drives of one episode start within so many metres."""

_LARGEST_RENDER = 8
"""Views rendered at a time: more would not stay in the processor's cache."""

# a line nobody could see is not there
_INVISIBLE_WEAR = 0.8

# where curves are sampled to find their pixels
_SAMPLES_M = torch.logspace(math.log10(3.0), math.log10(190.0), 80, dtype=torch.float64)


@dataclass(frozen=True)
class EpisodeSpec:
    """What an episode consists of.

    Attributes:
        clips: drives through the place.
        pairs: labelled pairs of frames a clip; it has one frame more.
        dirt: largest change of brightness by one stretch of dirt. Half of the places have one or two of them, which may
            overlap; the wear of the road itself (cracks, stains) and shadows come on top everywhere.
    """

    clips: int = 8
    pairs: int = 6
    dirt: float = 0.2


@dataclass(frozen=True)
class Clip:
    """A drive.

    Attributes:
        frames: ``(pairs + 1, 128, 256, 6) uint8`` packed YUV, channels last.
        labels: of every frame but the first.
    """

    frames: Tensor
    labels: Labels


@dataclass(frozen=True)
class _Views:
    """All frames of an episode at once: V views, clip by clip."""

    state: VehicleState
    s_m: Tensor
    d_m: Tensor
    cameras: list[Camera]
    clip: Tensor


def render_episode(spec: EpisodeSpec, seed: int, index: int, scene: Scene | None = None) -> list[Clip]:
    """Drive through a random place.

    Args:
        spec: what to render.
        seed: of the whole training set.
        index: of the episode; the same seed and index give the same bytes.
        scene: a place to drive through in place of a random one.
    """
    rng = np.random.default_rng([seed, index])
    speed = sample_speed(rng)
    scene = sample_scene(rng, speed) if scene is None else scene
    width = float(scene.road.ego_lane.left_m[0] - scene.road.ego_lane.right_m[0])
    motions = [sample_motion(rng, speed * rng.uniform(0.7, 1.0), width) for _ in range(spec.clips)]
    first = min(motion.start_m for motion in motions)
    motions = [_start(motion, first + rng.uniform(0, _START_SPREAD_M)) for motion in motions]
    mounts = [sample_camera(rng) for _ in motions]
    views = _drive(spec, scene.road, motions, mounts, rng)
    boxes, lead = _traffic(spec, scene.road, views, rng)
    layers = _dirt_layers(spec, views, rng) if rng.random() < 0.5 else []
    exposure = torch.from_numpy(np.exp(rng.normal(0, 0.15, spec.clips)))[views.clip].float()
    optics = [Optics(CAMERAS["model"].height, CAMERAS["model"].width, rng) for _ in motions]
    with torch.inference_mode():
        stretch = (float(views.s_m.min()) - 10.0, float(views.s_m.max()) + _VIEW_M)
        renderer = Renderer([scene], CAMERAS["model"], stretch=stretch)
        tickets = torch.from_numpy(rng.integers(0, 2**20, len(views.s_m)))
        packed = []
        for part in torch.arange(len(views.s_m)).split(_LARGEST_RENDER):
            image = renderer(
                pick(views.state, part),
                views.s_m[part],
                tickets[part],
                [_pick_layer(layer, part) for layer in layers],
                pick(boxes, part) if bool(boxes.present[part].any()) else None,
                _mounts([views.cameras[i] for i in part.tolist()]),
                torch.zeros(len(part), dtype=torch.long),
                exposure[part],
            )
            image = torch.cat([optics[views.clip[i]](image[k, None]) for k, i in enumerate(part.tolist())])
            packed.append(pack_yuv(image).round().to(torch.uint8).permute(0, 2, 3, 1))
        labels = _labels(scene.road, scene.surface.mark_wear < _INVISIBLE_WEAR, views, lead)
    frames = torch.cat(packed).unflatten(0, (spec.clips, spec.pairs + 1))
    per_clip = labels.map(lambda x: x.unflatten(0, (spec.clips, spec.pairs + 1))[:, 1:])
    return [Clip(frames[k].clone(), per_clip.map(lambda x, k=k: x[k].clone())) for k in range(spec.clips)]


def _start(motion: Motion, start_m: float) -> Motion:
    return replace(motion, start_m=start_m)


def _drive(
    spec: EpisodeSpec, road: Road, motions: list[Motion], cameras: list[Camera], rng: np.random.Generator
) -> _Views:
    """Move the cars along the road and let their cameras pitch a little, as they do on springs."""
    curve = road.curve()
    s_all, d_all, heading_all, speed_all, turn_all, views, clip = [], [], [], [], [], [], []
    for number, (motion, camera) in enumerate(zip(motions, cameras, strict=True)):
        s, d = motion.start_m, motion.offset_m
        bounce_rad, phase = rng.normal(0, 0.0008), rng.uniform(0, 2 * math.pi)
        for frame in range(spec.pairs + 1):
            time_s = frame * CAMERA_PERIOD_S
            heading = motion.heading_rad(time_s)
            turn = (motion.heading_rad(time_s + 0.01) - motion.heading_rad(time_s - 0.01)) / 0.02
            s_all.append(s)
            d_all.append(d)
            heading_all.append(heading)
            speed_all.append(motion.speed_mps)
            turn_all.append(turn)
            pitch = camera.mount.pitch_rad + bounce_rad * math.sin(2 * math.pi * 1.5 * time_s + phase)
            views.append(camera.with_mount(pitch_rad=pitch))
            clip.append(number)
            curvature = float(curve.frame_at(torch.tensor([[s]], dtype=torch.float64))[3])
            s += motion.speed_mps * math.cos(heading) * CAMERA_PERIOD_S / max(1 - curvature * d, 0.2)
            d += motion.speed_mps * math.sin(heading) * CAMERA_PERIOD_S
    s_m, d_m, heading_rad, speed, turning = (
        torch.tensor(x, dtype=torch.float64) for x in (s_all, d_all, heading_all, speed_all, turn_all)
    )
    x, y = (p[0] for p in curve.to_cartesian(s_m[None], d_m[None]))
    _, _, road_heading, curvature_m = (p[0] for p in curve.frame_at(s_m[None]))
    state = VehicleState.at(x, y, road_heading + heading_rad, speed)
    yaw_rate = turning + speed * torch.cos(heading_rad) * curvature_m / (1 - curvature_m * d_m)
    return _Views(state.replace(yaw_rate_radps=yaw_rate), s_m, d_m, views, torch.tensor(clip))


def _traffic(spec: EpisodeSpec, road: Road, views: _Views, rng: np.random.Generator) -> tuple[Boxes, Tensor]:
    """A car ahead in some clips, and cars in other lanes; also the gap to the car ahead, NaN where there is none."""
    vehicle = VehicleParameters()
    front = vehicle.length_m - vehicle.rear_overhang_m
    others = [lane for lane in road.lanes if lane.kind == "driving" and lane is not road.ego_lane]
    per_clip: list[tuple[float, float, float, float, float, bool, bool]] = []
    for clip in range(spec.clips):
        start = int((views.clip == clip).nonzero()[0])
        own_s, speed = float(views.s_m[start]), float(views.state.speed_mps[start])
        ahead = math.exp(rng.uniform(math.log(5.0), math.log(90.0)))
        beside = others[int(rng.integers(len(others)))] if others else road.ego_lane
        place = own_s + rng.uniform(5, 100)
        per_clip.append(
            (
                own_s + front + ahead + 0.5 * OTHER_CAR_LENGTH_M,
                rng.normal(0, 0.25),
                speed + rng.normal(0, 2),
                place,
                0.5 * float(beside.left_m[0] + beside.right_m[0]) + rng.normal(0, 0.2),
                bool(rng.random() < 0.3),
                bool(others) and bool(rng.random() < 0.25),
            )
        )
    table = torch.tensor(per_clip, dtype=torch.float64)[views.clip]
    frame = torch.arange(len(views.clip)) % (spec.pairs + 1)
    s_lead = table[:, 0] + table[:, 2] * CAMERA_PERIOD_S * frame
    s = torch.stack([s_lead, table[:, 3] + 0.9 * table[:, 2] * CAMERA_PERIOD_S * frame], 1)
    d = torch.stack([table[:, 1], table[:, 4]], 1)
    curve = road.curve()
    x, y = (p[0] for p in curve.to_cartesian(s[None], d[None]))
    yaw = curve.frame_at(s[None])[2][0]
    color = torch.from_numpy(
        rng.uniform(0.03, 0.85, (spec.clips, 2, 1)) * rng.uniform(0.7, 1.3, (spec.clips, 2, 3))
    )
    boxes = Boxes.cars(x, y, yaw, color.clamp(0, 1)[views.clip])
    present = table[:, 5:].bool()
    gap = s_lead - 0.5 * OTHER_CAR_LENGTH_M - views.s_m - front
    present[:, 0] &= gap > 1.0
    lead = torch.where(present[:, 0], gap, torch.full_like(gap, math.nan))
    return replace(boxes, present=present), lead


def _dirt_layers(spec: EpisodeSpec, views: _Views, rng: np.random.Generator) -> list[SurfaceLayer]:
    """One or two stretches of dirt, lying elsewhere in every clip."""
    layers = []
    for _ in range(rng.integers(1, 3)):
        length, width = float(rng.uniform(10, 60)), float(rng.uniform(2, 9))
        cells = sample_dirt(length, width, float(rng.uniform(0.2, 1.0)) * spec.dirt, rng)
        starts = torch.stack([views.s_m[views.clip == k][0] for k in range(spec.clips)])
        s_m = (starts + torch.from_numpy(rng.uniform(-10, 35, spec.clips)))[views.clip]
        d_m = torch.from_numpy(rng.normal(0, 1.2, spec.clips))[views.clip]
        layers.append(SurfaceLayer(torch.from_numpy(cells)[None, None], s_m, d_m, length, width))
    return layers


def _labels(road: Road, painted: bool, views: _Views, lead: Tensor) -> Labels:
    """The truth, in the frame of each camera's foot and axis."""
    mounts = _mounts(views.cameras, torch.float64)
    state = views.state
    dx, dy = rotate(mounts.x_m, mounts.y_m, state.yaw_rad)
    x, y, yaw = state.x_m + dx, state.y_m + dy, state.yaw_rad + mounts.yaw_rad
    lines = Lines.around([road], road.curve())
    ahead = look_ahead(lines, views.s_m + mounts.x_m, x, y, yaw, DISTANCES_M)
    valid = ahead.exists & ahead.in_view
    curves = ahead.y_m.masked_fill(~valid, math.nan)
    present = valid[:, 1:, :12].any(-1)
    if not painted:
        curves[:, 1:] = math.nan
        present = torch.zeros_like(present)
    slip = mounts.yaw_rad
    zero = torch.zeros_like(slip)
    pose = [
        state.speed_mps * torch.cos(slip),
        -state.speed_mps * torch.sin(slip),
        zero,
        zero,
        zero,
        state.yaw_rate_radps,
    ]
    samples = look_ahead(lines, views.s_m + mounts.x_m, x, y, yaw, _SAMPLES_M)
    seen = samples.exists & samples.in_view & ~curves.isnan().all(-1, keepdim=True)
    columns = _columns(samples.y_m.numpy(), seen.numpy(), views.cameras)
    return Labels(
        curves.float(), present.float(), lead.float(), torch.stack(pose, 1).float(), torch.from_numpy(columns)
    )


def _columns(y_m: np.ndarray, seen: np.ndarray, cameras: list[Camera]) -> np.ndarray:
    """Where curves cross the rows of the auxiliary grid: ``(V, 5, 14) float32`` [cells], NaN outside of the picture."""
    cell = 16.0
    rows = 2 * SKY_ROWS + cell * (np.arange(AUXILIARY_ROWS) + 0.5)
    out = np.full((len(cameras), CURVES, AUXILIARY_ROWS), np.nan, np.float32)
    for view, camera in enumerate(cameras):
        level = camera.with_mount(yaw_rad=0.0)  # the samples are in the frame of the camera's axis already
        points = torch.stack(
            [
                _SAMPLES_M.expand(CURVES, -1),
                torch.from_numpy(y_m[view]),
                torch.zeros(CURVES, len(_SAMPLES_M)).double(),
            ],
            -1,
        )
        u, v, _ = (p.numpy() for p in level.project(points))
        for curve in range(CURVES):
            where = seen[view, curve]
            if where.sum() < 2:
                continue
            column = np.interp(rows, v[curve, where][::-1], u[curve, where][::-1], left=np.nan, right=np.nan)
            out[view, curve] = np.where((column >= 0) & (column <= camera.width), column / cell, np.nan)
    return out


def _mounts(cameras: list[Camera], dtype: torch.dtype = torch.float32) -> Mounts:
    names = [f.name for f in fields(Mounts)]
    return Mounts(*(torch.tensor([getattr(c.mount, name) for c in cameras], dtype=dtype) for name in names))


def _pick_layer(layer: SurfaceLayer, index: Tensor) -> SurfaceLayer:
    """The layer as it lies for some views; cells are shared."""
    assert isinstance(layer.s_m, Tensor)
    assert isinstance(layer.d_m, Tensor)
    return SurfaceLayer(layer.add, layer.s_m[index], layer.d_m[index], layer.length_m, layer.width_m)
