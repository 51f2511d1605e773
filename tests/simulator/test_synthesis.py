"""Views move as geometry says, turn by radians, and are the frame itself where nothing moved."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from simulator.camera import CAMERAS, Camera
from simulator.synthesis import RelativePose, Viewpoint, project_ground, sample

CAMERA = CAMERAS["model"].with_mount(pitch_rad=0.02, yaw_rad=0.01)


def pose(x_m: float = 0.0, y_m: float = 0.0, yaw_rad: float = 0.0) -> RelativePose:
    return RelativePose(*(torch.tensor(value, dtype=torch.float64) for value in (x_m, y_m, yaw_rad)))


def blob(camera: Camera, u: float, v: float, radius_px: float = 3.0) -> Tensor:
    """A black frame with a soft white spot."""
    rows = torch.arange(camera.height, dtype=torch.float64)[:, None] + 0.5
    columns = torch.arange(camera.width, dtype=torch.float64) + 0.5
    spot = torch.exp(-((rows - v) ** 2 + (columns - u) ** 2) / (2 * radius_px**2))
    return spot.expand(3, -1, -1)


def centroid(picture: Tensor) -> tuple[float, float]:
    weight = picture[0].clamp_min(0.05) - 0.05
    rows, columns = torch.meshgrid(*(torch.arange(n) + 0.5 for n in weight.shape), indexing="ij")
    return float((weight * columns).sum() / weight.sum()), float((weight * rows).sum() / weight.sum())


def on_road(camera: Camera, x_m: float, y_m: float) -> tuple[float, float]:
    u, v = project_ground(
        camera, torch.tensor(x_m, dtype=torch.float64), torch.tensor(y_m, dtype=torch.float64)
    )
    return float(u), float(v)


def test_an_unmoved_view_is_the_frame(generator: torch.Generator) -> None:
    frame = torch.randint(0, 256, (3, CAMERA.height, CAMERA.width), generator=generator, dtype=torch.uint8)
    picture, known = Viewpoint(CAMERA, CAMERA)(frame.float() / 255, pose())
    assert torch.equal((picture * 255).round().to(torch.uint8), frame)
    assert known.all()


@pytest.mark.parametrize(
    ("moved", "mark"),
    [
        (pose(y_m=0.5), (20.0, 1.8)),
        (pose(y_m=-0.7), (15.0, -1.8)),
        (pose(yaw_rad=math.radians(3.0)), (20.0, 1.0)),
        (pose(yaw_rad=math.radians(-2.0)), (30.0, 0.0)),
        (pose(x_m=2.0), (20.0, 1.8)),
        (pose(x_m=-1.5), (15.0, -1.0)),
        (pose(x_m=1.0, y_m=0.4, yaw_rad=0.03), (25.0, -1.8)),
    ],
    ids=["left", "right", "turned left", "turned right", "ahead", "behind", "all"],
)
def test_a_mark_moves_as_geometry_says(moved: RelativePose, mark: tuple[float, float]) -> None:
    x, y = mark
    frame = blob(CAMERA, *on_road(CAMERA, x, y))
    picture, _ = Viewpoint(CAMERA, CAMERA)(frame, moved)
    cos, sin = math.cos(float(moved.yaw_rad)), math.sin(float(moved.yaw_rad))
    dx, dy = x - float(moved.x_m), y - float(moved.y_m)
    expected = on_road(CAMERA, cos * dx + sin * dy, cos * dy - sin * dx)
    assert centroid(picture) == pytest.approx(expected, abs=0.7)


def test_heading_is_in_radians() -> None:
    """Published code took radians for degrees: then a heading of 0.066 rad moves the horizon by one pixel, not 60."""
    far = blob(CAMERA, 256.0, 12.0)
    picture, _ = Viewpoint(CAMERA, CAMERA)(far, pose(yaw_rad=0.066))
    u, _ = centroid(picture)
    assert u - 256.0 == pytest.approx(910 * math.tan(0.066), abs=1.0)


def test_what_is_far_does_not_move_with_the_car() -> None:
    far = blob(CAMERA, 200.0, 10.0)
    picture, _ = Viewpoint(CAMERA, CAMERA)(far, pose(x_m=5.0, y_m=1.0))
    assert centroid(picture) == pytest.approx((200.0, 10.0), abs=1e-3)


def test_the_bonnet_moves_with_the_car(generator: torch.Generator) -> None:
    frame = torch.rand(3, CAMERA.height, CAMERA.width, generator=generator)
    picture, _ = Viewpoint(CAMERA, CAMERA, hood_row=200)(frame, pose(y_m=0.5, yaw_rad=0.02))
    assert torch.allclose(picture[:, 200:], frame[:, 200:], atol=1e-4)
    assert not torch.allclose(picture[:, 190:199], frame[:, 190:199], atol=1e-2)


def test_another_camera_sees_the_same_road() -> None:
    source = CAMERAS["road"].with_mount(pitch_rad=0.06)
    target = CAMERAS["model"]
    picture, _ = Viewpoint(source, target)(blob(source, *on_road(source, 18.0, -1.2)), pose())
    assert centroid(picture) == pytest.approx(on_road(target, 18.0, -1.2), abs=0.5)


def test_pixels_beyond_the_frame_are_known_to_be_unknown() -> None:
    frame = torch.zeros(3, CAMERA.height, CAMERA.width)
    _, known = Viewpoint(CAMERA, CAMERA)(frame, pose(yaw_rad=0.2))
    assert not known[:, 0].any()
    assert known[:, -1].all()


def test_a_point_behind_the_camera_is_in_no_picture() -> None:
    u, v = project_ground(CAMERA, torch.tensor([[-5.0]]), torch.tensor([[0.0]]))
    _, inside = sample(torch.zeros(3, 4, 4), u, v)
    assert not inside.any()


def test_gradient_of_the_pose_agrees_with_differences() -> None:
    view = Viewpoint(CAMERA, CAMERA)
    frame = blob(CAMERA, *on_road(CAMERA, 20.0, 1.0), radius_px=12.0)
    target = blob(CAMERA, *on_road(CAMERA, 20.0, 0.7), radius_px=12.0)

    def loss(values: Tensor) -> Tensor:
        return ((view(frame, RelativePose(*values.unbind()))[0] - target) ** 2).sum()

    values = torch.tensor([0.1, 0.05, 0.002], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(values), values)
    step = torch.tensor([1e-4, 1e-4, 1e-6], dtype=torch.float64)
    with torch.no_grad():
        differences = torch.stack(
            [(loss(values + s) - loss(values - s)) / (2 * s.sum()) for s in torch.diag(step)]
        )
    torch.testing.assert_close(gradient, differences, rtol=1e-2, atol=1e-6)
