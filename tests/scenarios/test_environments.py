"""Environments made by name, as users make them."""

from __future__ import annotations

import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_sb3

import scenarios
from simulator.world import InvalidInput

ID = "dirtyroad/LaneKeeping-v0"
SCENARIO = """
schema_version: 1
duration_s: 0.3
road:
  type: segments
  segments: [{type: line, length_m: 20}]
  layout: {type: one_way, lane_count: 1, ego_lane: 0, lane_width_m: 3.5}
ego: {speed_mps: 20.0}
assistant: ground_truth
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("scenarios") / "short.yaml"
    file.write_text(SCENARIO)
    return file


@pytest.fixture(scope="module")
def env(scenario: Path) -> gymnasium.Env:
    return gymnasium.make(f"scenarios:{ID}", scenario=scenario, render_mode="rgb_array")


def test_registered_by_importing_scenarios() -> None:
    assert scenarios.__name__ == "scenarios"
    assert ID in gymnasium.registry


def test_both_checkers_pass_without_a_warning(env: gymnasium.Env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")  # every render mode is tried
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
        check_env_sb3(env.unwrapped)


def test_an_episode_through_the_wrappers_of_make(scenario: Path) -> None:
    env = gymnasium.make(f"scenarios:{ID}", scenario=scenario, render_mode="rgb_array")
    observation, _ = env.reset(seed=0)
    assert observation.shape == (256, 512, 3)
    assert observation.std() > 10
    truncated = False
    while not truncated:
        _, _, terminated, truncated, info = env.step(np.zeros(1, np.float32))
        assert not terminated
    assert info["is_success"]
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    assert picture.shape == (720, 1280, 3)
    env.close()


def test_vector_environment_by_name(scenario: Path) -> None:
    env = gymnasium.make_vec(ID, num_envs=2, vectorization_mode="vector_entry_point", scenario=scenario)
    frames, _ = env.reset(seed=0)
    assert frames.shape == (2, 256, 512, 3)
    assert not np.array_equal(frames[0], frames[1])
    _, rewards, _, _, info = env.step(env.action_space.sample() * 0)
    assert rewards.shape == (2,)
    assert info["speed_mps"].tolist() == pytest.approx([20.0] * 2)
    env.close()


def test_dirt_lies_on_the_road_of_an_environment(scenario: Path, tmp_path: Path) -> None:
    dirty = tmp_path / "dirty.yaml"
    dirt = "attack: {type: random_dirt, ahead_m: 1.0, length_m: 6.0, warm_up_s: 0.0}"
    dirty.write_text(SCENARIO + dirt + "\n")
    frames = []
    for file in (scenario, dirty):
        env = gymnasium.make(ID, scenario=file)
        frames.append(env.reset(seed=0)[0])
        env.close()
    assert (frames[0] != frames[1]).any(-1).sum() > 100
    dirty.write_text(SCENARIO + "attack: dirty_road\n")
    with pytest.raises(InvalidInput, match="optimised against the driver"):
        gymnasium.make(ID, scenario=dirty)


def test_what_cannot_be_done_is_said(scenario: Path) -> None:
    env = gymnasium.make(ID, scenario=scenario).unwrapped
    env.reset(seed=0)
    for action in (None, np.full(1, np.nan), np.zeros(2)):
        with pytest.raises(InvalidInput, match="action: give"):
            env.step(action)
    env.close()
    with pytest.raises(InvalidInput, match="closed"):
        env.reset()


def test_scenarios_that_cannot_share_a_batch_are_refused(scenario: Path, tmp_path: Path) -> None:
    longer = tmp_path / "longer.yaml"
    longer.write_text(SCENARIO.replace("0.3", "0.4"))
    with pytest.raises(InvalidInput, match="duration_s"):
        gymnasium.make_vec(
            ID, num_envs=2, vectorization_mode="vector_entry_point", scenario=[scenario, longer]
        )
    with pytest.raises(InvalidInput, match="give one"):
        gymnasium.make(ID, scenario="benign/*")
    with pytest.raises(InvalidInput, match="nowhere"):
        gymnasium.make(ID, scenario="nowhere")
