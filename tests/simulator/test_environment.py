"""The environments keep Gymnasium's and Stable-Baselines3's rules, and reward what they say."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_sb3

from simulator.camera import CAMERAS
from simulator.embedded import EmbeddedWorld, Start
from simulator.environment import LaneKeepingEnv, LaneKeepingVectorEnv, Spectator
from simulator.errors import MissingExtra
from simulator.lane_keeping import LaneKeepingTask
from simulator.roads.layout import LaneLayout
from simulator.roads.road import Road
from simulator.roads.segments import Arc, Line, build_road
from simulator.scene import Scene
from simulator.traffic import OtherCar
from simulator.vehicle import VehicleParameters
from simulator.world import Command, InvalidInput, Observation

ROAD = build_road("gentle", [Line(150.0), Arc(150.0, 300.0)], LaneLayout.one_way(2, 0))
SHORT = build_road("short", [Line(20.0)], LaneLayout.one_way(1, 0))
TASK = LaneKeepingTask(VehicleParameters(), duration_s=1.0)
KEYS = {
    "offset_m", "heading_error_rad", "speed_mps", "s_m", "time_s", "lane_departure", "collided", "is_success",
}  # fmt: skip


class _Sketched:
    """The embedded world with a cheap pattern in place of its pictures; it moves with the car and the seed."""

    pattern = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (256, 512, 3), np.uint8))

    def __init__(self, *starts: Start, road: Road = ROAD) -> None:
        self._world = EmbeddedWorld([Scene(road)] * len(starts), starts, VehicleParameters())
        self.size = self._world.size

    def reset(self, seed: int) -> Observation:
        self._seeds = [seed] * self.size
        return self._sketch(self._world.reset(seed))

    def step(self, command: Command, restart: torch.Tensor | None = None, seed: int = 0) -> Observation:
        return self._sketch(self._world.step(command, restart, seed))

    def close(self) -> None:
        self._world.close()

    def _sketch(self, observation: Observation) -> Observation:
        moves = [
            round(10 * s) + seed for s, seed in zip(observation.truth.s_m.tolist(), self._seeds, strict=True)
        ]
        frames = torch.stack([torch.roll(self.pattern, move, 0) for move in moves])
        return replace(observation, frames={"model": frames})


@pytest.fixture(scope="module")
def world() -> _Sketched:
    return _Sketched(Start(speed_mps=20.0))


@pytest.fixture
def env(world: _Sketched) -> LaneKeepingEnv:
    return LaneKeepingEnv(world, TASK)


@pytest.fixture
def warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # no registered environment has a specification to be checked by; gymnasium.make is tested with scenarios
        warnings.filterwarnings("ignore", message=".*spec.*")
        yield


def _drive(env: LaneKeepingEnv, action: float, steps: int) -> tuple[float, bool, bool, dict]:
    env.reset(seed=1)
    for _ in range(steps):
        _, reward, terminated, truncated, info = env.step(np.array([action], np.float32))
        if terminated or truncated:
            break
    return reward, terminated, truncated, info


@pytest.mark.usefixtures("warnings_are_errors")
def test_gymnasium_has_nothing_to_say() -> None:
    check_env(LaneKeepingEnv(_Sketched(Start(speed_mps=20.0)), TASK), skip_render_check=True)


@pytest.mark.usefixtures("warnings_are_errors")
def test_stable_baselines3_has_nothing_to_say() -> None:
    check_env_sb3(LaneKeepingEnv(_Sketched(Start(speed_mps=20.0)), TASK))


def test_info_has_always_the_same_keys(env: LaneKeepingEnv) -> None:
    _, info = env.reset(seed=3)
    assert set(info) == KEYS
    assert set(env.step(np.zeros(1, np.float32))[-1]) == KEYS


def test_the_same_seed_gives_the_same_episode(env: LaneKeepingEnv) -> None:
    runs = []
    for _ in range(2):
        frames = [env.reset(seed=5)[0]]
        frames += [env.step(np.array([a], np.float32))[0] for a in (0.1, -0.2, 0.3)]
        runs.append(np.stack(frames))
    assert np.array_equal(*runs)
    assert not np.array_equal(env.reset(seed=6)[0], runs[0][0])


def test_a_car_in_its_lane_is_truncated_as_a_success(env: LaneKeepingEnv) -> None:
    reward, terminated, truncated, info = _drive(env, 0.0, 100)
    assert (terminated, truncated, info["is_success"]) == (False, True, True)
    assert info["time_s"] == pytest.approx(1.0)
    assert reward == pytest.approx(1.0, abs=1e-3)


def test_leaving_the_lane_ends_the_episode_and_costs() -> None:
    env = LaneKeepingEnv(_Sketched(Start(speed_mps=20.0)), replace(TASK, duration_s=30.0))
    reward, terminated, truncated, info = _drive(env, 1.0, 200)
    assert (terminated, truncated, info["is_success"], info["lane_departure"]) == (True, False, False, True)
    assert reward == TASK.departure_reward
    assert info["offset_m"] > 0.4


def test_hitting_the_car_ahead_ends_the_episode() -> None:
    wall = Start(speed_mps=30.0, cars=(OtherCar(12.0, 0.0),))
    reward, terminated, _, info = _drive(LaneKeepingEnv(_Sketched(wall), TASK), 0.0, 40)
    assert terminated
    assert info["collided"]
    assert reward == TASK.departure_reward


def test_the_end_of_the_road_is_truncation() -> None:
    env = LaneKeepingEnv(_Sketched(Start(s_m=285.0, speed_mps=20.0)), replace(TASK, duration_s=30.0))
    _, terminated, truncated, info = _drive(env, 400 / 300 / TASK.lateral_acceleration_mps2, 60)
    assert (terminated, truncated, info["is_success"]) == (False, True, True)
    assert info["time_s"] < 1.5


def test_an_action_is_a_lateral_acceleration() -> None:
    """A full action at 20 m/s is a circle of radius v^2 / 4 m/s^2 = 100 m."""
    wide = build_road("wide", [Line(200.0)], LaneLayout.one_way(1, 0, lane_width_m=9.0))
    env = LaneKeepingEnv(_Sketched(Start(speed_mps=20.0), road=wide), replace(TASK, duration_s=30.0))
    env.reset(seed=0)
    for _ in range(14):
        env.step(np.array([0.25], np.float32))
    before = env.step(np.array([0.25], np.float32))[4]
    after = env.step(np.array([0.25], np.float32))[4]
    turned = after["heading_error_rad"] - before["heading_error_rad"]
    assert turned == pytest.approx(20.0 * 0.05 / 400.0, rel=0.02)


def test_reward_falls_towards_the_mark_and_with_jerky_actions(world: _Sketched) -> None:
    truth = world.reset(0).truth
    zero, one = torch.zeros(1), torch.ones(1)
    allowed = float(truth.lane_left_m - truth.lane_right_m - TASK.vehicle.width_m) / 2
    for share in (0.0, 0.5, 0.9):
        there = replace(truth, offset_m=truth.offset_m * 0 + share * allowed)
        assert float(TASK.reward(there, zero, zero)) == pytest.approx(1 - share**2, abs=1e-6)
        assert float(TASK.reward(there, one, -one)) == pytest.approx(1 - share**2 - 0.2, abs=1e-6)
    out = replace(truth, offset_m=truth.offset_m * 0 - 1.01 * allowed)
    assert float(TASK.reward(out, zero, zero)) == TASK.departure_reward
    lost = replace(truth, offset_m=truth.offset_m * torch.nan)
    assert TASK.departed(lost).all()


@dataclass(frozen=True)
class _Belief:
    path_y_m: torch.Tensor
    lane_y_m: torch.Tensor
    lane_prob: torch.Tensor


class _Wrong:
    """Believes that the road bends to the left."""

    looks = 0

    def reset(self, size: int) -> None:
        self.looks = 0

    def __call__(self, observation: Observation) -> _Belief:
        self.looks += 1
        n = len(observation.state)
        bend = torch.linspace(0, 20, 33).expand(n, 33)
        return _Belief(bend, bend[:, None].expand(n, 4, 33), torch.ones(n, 4))


def test_pictures_show_what_is_believed() -> None:
    cameras = [CAMERAS["model"], CAMERAS["wide"]]
    world = EmbeddedWorld([Scene(SHORT)], Start(speed_mps=20.0), VehicleParameters(), cameras)
    wrong = _Wrong()
    plain = LaneKeepingEnv(world, TASK, "rgb_array", Spectator(CAMERAS["wide"], [SHORT]))
    deluded = LaneKeepingEnv(world, TASK, "rgb_array", Spectator(CAMERAS["wide"], [SHORT], wrong))
    pictures = []
    for env in (plain, deluded):
        env.reset(seed=0)
        env.step(np.zeros(1, np.float32))
        picture = env.render()
        assert picture is not None
        assert picture.shape == (720, 1280, 3)
        assert picture.dtype == np.uint8
        pictures.append(picture.astype(int))
    assert wrong.looks == 2
    assert np.abs(pictures[0] - pictures[1]).max() > 50


def test_a_window_shows_every_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    spectator = Spectator(CAMERAS["model"], [ROAD])
    shown, given = (
        LaneKeepingEnv(_Sketched(Start(speed_mps=20.0)), TASK, mode, spectator)
        for mode in ("human", "rgb_array")
    )
    for env in (shown, given):
        env.reset(seed=0)
    for _ in range(2):
        assert shown.render() is None
        screen = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
        np.testing.assert_array_equal(screen, given.render())
        for env in (shown, given):
            env.step(np.ones(1, np.float32))
    shown.close()
    shown.close()
    assert not pygame.display.get_init()


def test_a_window_needs_its_extra(world: _Sketched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    monkeypatch.delitem(sys.modules, "simulator.window", raising=False)
    with pytest.raises(MissingExtra, match=r"dirtyroad\[window\]"):
        LaneKeepingEnv(world, TASK, "human", Spectator(CAMERAS["model"], [ROAD]))


def test_wrong_use_is_refused(world: _Sketched, env: LaneKeepingEnv) -> None:
    fresh = LaneKeepingEnv(world, TASK)
    with pytest.raises(gymnasium.error.ResetNeeded):
        fresh.step(np.zeros(1, np.float32))
    with pytest.raises(InvalidInput, match="render_mode"):
        LaneKeepingEnv(world, TASK, "ansi", Spectator(CAMERAS["model"], [ROAD]))
    with pytest.raises(InvalidInput, match="spectator"):
        LaneKeepingEnv(world, TASK, "rgb_array")
    with pytest.raises(InvalidInput, match="camera 'model'"):
        LaneKeepingEnv(EmbeddedWorld([Scene(ROAD)], Start(), VehicleParameters()), TASK).reset(seed=0)
    with pytest.raises(InvalidInput, match="2 worlds"):
        LaneKeepingEnv(_Sketched(Start(), Start()), TASK)
    env.close()
    env.close()


def test_vector_environment_agrees_with_single_ones_and_begins_again_by_itself() -> None:
    steady, reckless = Start(speed_mps=20.0), Start(speed_mps=25.0)
    task = replace(TASK, duration_s=2.0)
    vector = LaneKeepingVectorEnv(_Sketched(steady, reckless), task)
    frames, info = vector.reset(seed=2)
    assert frames.shape == (2, 256, 512, 3)
    assert vector.observation_space.contains(frames)
    assert set(info) >= KEYS
    actions = np.array([[0.0], [1.0]], np.float32)
    ended = 0
    for step in range(30):
        frames, rewards, terminated, truncated, info = vector.step(actions)
        assert not truncated.any()
        assert not terminated[0]
        if terminated[1]:
            ended = step
            break
    assert ended
    assert rewards[1] == TASK.departure_reward
    assert info["s_m"][0] == pytest.approx((ended + 1) * 0.05 * 20.0, abs=1e-6)
    frames, rewards, terminated, truncated, info = vector.step(actions)
    assert info["s_m"][1] == pytest.approx(0.0, abs=1e-6)
    assert info["time_s"][1] == 0
    assert rewards[1] == 0
    assert not terminated.any()
    assert info["s_m"][0] == pytest.approx((ended + 2) * 0.05 * 20.0, abs=1e-6)
    _, _, _, _, info = vector.step(actions)
    assert info["time_s"].tolist() == pytest.approx([(ended + 3) * 0.05, 0.05])
    vector.close()
    vector.close()
