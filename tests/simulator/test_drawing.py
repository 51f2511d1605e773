"""Boxes in pictures: where they appear, what they hide, how they shade into pixels, what shadows they cast."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from simulator.camera import CAMERAS, Camera
from simulator.drawing import draw_boxes
from simulator.looks import LOOKS
from simulator.objects import (
    OTHER_CAR_HEIGHT_M,
    OTHER_CAR_LENGTH_M,
    OTHER_CAR_WIDTH_M,
    Boxes,
    collides,
    footprint,
)
from simulator.weather import PRESETS, Light, Weather
from simulator.world import VehicleState

MODEL = CAMERAS["model"]
NOON = Light.of(PRESETS["ClearNoon"])


def _state(n: int = 1, dtype: torch.dtype = torch.float32) -> VehicleState:
    zero = torch.zeros(n, dtype=dtype)
    return VehicleState.at(zero, zero, zero, zero + 20)


def _cars(*poses: tuple[float, float, float], dtype: torch.dtype = torch.float32) -> Boxes:
    """One world with cars whose rears are at the given distances ahead of the camera."""
    x, y, yaw = torch.tensor(poses, dtype=dtype).T[:, None]
    return Boxes.cars(x + MODEL.mount.x_m + OTHER_CAR_LENGTH_M / 2, y, yaw)


def _grey(camera: Camera = MODEL, n: int = 1) -> Tensor:
    return torch.full((n, 3, camera.height, camera.width), 0.45)


def _changed(camera: Camera, boxes: Boxes, state: VehicleState | None = None) -> Tensor:
    before = _grey(camera, len(boxes))
    after = draw_boxes(before, boxes, camera, state or _state(len(boxes)), [NOON] * len(boxes))
    return (after - before).abs().amax(1) > 0.02


@pytest.mark.parametrize("distance", [10.0, 30.0, 60.0])
@pytest.mark.parametrize("name", ["model", "wide"])
def test_a_car_appears_where_the_camera_projects_it(distance: float, name: str) -> None:
    camera = CAMERAS[name]
    rows, columns = torch.nonzero(_changed(camera, _cars((distance, 0.0, 0.0)))[0]).T
    corners = torch.tensor(
        [[distance, OTHER_CAR_WIDTH_M / 2, 0.0], [distance + 2.2, -OTHER_CAR_WIDTH_M / 2, OTHER_CAR_HEIGHT_M]]
    )
    u, v, _ = camera.project(corners)
    pixel_m = distance / camera.fx
    # shadows reach a little beyond the wheels, so the sides are compared where the body is: above the bumper
    body = rows < v[0] - 0.45 / pixel_m
    assert columns[body].min() + 0.5 == pytest.approx(float(u[0]), abs=1.5 + 0.01 / pixel_m)
    assert columns[body].max() + 0.5 == pytest.approx(float(2 * camera.cx - u[0]), abs=1.5 + 0.01 / pixel_m)
    # the sun is ahead: the shadow of the roof comes nearest
    nearest = distance - OTHER_CAR_HEIGHT_M * math.hypot(*NOON.shadow)
    assert rows.max() + 0.5 == pytest.approx(
        float(v[0]) * distance / nearest + camera.cy * (1 - distance / nearest),
        abs=1.5 + 0.5 / distance * camera.fy * 1.22 / distance,
    )
    assert rows.min() + 0.5 == pytest.approx(float(v[1]), abs=0.06 / pixel_m + 1.5)


def test_a_car_from_behind_has_red_lights_a_dark_window_and_a_bright_plate() -> None:
    image = draw_boxes(_grey(), _cars((15.0, 0.0, 0.0)), MODEL, _state(), [NOON])[0]
    half = OTHER_CAR_WIDTH_M / 2
    points = torch.tensor(
        [[15.0, 0.8 * half, 0.72], [15.0, -0.8 * half, 0.72], [15.9, 0.0, 1.15], [15.0, 0.0, 0.66]]
    )
    u, v, _ = MODEL.project(points)
    left, right, window, plate = (image[:, int(b), int(a)] for a, b in zip(u, v, strict=True))
    for lamp in (left, right):
        assert lamp[0] > 2 * lamp[1:].max()
    assert window.max() < 0.25
    assert plate.min() > 0.7


def test_the_near_car_hides_the_far_one_in_whatever_order_they_are_given() -> None:
    near, far = (14.0, 0.0, 0.0), (40.0, 0.3, 0.0)
    one = draw_boxes(_grey(), _cars(near, far), MODEL, _state(), [NOON])
    other = draw_boxes(_grey(), _cars(far, near), MODEL, _state(), [NOON])
    alone = draw_boxes(_grey(), _cars(near), MODEL, _state(), [NOON])
    assert torch.allclose(one, other, atol=1e-5)
    u, v, _ = MODEL.project(torch.tensor([14.0, 0.0, 0.7]))
    rows, columns = slice(int(v) - 20, int(v) + 20), slice(int(u) - 40, int(u) + 40)
    assert torch.allclose(one[..., rows, columns], alone[..., rows, columns], atol=1e-5)


@pytest.mark.parametrize("yaw", [0.0, math.pi / 2])
@pytest.mark.parametrize("azimuth", [90.0, -90.0])
def test_a_shadow_falls_away_from_the_sun_as_long_as_it_is_low(azimuth: float, yaw: float) -> None:
    # clockwise: 90 is to the right, and shadows fall to the left
    side = math.copysign(1.0, azimuth)
    for altitude in (60.0, 30.0):
        light = Light.of(Weather(cloudiness=0.0, sun_azimuth_angle=azimuth, sun_altitude_angle=altitude))
        box = _cars((20.0, 0.0, yaw))
        image = draw_boxes(_grey(), box, MODEL, _state(), [light])[0, 1]
        half = float(box.footprints()[..., 1].max())
        reach = half + OTHER_CAR_HEIGHT_M / math.tan(math.radians(altitude))
        for left, dark in ((reach - 0.4, True), (reach + 0.4, False), (-half - 0.4, False)):
            point = torch.tensor([float(box.x_m) - MODEL.mount.x_m, side * left, 0.0])
            u, v, _ = MODEL.project(point)
            assert (float(image[int(v), int(u)]) < 0.3) == dark


def test_the_shadow_of_a_near_car_does_not_fall_on_a_far_one() -> None:
    behind = Light.of(Weather(cloudiness=0.0, sun_azimuth_angle=180.0, sun_altitude_angle=10.0))
    near, far = (14.0, 0.0, 0.0), (20.0, 2.4, 0.0)
    both, alone = (draw_boxes(_grey(), _cars(*p), MODEL, _state(), [behind]) for p in ((near, far), (far,)))
    u, v, _ = MODEL.project(torch.tensor([20.0, 2.9, 0.8]))
    assert torch.equal(both[..., int(v), int(u)], alone[..., int(v), int(u)])


@pytest.mark.parametrize("pose", [(-30.0, 0.0, 0.0), (400.0, 0.0, 0.0), (10.0, 25.0, 0.0), (-3.0, 4.0, 0.0)])
def test_out_of_view_costs_nothing(pose: tuple[float, float, float]) -> None:
    image = _grey()
    assert draw_boxes(image, _cars(pose), MODEL, _state(), [NOON]) is image


def test_absent_boxes_are_not_drawn_and_do_not_collide() -> None:
    boxes = _cars((5.0, 0.0, 0.0))
    gone = Boxes(**{**vars(boxes), "present": torch.zeros(1, 1, dtype=torch.bool)})
    image = _grey()
    own = footprint(*(torch.tensor([v]) for v in (6.0, 0.0, 0.0, 4.6, 2.0)))
    assert draw_boxes(image, gone, MODEL, _state(), [NOON]) is image
    assert collides(own, boxes).tolist() == [True]
    assert collides(own, gone).tolist() == [False]


def test_the_image_given_is_left_alone() -> None:
    image = _grey()
    draw_boxes(image, _cars((20.0, 0.0, 0.0)), MODEL, _state(), [NOON])
    assert torch.equal(image, _grey())


def test_worlds_in_a_batch_are_drawn_like_alone() -> None:
    poses = torch.tensor([[20.0, 1.0, 0.1], [35.0, -2.0, 3.0], [12.0, 0.0, 0.0]])
    x, y, yaw = poses.T[..., None]
    weathers = ["ClearNoon", "ClearNight", "FogNoon"]
    lights = [Light.of(PRESETS[w]) for w in weathers]
    cameras = [MODEL, MODEL.with_mount(pitch_rad=0.02), MODEL.with_mount(z_m=1.4)]
    batch = draw_boxes(_grey(n=3), Boxes.cars(x, y, yaw), cameras, _state(3), lights)
    for i in range(3):
        alone = draw_boxes(
            _grey(),
            Boxes.cars(x[i : i + 1], y[i : i + 1], yaw[i : i + 1]),
            cameras[i],
            _state(),
            lights[i : i + 1],
        )
        assert torch.allclose(batch[i], alone[0], atol=1e-5)


def test_poses_in_float64_are_drawn_into_a_float32_image() -> None:
    """As in the embedded world, far from the origin, where float32 would make the car tremble."""
    far = 1.0e6
    car = Boxes.cars(*(torch.tensor([[v]], dtype=torch.float64) for v in (far + 20.0, 0.4, 0.1)))
    here = Boxes.cars(*(torch.tensor([[v]]) for v in (20.0, 0.4, 0.1)))
    state = _state(dtype=torch.float64)
    image = draw_boxes(_grey(), car, MODEL, state.replace(x_m=state.x_m + far), [NOON])
    assert image.dtype == torch.float32
    assert torch.allclose(image, draw_boxes(_grey(), here, MODEL, _state(), [NOON]), atol=1e-3)


def test_fog_swallows_and_night_lights_lamps() -> None:
    boxes = _cars((60.0, 0.0, 0.0))
    fog = Light.of(PRESETS["FogNoon"])
    haze = torch.tensor(fog.sky_horizon)[:, None, None].expand(3, 256, 512)[None]
    clear = draw_boxes(haze, boxes, MODEL, _state(), [NOON])
    dim = draw_boxes(haze, boxes, MODEL, _state(), [fog])
    assert (dim - haze).abs().max() < 0.5 * (clear - haze).abs().max()
    night = draw_boxes(_grey() * 0, boxes, MODEL, _state(), [Light.of(PRESETS["ClearNight"])])
    assert night[:, 0].max() > 0.7


@pytest.mark.parametrize("kind", sorted(LOOKS))
@pytest.mark.parametrize("yaw", [0.0, 0.4, math.pi / 2, 2.5, math.pi, -1.0])
def test_every_kind_is_drawn_from_all_sides(kind: str, yaw: float) -> None:
    car = _cars((16.0, 0.0, yaw))
    image = draw_boxes(_grey(), Boxes(**{**vars(car), "kinds": (kind,)}), MODEL, _state(), [NOON])
    assert torch.isfinite(image).all()
    assert image.min() >= 0
    assert image.max() <= 1
    assert ((image - 0.45).abs().amax(1) > 0.02).sum() > 2000


def test_a_car_that_moves_by_less_than_a_pixel_changes_no_brightness() -> None:
    """Anti-aliasing: what one pixel loses its neighbour gains, so the sum over the image stays."""
    pixel_m = 40.0 / MODEL.fx
    image = torch.ones(1, 3, MODEL.height, MODEL.width, dtype=torch.float64)
    shifts = [_cars((40.0, step / 8 * pixel_m, 0.0), dtype=torch.float64) for step in range(8)]
    drawn = [draw_boxes(image, car, MODEL, _state(dtype=torch.float64), [NOON]) for car in shifts]
    taken = torch.stack([(image - picture).sum() for picture in drawn])
    assert float(taken.max() - taken.min()) < 0.004 * float(taken.mean())
    assert not torch.allclose(drawn[0], drawn[1], atol=0.02)


def test_gradients_agree_with_central_differences() -> None:
    camera = Camera("small", 96, 48, 120.0, 120.0, 48.0, 10.0)
    weights = torch.rand(3, 48, 96, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    pose = torch.tensor([12.0, 0.31, 0.13], dtype=torch.float64, requires_grad=True)

    def value(p: Tensor) -> Tensor:
        boxes = Boxes.cars(*(p[i].reshape(1, 1) for i in range(3)))
        image = torch.full((1, 3, 48, 96), 0.4, dtype=torch.float64)
        return (draw_boxes(image, boxes, camera, _state(dtype=torch.float64), [NOON])[0] * weights).sum()

    (gradient,) = torch.autograd.grad(value(pose), pose)
    for i in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[i] = 1e-6
        difference = (value(pose.detach() + step) - value(pose.detach() - step)) / 2e-6
        assert float(gradient[i]) == pytest.approx(float(difference), rel=1e-3)
