"""The embedded world: its contract, its truth, its cars, its gradients."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from simulator.camera import Camera
from simulator.embedded import EmbeddedWorld, Start
from simulator.roads.layout import LaneLayout
from simulator.roads.segments import Arc, Clothoid, Line, build_road
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.traffic import OtherCar
from simulator.vehicle import PRESETS
from simulator.world import Command, InvalidInput, Observation, World

TINY = Camera("tiny", 64, 32, 114.0, 114.0, 32.0, 6.0)
LAYOUT = LaneLayout.two_way(3.6)
STRAIGHT = Scene(build_road("straight", [Line(120.0)], LAYOUT), seed=1)
BEND = Scene(build_road("bend", [Line(20.0), Clothoid(40.0, 0.0, 0.01), Arc(100.0, 100.0)], LAYOUT), seed=2)


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def hold(
    world: EmbeddedWorld, frames: int, steering: Sequence[float], acceleration: float = 0.0
) -> list[Observation]:
    observations = [world.reset(3)]
    command = Command(column(*steering), column(*[acceleration] * world.size))
    for _ in range(frames):
        observations.append(world.step(command))
    return observations


def test_a_car_that_slips_starts_in_steady_cornering() -> None:
    world = EmbeddedWorld([BEND], Start(s_m=70.0, speed_mps=15.0), PRESETS["openpilot_0_6_dynamic"])
    first = world.reset(0)
    later = world.step(Command(first.state.steering_rad, column(0.0)))
    assert float(first.state.lateral_speed_mps) < -0.05
    for name in ("lateral_speed_mps", "yaw_rate_radps"):
        before, after = (float(getattr(seen.state, name)) for seen in (first, later))
        assert after == pytest.approx(before, rel=0.01)
    assert float(later.truth.offset_m) == pytest.approx(float(first.truth.offset_m), abs=2e-3)


def test_it_is_a_world() -> None:
    world = EmbeddedWorld([STRAIGHT], Start())
    assert isinstance(world, World)
    assert world.size == 1
    world.close()
    world.close()


def test_start_is_where_it_was_asked_for() -> None:
    start = Start(s_m=70.0, offset_m=-0.4, heading_error_rad=0.03, speed_mps=17.0)
    first = EmbeddedWorld([BEND], start).reset(0)
    truth = first.truth
    assert first.time_s == 0
    assert float(truth.s_m) == pytest.approx(70.0, abs=1e-6)
    assert float(truth.offset_m) == pytest.approx(-0.4, abs=1e-6)
    assert float(truth.heading_error_rad) == pytest.approx(0.03, abs=1e-6)
    assert float(truth.curvature_per_m) == pytest.approx(0.01)
    assert (float(truth.lane_left_m), float(truth.lane_right_m)) == pytest.approx((1.8, -1.8))
    assert float(first.state.speed_mps) == 17.0
    # it follows a circle of 100 m less 0.4 m beside its right side
    assert float(
        PRESETS["openpilot_0_6"].curvature_of(first.state.steering_rad, column(17.0))
    ) == pytest.approx(1 / 100.4)
    assert float(first.info["set_speed_mps"]) == 17.0
    # seen from the camera's foot, 1.5 m ahead of the axle, the centre is to the left
    assert float(truth.path_y_m[0, 0]) == pytest.approx(0.4 - 1.5 * 0.03 + 0.005 * 1.5**2, abs=2e-3)


def test_truth_follows_a_car_that_drives_straight_on() -> None:
    last = hold(EmbeddedWorld([STRAIGHT], Start(heading_error_rad=0.02, speed_mps=20.0)), 60, [0.0])[-1]
    assert last.time_s == pytest.approx(3.0)
    assert float(last.truth.s_m) == pytest.approx(60 * math.cos(0.02))
    assert float(last.truth.offset_m) == pytest.approx(60 * math.sin(0.02))


def test_road_ends() -> None:
    finished = [bool(o.truth.finished) for o in hold(EmbeddedWorld([STRAIGHT], Start(s_m=100.0)), 24, [0.0])]
    assert finished == [0.05 * 20 * frame >= 20.0 - 1e-9 for frame in range(25)]


def test_mixed_batch_does_what_each_world_does_alone() -> None:
    """Ten seconds of steering this way and that, eight worlds of different roads together and one by one."""
    scenes = [STRAIGHT, BEND] * 4
    starts = [Start(s_m=float(3 * k), offset_m=0.1 * k, speed_mps=5.0 + k) for k in range(8)]
    car = replace(PRESETS["openpilot_0_6_delayed"], model="dynamic")

    def positions(pick: list[int]) -> Tensor:
        world = EmbeddedWorld([scenes[k] for k in pick], [starts[k] for k in pick], car, latency_s=0.03)
        world.reset(0)
        for frame in range(200):
            turn = [0.2 * math.sin(0.1 * frame + k) for k in pick]
            seen = world.step(Command(column(*turn), column(*[0.1 * k for k in pick])))
        return torch.stack([seen.state.x_m, seen.state.y_m, seen.truth.s_m, seen.truth.offset_m])

    together = positions(list(range(8)))
    for k in (0, 3, 6):
        assert torch.allclose(positions([k])[:, 0], together[:, k], atol=1e-9)


def test_lead_car_moves_brakes_and_is_measured_bumper_to_bumper() -> None:
    lead = OtherCar(gap_m=30.0, speed_mps=15.0, braking_time_s=1.0, braking_mps2=5.0)
    beside = OtherCar(gap_m=10.0, speed_mps=15.0, d_m=3.6)
    seen = hold(EmbeddedWorld([STRAIGHT], Start(speed_mps=10.0, cars=(beside, lead))), 100, [0.0])
    assert float(seen[0].truth.lead_distance_m) == pytest.approx(30.0)
    assert float(seen[20].truth.lead_distance_m) == pytest.approx(30.0 + 5.0)
    assert float(seen[20].truth.lead_speed_mps) == pytest.approx(15.0)
    assert float(seen[40].truth.lead_speed_mps) == pytest.approx(10.0)
    # it stops 15^2 / 10 m after it began to brake
    assert float(seen[90].truth.lead_distance_m) == pytest.approx(30.0 + 15.0 + 22.5 - 45.0)
    assert float(seen[90].truth.lead_speed_mps) == 0.0


def test_no_lead_is_at_infinity() -> None:
    cars = (OtherCar(gap_m=-30.0, speed_mps=20.0), OtherCar(gap_m=20.0, speed_mps=20.0, d_m=3.6))
    truth = EmbeddedWorld([STRAIGHT, STRAIGHT], [Start(cars=cars), Start()]).reset(0).truth
    assert truth.lead_distance_m.tolist() == [math.inf, math.inf]


def test_collisions() -> None:
    oncoming = OtherCar(gap_m=50.0, speed_mps=-20.0, d_m=0.5)
    missed = OtherCar(gap_m=50.0, speed_mps=-20.0, d_m=3.6)
    starts = [Start(cars=(oncoming,)), Start(cars=(missed,)), Start()]
    seen = hold(EmbeddedWorld([STRAIGHT] * 3, starts), 30, [0.0] * 3)
    hits = torch.stack([o.truth.collided for o in seen])
    assert hits.any(dim=0).tolist() == [True, False, False]
    # they close in at 40 m/s
    assert int(hits[:, 0].to(torch.int8).argmax()) == math.ceil(50 / 40 / 0.05)


def test_barrier_is_hit_by_the_side_of_the_car() -> None:
    starts = [Start(offset_m=d, barriers_d_m=(2.0, -math.inf)) for d in (0.9, 0.95)]
    assert EmbeddedWorld([STRAIGHT] * 2, starts).reset(0).truth.collided.tolist() == [False, True]


def test_truth_without_a_look_ahead_is_not_invented() -> None:
    truth = EmbeddedWorld([STRAIGHT], Start(offset_m=0.1), ahead=False).reset(0).truth
    assert bool(truth.path_y_m.isnan().all())
    assert bool(truth.lane_y_m.isnan().all())
    assert float(truth.offset_m) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("start", "word"),
    [
        (Start(s_m=500.0), "start.s_m of world 0: 500"),
        (Start(speed_mps=-1.0), "start.speed_mps of world 0: -1"),
    ],
)
def test_impossible_starts_are_refused_by_name(start: Start, word: str) -> None:
    with pytest.raises(InvalidInput, match=word):
        EmbeddedWorld([STRAIGHT], start)


def test_a_world_must_be_reset_first() -> None:
    with pytest.raises(InvalidInput, match="reset"):
        EmbeddedWorld([STRAIGHT], Start()).step(Command(column(0.0), column(0.0)))


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not() -> None:
    world = EmbeddedWorld([STRAIGHT], Start(), cameras=[TINY])

    def look(seed: int) -> Tensor:
        first = world.reset(seed).frames["tiny"]
        return torch.stack([first, world.step(Command(column(0.1), column(0.0))).frames["tiny"]])

    once, again, other = look(7), look(7), look(8)
    assert once.dtype == torch.uint8
    assert once.shape == (2, 1, 32, 64, 3)
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_worlds_that_are_not_differentiable_keep_no_graph() -> None:
    world = EmbeddedWorld([STRAIGHT], Start())
    world.reset(0)
    steering = column(0.1).requires_grad_()
    assert not world.step(Command(steering, column(0.0))).state.steering_rad.requires_grad


class TestPatch:
    """Gradients from the cells of a patch to where the car ends up, through picture, steering and motion."""

    def offset(self, world: EmbeddedWorld, cells: Tensor) -> Tensor:
        """Lateral offset after three frames of a driver that steers away from what is bright."""
        layer = SurfaceLayer(cells[None, None], 8.0, 0.0, 6.0, 4.0)
        away = torch.linspace(-1, 1, TINY.width, dtype=torch.float64)
        state = world.start(0)
        for _ in range(3):
            frame = world.observe(state, [layer]).frames["tiny"]
            steering = (frame.mean(dim=(1, 2)) * away).sum(dim=1)
            state = world.advance(state, Command(steering, torch.zeros_like(steering)))
        return world.observe(state, [layer]).truth.offset_m

    @pytest.mark.parametrize("name", ["openpilot_0_6", "iso_11270"])
    def test_gradient_agrees_with_differences(self, name: str, generator: torch.Generator) -> None:
        car = replace(PRESETS[name], steering_rate_limit_radps=math.inf, max_lateral_jerk_mps3=math.inf)
        world = EmbeddedWorld(
            [STRAIGHT], Start(speed_mps=15.0), car, [TINY], differentiable=True, picture_dtype=torch.float64
        )
        cells = 0.05 * torch.randn(6, 8, generator=generator, dtype=torch.float64)
        cells.requires_grad_()
        (slope,) = torch.autograd.grad(self.offset(world, cells), cells)
        assert float(slope.abs().max()) > 0
        with torch.no_grad():
            for index in ((0, 1), (2, 6), (5, 3)):
                nudge = torch.zeros_like(cells)
                nudge[index] = 1e-4
                difference = (self.offset(world, cells + nudge) - self.offset(world, cells - nudge)) / 2e-4
                assert float(slope[index]) == pytest.approx(float(difference), rel=1e-3)
