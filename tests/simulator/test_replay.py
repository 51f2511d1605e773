"""The replay world shows the recording where nothing deviates, and what geometry says where something does."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from simulator.camera import CAMERAS, Camera
from simulator.logs.comma import read_segment
from simulator.logs.drive import RecordedDrive
from simulator.logs.footage import Footage
from simulator.logs.motion import MotionLog
from simulator.replay import ReplayState, ReplayWorld, Trust
from simulator.surface.layer import SurfaceLayer
from simulator.synthesis import project_ground
from simulator.world import Command, InvalidInput, Observation, VehicleState, World

CAMERA = Camera("small", 256, 128, 455.0, 455.0, 128.0, 24.0)
LANE = (1.8, -1.8)


def command(size: int, steering_rad: float = 0.0) -> Command:
    steering = torch.full((size,), steering_rad, dtype=torch.float64)
    return Command(steering, torch.zeros_like(steering))


def road_picture(camera: Camera, s_m: float = 0.0) -> np.ndarray:
    """A grey road with solid lines at the lane's borders, and a bar across it 40 m from the start."""
    picture = np.full((camera.height, camera.width, 3), 100, np.uint8)
    far = torch.linspace(3.0, 300.0, 600, dtype=torch.float64)
    for d in LANE:
        u, v = project_ground(camera, far, torch.full_like(far, d))
        points = torch.stack([u, v], -1).sub(0.5).mul(16).round().int().numpy()
        cv2.polylines(picture, [points], False, (230, 230, 230), 2, cv2.LINE_AA, shift=4)
    u, v = project_ground(camera, *torch.tensor([[40.0 - s_m, 40.0 - s_m], LANE], dtype=torch.float64))
    cv2.line(picture, (int(u[0]), int(v[0])), (int(u[1]), int(v[1])), (30, 30, 30), 2)
    return picture


@pytest.fixture
def still(tmp_path: Path) -> Footage:
    cv2.imwrite(str(tmp_path / "road.png"), road_picture(CAMERA))
    return Footage(tmp_path / "road.png")


@pytest.fixture
def film(tmp_path: Path) -> Footage:
    """A second at 10 m/s."""
    writer = cv2.VideoWriter(str(tmp_path / "road.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 20.0, (256, 128))
    for index in range(20):
        writer.write(road_picture(CAMERA, 0.5 * index))
    writer.release()
    return Footage(tmp_path / "road.avi")


def drive(footage: Footage, speed_mps: float = 10.0, frames: int = 20) -> RecordedDrive:
    return RecordedDrive(footage, CAMERA, MotionLog.straight(speed_mps, frames))


def placed(world: ReplayWorld, **changes: float) -> Observation:
    """What is seen at the start from a car that stands elsewhere."""
    state = world.start(0)
    vehicle = state.vehicle.replace(
        **{name: getattr(state.vehicle, name) + change for name, change in changes.items()}
    )
    return world.observe(ReplayState(vehicle, state.memory, state.frame))


def line_column(picture: Tensor, row: int, near: float) -> float:
    """Middle of the brightest stripe within 25 pixels of a column."""
    first = max(0, int(near) - 25)
    stripe = picture[row, first : int(near) + 26, 0].double()
    weight = (stripe - stripe.median() - 15).clamp_min(0)
    return float((weight * (torch.arange(len(stripe)) + 0.5)).sum() / weight.sum()) + first


def test_it_is_a_world(still: Footage) -> None:
    assert isinstance(ReplayWorld(drive(still)), World)


def test_the_start_is_the_recorded_frame(still: Footage) -> None:
    seen = ReplayWorld(drive(still)).reset(0)
    assert torch.equal(seen.frames["small"][0], still.frame(0))
    assert float(seen.info["known"]) == 1.0
    assert not bool(seen.truth.finished)


def test_following_the_trace_shows_the_recorded_film(film: Footage) -> None:
    world = ReplayWorld(drive(film))
    seen = world.reset(0)
    for index in range(19):
        assert torch.equal(seen.frames["small"][0], film.frame(index))
        seen = world.step(command(1))
    assert bool(seen.truth.finished)


def distance_at(row: int) -> float:
    """How far ahead of the camera the middle of a picture row lies."""
    return CAMERA.mount.z_m * CAMERA.fy / (row + 0.5 - CAMERA.cy)


@pytest.mark.parametrize("y_m", [0.6, -0.4])
def test_lines_move_sideways_as_geometry_says(still: Footage, y_m: float) -> None:
    seen = placed(ReplayWorld(drive(still)), y_m=y_m).frames["small"][0]
    for row in (45, 55):
        for d in LANE:
            expected = CAMERA.cx - CAMERA.fx * (d - y_m) / distance_at(row)
            assert line_column(seen, row, expected) == pytest.approx(expected, abs=0.7)


def test_lines_turn_as_geometry_says(still: Footage) -> None:
    yaw = math.radians(2.0)
    seen = placed(ReplayWorld(drive(still)), yaw_rad=yaw).frames["small"][0]
    for row in (45, 55):
        for d in LANE:
            # the camera stays over the middle line up to its distance from the rear axle
            foot_y = CAMERA.mount.x_m * math.sin(yaw)
            left = (d - foot_y - distance_at(row) * math.sin(yaw)) / math.cos(yaw)
            expected = CAMERA.cx - CAMERA.fx * left / distance_at(row)
            assert line_column(seen, row, expected) == pytest.approx(expected, abs=0.7)


def test_the_bar_comes_nearer(still: Footage) -> None:
    seen = placed(ReplayWorld(drive(still)), x_m=10.0).frames["small"][0]
    _, row = project_ground(CAMERA, *torch.tensor([30.0, 0.0]).double())
    assert int(seen[26:60, 128, 0].argmin()) + 26 == pytest.approx(float(row), abs=1.5)


def test_truth_is_relative_to_trace_and_lane(still: Footage) -> None:
    truth = placed(ReplayWorld(drive(still)), y_m=0.5, yaw_rad=0.05).truth
    assert float(truth.offset_m) == pytest.approx(0.5, abs=1e-6)
    assert float(truth.heading_error_rad) == pytest.approx(0.05)
    assert bool(torch.isnan(truth.lane_left_m))
    truth = placed(ReplayWorld(drive(still), lane_m=(2.0, -1.6)), y_m=0.5).truth
    assert float(truth.offset_m) == pytest.approx(0.3, abs=1e-6)
    assert float(truth.lane_left_m) == pytest.approx(1.8)
    assert torch.allclose(truth.path_y_m, torch.full((1, 33), -0.3, dtype=torch.float64))
    assert torch.allclose(truth.lane_y_m[0, 1], torch.full((33,), 1.5, dtype=torch.float64))


def test_a_patch_lies_where_it_was_put(still: Footage) -> None:
    patch = SurfaceLayer(add=torch.full((1, 1, 50, 20), 0.2), s_m=20.0, d_m=0.5, length_m=5.0, width_m=1.0)
    clean, dirty = (ReplayWorld(drive(still, 10.0, 200), layers=layers) for layers in ((), (patch,)))
    for x in (0.0, 8.0):
        difference = (
            placed(dirty, x_m=x).frames["small"][0].int() - placed(clean, x_m=x).frames["small"][0].int()
        )
        inside = project_ground(CAMERA, *torch.tensor([22.5 - x, 0.5]).double())
        beside = project_ground(CAMERA, *torch.tensor([22.5 - x, -0.5]).double())
        assert int(difference[int(inside[1]), int(inside[0]), 0]) == pytest.approx(51, abs=1)
        assert int(difference[int(beside[1]), int(beside[0]), 0]) == 0


def test_a_single_frame_is_continued(still: Footage) -> None:
    """Forty metres on, the lines are still sharp and in their places near the car."""
    seen = placed(ReplayWorld(drive(still, 10.0, 200)), x_m=40.0)
    for row in (45, 60, 75):
        for d in LANE:
            expected = CAMERA.cx - CAMERA.fx * d / distance_at(row)
            assert line_column(seen.frames["small"][0], row, expected) == pytest.approx(expected, abs=1.5)
    assert float(seen.info["known"]) > 0.9


def test_the_bonnet_stays_and_hides_the_road(still: Footage) -> None:
    patch = SurfaceLayer(add=torch.full((1, 1, 50, 20), 0.2), s_m=0.0, d_m=0.0, length_m=100.0, width_m=3.0)
    world = ReplayWorld(drive(still), layers=[patch], hood_row=100)
    seen = placed(world, x_m=20.0, y_m=0.3).frames["small"][0]
    assert torch.equal(seen[101:], still.frame(0)[101:])


def test_the_world_ends_where_views_are_not_trusted(still: Footage) -> None:
    world = ReplayWorld(drive(still, 10.0, 200), trust=Trust(1.0, 0.1, 50.0))
    assert not bool(placed(world, y_m=0.9).truth.finished)
    assert bool(placed(world, y_m=1.1).truth.finished)
    assert bool(placed(world, yaw_rad=-0.11).truth.finished)
    assert bool(placed(world, x_m=51.0).truth.finished)


def test_what_is_not_trusted_is_refused_in_words(still: Footage) -> None:
    world = ReplayWorld(drive(still, 10.0, 200), trust=Trust(1.0, 0.1, 50.0), refuse=True)
    placed(world, y_m=0.9)
    with pytest.raises(
        InvalidInput, match=r"after 0\.0 m the car is 1\.10 m beside the recorded trace, trusted"
    ):
        placed(world, y_m=1.1)
    with pytest.raises(InvalidInput, match=r"0\.110 rad off"):
        placed(world, yaw_rad=0.11)
    with pytest.raises(InvalidInput, match="road ahead, needed are 60%"):
        placed(ReplayWorld(drive(still), trust=Trust(99.0, 9.0), refuse=True), yaw_rad=0.6)


def test_the_car_may_start_beside_where_it_was(still: Footage) -> None:
    seen = ReplayWorld(drive(still), lane_m=(2.0, -1.6), offset_m=0.4, turned_rad=0.02).reset(0)
    assert float(seen.truth.offset_m) == pytest.approx(0.2, abs=1e-9)
    assert float(seen.truth.heading_error_rad) == pytest.approx(0.02)
    shifted = placed(ReplayWorld(drive(still)), y_m=0.4, yaw_rad=0.02)
    assert torch.equal(seen.frames["small"], shifted.frames["small"])


def test_layers_lie_along_the_lane_that_is_known(still: Footage) -> None:
    patch = SurfaceLayer(add=torch.full((1, 1, 50, 20), 0.2), s_m=20.0, d_m=0.0, length_m=5.0, width_m=1.0)
    clean, dirty = (ReplayWorld(drive(still), lane_m=(2.4, -1.2), layers=layers) for layers in ((), (patch,)))
    difference = placed(dirty).frames["small"][0].int() - placed(clean).frames["small"][0].int()
    u, v = project_ground(CAMERA, *torch.tensor([22.5, 0.6]).double())
    row = difference[int(v), :, 0]
    middle = float((row * (torch.arange(len(row)) + 0.5)).sum() / row.sum())
    assert middle == pytest.approx(float(u), abs=0.7)


def test_the_recorded_speed_is_kept(film: Footage) -> None:
    time = 0.05 * np.arange(20)
    speed = 5.0 + 4.0 * time
    zero = np.zeros(20)
    log = MotionLog(time, 5 * time + 2 * time**2, zero, zero, speed, zero)
    world = ReplayWorld(RecordedDrive(film, CAMERA, log))
    seen = world.reset(0)
    for index in range(10):
        assert float(seen.state.speed_mps) == pytest.approx(speed[index])
        assert float(seen.state.x_m) == pytest.approx(log.x_m[index], abs=1e-3)
        seen = world.step(command(1))


def test_steering_left_goes_left_in_every_world_alike(still: Footage) -> None:
    world = ReplayWorld(drive(still, 20.0, 200), size=2)
    alone = ReplayWorld(drive(still, 20.0, 200))
    world.reset(0)
    alone.reset(0)
    for _ in range(10):
        seen, single = world.step(command(2, 0.2)), alone.step(command(1, 0.2))
    assert float(seen.truth.offset_m[0]) > 0.05
    assert torch.equal(seen.frames["small"][0], seen.frames["small"][1])
    assert torch.equal(seen.frames["small"][:1], single.frames["small"])


def test_gradients_reach_patch_and_steering(still: Footage) -> None:
    add = torch.zeros(1, 1, 50, 20, requires_grad=True)
    patch = SurfaceLayer(add=add, s_m=15.0, d_m=0.0, length_m=5.0, width_m=1.0)
    world = ReplayWorld(drive(still), layers=[patch], differentiable=True)
    world.reset(0)
    steering = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    first = world.step(Command(steering, torch.zeros_like(steering)))
    picture = world.step(command(1)).frames["small"]
    assert picture.shape == (1, 3, 128, 256)
    assert first.frames["small"].requires_grad
    picture.sum().backward()
    assert add.grad is not None
    assert (add.grad > 0).all()
    assert steering.grad is not None
    assert float(steering.grad) != 0


def test_bad_input_is_named(still: Footage) -> None:
    with pytest.raises(InvalidInput, match="lane_m"):
        ReplayWorld(drive(still), lane_m=(-1.8, 1.8))
    with pytest.raises(InvalidInput, match="reset"):
        ReplayWorld(drive(still)).step(command(1))


def test_real_drive_starts_with_its_recorded_frame(data: Path) -> None:
    segment = read_segment(data / "drp_sc1/data/scenarios/highway/sc1")
    world = ReplayWorld(segment, (segment.camera, CAMERAS["model"]))
    seen = world.reset(0)
    assert torch.equal(seen.frames["road"][0], segment.footage.frame(0))
    assert seen.frames["model"].shape == (1, 256, 512, 3)
    assert isinstance(seen.state, VehicleState)
    assert float(seen.info["known"]) > 0.95
