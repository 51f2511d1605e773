"""The picture: geometry against projection, gradients against differences, batches against single worlds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from simulator.camera import CAMERAS, Camera, Mounts
from simulator.renderer import Renderer, to_uint8
from simulator.roads.layout import LaneLayout, Paint, Strip
from simulator.roads.road import Road
from simulator.roads.segments import Arc, Clothoid, Line, build_road
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.surface.style import SurfaceStyle
from simulator.weather import PRESETS, Weather
from simulator.world import VehicleState

SMALL = Camera("small", 256, 128, 455.0, 455.0, 128.0, 23.8)
PLAIN = SurfaceStyle(grain=0.0, patchiness=0.0, lane_contrast=0.0, tyre_tracks=0.0, seams=0.0, cracks=0.0, stains=0.0,
                     mark_wear=0.0)  # fmt: skip
STRETCH = (-30.0, 230.0)


def make_road(*segments: Line | Arc | Clothoid) -> Road:
    paint = Paint("solid", width_m=0.15)
    return build_road("test", list(segments), LaneLayout((Strip(3.6),), (paint, paint), 0))


STRAIGHT = make_road(Line(300.0))
BEND = make_road(Line(30.0), Clothoid(30.0, 0.0, 1 / 80), Arc(200.0, 80.0))


def at(
    road: Road, s: float, d: float = 0.0, turn: float = 0.0, dtype: torch.dtype = torch.float64
) -> tuple[VehicleState, Tensor]:
    s_m, d_m = torch.tensor([[s]], dtype=dtype), torch.tensor([[d]], dtype=dtype)
    curve = road.curve(dtype)
    x, y = curve.to_cartesian(s_m, d_m)
    heading = curve.frame_at(s_m)[2]
    return VehicleState.at(x[0], y[0], heading[0] + turn, torch.full((1,), 20.0, dtype=dtype)), s_m[0]


def noiseless(scene: Scene, camera: Camera = SMALL, dtype: torch.dtype = torch.float64) -> Renderer:
    renderer = Renderer([scene], camera, dtype, stretch=STRETCH)
    renderer._lens._scenes = [
        (s, dataclasses.replace(light, noise=0.0)) for s, light in renderer._lens._scenes
    ]
    return renderer


def white_columns(image: Tensor, row: int) -> list[float]:
    """Middles of the bright runs in a row: where lane marks are."""
    bright = image[0, 2, row].numpy()
    runs, columns = [], np.nonzero(bright > 0.55)[0]
    for run in np.split(columns, np.nonzero(np.diff(columns) > 1)[0] + 1):
        weight = bright[run]
        runs.append(float(((run + 0.5) * weight).sum() / weight.sum()))
    return runs


@pytest.mark.parametrize("road", [STRAIGHT, BEND], ids=["straight", "bend"])
@pytest.mark.parametrize(("s", "d", "turn"), [(20.0, 0.0, 0.0), (45.0, 0.5, 0.05), (60.0, -0.6, -0.04)])
def test_lane_marks_are_where_projection_puts_them(road: Road, s: float, d: float, turn: float) -> None:
    camera = CAMERAS["model"]
    state, s_m = at(road, s, d, turn)
    image = noiseless(Scene(road, PLAIN, Weather(cloudiness=0)), camera)(state, s_m, 0)
    curve = road.curve()
    ahead = torch.arange(3.0, 60.0, 0.05, dtype=torch.float64)[None]
    for side, place in ((1.8, 0), (-1.8, -1)):
        x, y = curve.to_cartesian(s + ahead, torch.full_like(ahead, side))
        dx, dy = x - state.x_m[:, None], y - state.y_m[:, None]
        cos, sin = torch.cos(state.yaw_rad), torch.sin(state.yaw_rad)
        foot = torch.stack(
            [cos * dx + sin * dy - camera.mount.x_m, cos * dy - sin * dx, torch.zeros_like(dx)], -1
        )
        u, v, _ = camera.project(foot[0])
        for row in (80, 110, 150):
            expected = float(np.interp(row + 0.5, v.numpy()[::-1], u.numpy()[::-1]))
            if 12 < expected < camera.width - 12:
                found = min(white_columns(image, row), key=lambda c: abs(c - expected))
                assert found == pytest.approx(expected, abs=1.0), (place, row)


def test_horizon_separates_sky_from_land() -> None:
    state, s_m = at(STRAIGHT, 20.0)
    scene = Scene(STRAIGHT, dataclasses.replace(PLAIN, skyline="plain"), Weather(cloudiness=0))
    image = noiseless(scene)(state, s_m, 0)[0]
    sky, land = image[:, 8].mean(1), image[:, 60].mean(1)
    assert sky[2] > sky[0] + 0.05
    assert land[2] <= land[1]


def test_dashes_do_not_shimmer_far_away() -> None:
    """Brightness of far rows changes smoothly while dashes pass: an aliased renderer flickers between 0 and paint."""
    paint = Paint("broken", width_m=0.15, dash_m=3.0, gap_m=3.0)
    road = build_road("dashes", [Line(300.0)], LaneLayout((Strip(3.6),), (paint, paint), 0))
    renderer = noiseless(Scene(road, PLAIN, Weather(cloudiness=0)))
    means = []
    for s in np.arange(20.0, 26.0, 0.75):
        state, s_m = at(road, float(s))
        means.append(float(renderer(state, s_m, 0)[0, :, 27:31, 110:146].mean()))
    assert np.ptp(means) < 0.01


def loss_of(renderer: Renderer, pose: Tensor, cells: Tensor, weights: Tensor, road: Road) -> Tensor:
    state, s_m = at(road, 40.0)
    state = state.replace(x_m=state.x_m + pose[0], y_m=state.y_m + pose[1], yaw_rad=state.yaw_rad + pose[2])
    usual = Mounts.of(SMALL.mount, 1, torch.float64)
    mounts = dataclasses.replace(usual, pitch_rad=usual.pitch_rad + pose[3], roll_rad=usual.roll_rad + pose[4],
                                 z_m=usual.z_m + pose[5])  # fmt: skip
    layer = SurfaceLayer(cells, 48.0, 0.1, 24.0, 3.0)
    return (renderer(state, s_m, 0, [layer], mounts=mounts) * weights).sum()


def test_gradients_of_pose_and_cells_are_those_of_central_differences(generator: torch.Generator) -> None:
    renderer = Renderer(
        [Scene(BEND, SurfaceStyle(), PRESETS["CloudyNoon"])], SMALL, torch.float64, stretch=STRETCH
    )
    weights = torch.rand(1, 3, SMALL.height, SMALL.width, dtype=torch.float64, generator=generator)
    cells = (0.1 * torch.rand(1, 1, 48, 12, dtype=torch.float64, generator=generator)).requires_grad_()
    pose = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    by_pose, by_cells = torch.autograd.grad(loss_of(renderer, pose, cells, weights, BEND), [pose, cells])
    # bilinear look-ups have kinks at texel borders: steps are so small that few pixels cross one
    step = 1e-9
    with torch.no_grad():
        for i in range(len(pose)):
            shift = step * torch.eye(6, dtype=torch.float64)[i]
            up, down = (loss_of(renderer, pose + sign * shift, cells, weights, BEND) for sign in (1, -1))
            assert float((up - down) / (2 * step)) == pytest.approx(float(by_pose[i]), rel=1e-3), i
        for row, column in [(0, 0), (20, 6), (47, 11)]:
            shift = torch.zeros_like(cells)
            shift[0, 0, row, column] = 1e-4
            up, down = (loss_of(renderer, pose, cells + sign * shift, weights, BEND) for sign in (1, -1))
            assert float((up - down) / 2e-4) == pytest.approx(float(by_cells[0, 0, row, column]), rel=1e-5)


def test_a_world_looks_the_same_alone_and_in_a_batch() -> None:
    scenes = [
        Scene(STRAIGHT, SurfaceStyle(), PRESETS["HardRainNoon"], 1),
        Scene(BEND, SurfaceStyle(), PRESETS["ClearNight"], 2),
    ]
    states = [at(STRAIGHT, 30.0, 0.3), at(BEND, 60.0, -0.2, 0.02)]
    together = Renderer(scenes, SMALL, stretch=STRETCH)
    joined = VehicleState(
        *(torch.cat([getattr(s, f.name) for s, _ in states]) for f in dataclasses.fields(VehicleState))
    )
    both = together(joined, torch.cat([s for _, s in states]), 7)
    for i, (scene, (state, s_m)) in enumerate(zip(scenes, states, strict=True)):
        alone = Renderer([scene], SMALL, stretch=STRETCH)(state, s_m, 7)
        assert float((alone[0] - both[i]).abs().max()) < 1e-4


def test_the_same_scene_gives_the_same_bytes_and_frames_differ_in_noise() -> None:
    scene = Scene(STRAIGHT, SurfaceStyle(), PRESETS["ClearNoon"], 5)
    state, s_m = at(STRAIGHT, 30.0)
    first, again = (to_uint8(Renderer([scene], SMALL, stretch=STRETCH)(state, s_m, 3)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, to_uint8(Renderer([scene], SMALL, stretch=STRETCH)(state, s_m, 4)))


def test_layer_with_keep_hides_what_is_below() -> None:
    renderer = noiseless(Scene(STRAIGHT, SurfaceStyle(), Weather(cloudiness=0, sun_altitude_angle=75)))
    state, s_m = at(STRAIGHT, 40.0)
    cells = torch.full((1, 1, 20, 8), 0.5, dtype=torch.float64)
    layer = SurfaceLayer(cells, 46.0, 0.0, 10.0, 3.0, keep=torch.zeros_like(cells))
    foot = torch.tensor([[8.0, 0.0, 0.0]], dtype=torch.float64)
    u, v, _ = SMALL.project(foot)
    pixel = renderer(state, s_m, 0, [layer])[0, :, int(v), int(u)]
    assert torch.allclose(pixel, torch.full((3,), 0.5, dtype=torch.float64), atol=0.02)


def test_layers_can_lie_elsewhere_in_every_world() -> None:
    scene = Scene(STRAIGHT, PLAIN, Weather(cloudiness=0))
    state, s_m = at(STRAIGHT, 40.0)
    two = VehicleState(*(getattr(state, f.name).repeat(2) for f in dataclasses.fields(VehicleState)))
    renderer = Renderer([scene, scene], SMALL, torch.float64, stretch=STRETCH)
    cells = torch.full((1, 1, 4, 4), 0.3, dtype=torch.float64)
    layer = SurfaceLayer(cells, torch.tensor([50.0, 90.0]), torch.tensor([0.0, 0.0]), 4.0, 3.0)
    clean = renderer(two, s_m.repeat(2), 0)
    change = (renderer(two, s_m.repeat(2), 0, [layer]) - clean).abs().sum((1, 3))
    near, far = (torch.nonzero(rows > 1e-6).float().mean() for rows in change)
    assert near > far > SMALL.cy


def test_fog_hides_the_far_and_rain_falls() -> None:
    state, s_m = at(STRAIGHT, 30.0)
    clear, fog, rain = (
        noiseless(Scene(STRAIGHT, PLAIN, w))(state, s_m, 0)[0]
        for w in (
            Weather(cloudiness=70),
            Weather(cloudiness=70, fog_density=60),
            Weather(cloudiness=70, precipitation=100),
        )
    )
    far = slice(26, 34)
    # contrast within a row: from row to row fog itself changes
    assert float(fog[:, far].std(2).mean()) < 0.4 * float(clear[:, far].std(2).mean())
    assert float((rain[:, 100:] - clear[:, 100:]).abs().max()) > 0.05


def test_headlights_light_the_road_ahead_and_not_the_sides() -> None:
    state, s_m = at(STRAIGHT, 30.0)
    scene = Scene(STRAIGHT, dataclasses.replace(PLAIN, verge="concrete"), PRESETS["ClearNight"])
    image = noiseless(scene)(state, s_m, 0)[0].mean(0)
    row = round(SMALL.cy + SMALL.fy * 1.22 / 15)
    assert float(image[row, 120:136].mean()) > 1.25 * float(image[row, :16].mean())


def test_exposure_scales_brightness() -> None:
    state, s_m = at(STRAIGHT, 30.0)
    renderer = noiseless(Scene(STRAIGHT, PLAIN, Weather(cloudiness=0)))
    usual = renderer(state, s_m, 0)
    darker = renderer(state, s_m, 0, exposure=torch.tensor([0.5]))
    assert torch.allclose(darker, usual * 0.5, atol=1e-6)
