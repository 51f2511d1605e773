"""Gymnasium environments over any World: one car, or N of them as one batch.

An observation is the camera frame that the lane-keeping network sees, ``(256, 512, 3) uint8 RGB`` (the frame of camera
``model``), and an action is one number, see ``simulator.lane_keeping``. ``info`` always has the same keys, all of them
scalars: ``offset_m``, ``heading_error_rad``, ``speed_mps``, ``s_m``, ``time_s``, ``lane_departure``, ``collided`` and
``is_success``, which becomes true when an episode is truncated: time or road are over, and the car is in its lane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from torch import Tensor

from simulator import overlay
from simulator.camera import CAMERAS, Camera
from simulator.cruise import Cruise
from simulator.lane_keeping import LaneKeepingTask
from simulator.roads.road import Road
from simulator.world import CAMERA_PERIOD_S, Command, InvalidInput, Observation, World

if TYPE_CHECKING:
    from simulator.window import Window

Frame = NDArray[np.uint8]
Action = NDArray[np.float32]

FRAMES_PER_S = round(1 / CAMERA_PERIOD_S)
_LARGEST_SEED = 2**31


class Sight(Protocol):
    """What somebody believes to see, as ``lkas.perception.Perception``: ``(N, 33)``, ``(N, 4, 33)`` and ``(N, 4)``."""

    @property
    def path_y_m(self) -> Tensor: ...
    @property
    def lane_y_m(self) -> Tensor: ...
    @property
    def lane_prob(self) -> Tensor: ...


class Perceiver(Protocol):
    """Looks at observations in turn; shown in pictures, without influence on the driving."""

    def reset(self, size: int) -> None:
        """Forget everything; the next observations are of ``size`` worlds."""

    def __call__(self, observation: Observation) -> Sight:
        """Look once."""


class RestartableWorld(World, Protocol):
    """A world of which some can begin again while the others go on."""

    def step(self, command: Command, restart: Tensor | None = None, seed: int = 0) -> Observation:
        """Like ``World.step``, but where ``restart (N,)`` is true a world begins again with ``seed``."""


@dataclass(frozen=True)
class Spectator:
    """How an episode is shown to people.

    Attributes:
        camera: whose frames are drawn upon; the world must render for it.
        roads: of every world, for the view from above.
        perceiver: whose path and lane lines are drawn; the map's own where None.
    """

    camera: Camera
    roads: Sequence[Road]
    perceiver: Perceiver | None = None

    def picture(self, observation: Observation, sight: Sight | None, index: int) -> Frame:
        """World ``index`` as ``(H, W, 3) uint8 RGB``: camera, belief, and the view from above."""
        state, truth = observation.state, observation.truth
        if sight is None:
            path, lanes = _array(truth.path_y_m[index]), _array(truth.lane_y_m[index])
            prob = np.where(np.isnan(lanes).all(-1), 0.0, 1.0)
        else:
            path, lanes, prob = (_array(t[index]) for t in (sight.path_y_m, sight.lane_y_m, sight.lane_prob))
        pose = (float(state.x_m[index]), float(state.y_m[index]), float(state.yaw_rad[index]))
        frame = observation.frames[self.camera.name][index].cpu().numpy()
        drawn = overlay.draw_sight(frame, self.camera, path, lanes, prob)
        above = overlay.birds_eye(
            self.roads[index],
            pose,
            float(truth.s_m[index]),
            path,
            lanes,
            prob,
            float(truth.lead_distance_m[index]),
        )
        return overlay.place_inset(drawn, above)


def _array(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.detach().cpu().double().numpy()


class _Episodes:
    """What the single and the vector environment share: N episodes of a task in a world."""

    def __init__(
        self,
        world: World,
        task: LaneKeepingTask,
        render_mode: str | None,
        spectator: Spectator | None,
        modes: Sequence[str],
    ) -> None:
        if render_mode not in (None, *modes):
            raise InvalidInput(
                f"render_mode: {render_mode!r} is not supported; use None or one of: {', '.join(modes)}"
            )
        if render_mode is not None and spectator is None:
            raise InvalidInput(f"render_mode: {render_mode!r} needs a spectator, which says what to draw")
        self.world, self.task, self.camera = world, task, CAMERAS["model"]
        self.spectator = spectator if render_mode is not None else None
        self.cruise = Cruise()
        self.steps = torch.zeros(world.size, dtype=torch.int64)
        self.previous = torch.zeros(world.size)
        self.observation: Observation | None = None
        self.sight: Sight | None = None
        self.closed = False

    def close(self) -> None:
        self.closed = True
        self.world.close()

    def asked(self, actions: Any) -> Tensor:
        """``(N,)`` actions that somebody gave.

        Raises:
            InvalidInput: they are not N finite numbers, or the environment is closed.
        """
        self._check_open()
        try:
            values = np.asarray(actions, np.float32).reshape(self.world.size)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"action: give {self.world.size} numbers, not {actions!r:.60}") from error
        if not np.isfinite(values).all():
            raise InvalidInput(f"action: give finite numbers, not {actions!r:.60}")
        return torch.from_numpy(values)

    def _check_open(self) -> None:
        if self.closed:
            raise InvalidInput("the environment is closed; make another one")

    def reset(self, seed: int) -> None:
        self._check_open()
        self.steps.zero_()
        self.previous.zero_()
        if self.spectator is not None and self.spectator.perceiver is not None:
            self.spectator.perceiver.reset(self.world.size)
        self._see(self.world.reset(seed))

    def step(self, action: Tensor, restart: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Reward, terminated and truncated, each ``(N,)``; zero and false where a world begins again."""
        assert self.observation is not None
        action = action.clamp(-1, 1)
        command = self.task.command(action, self.observation, self.cruise)
        if restart.any():
            world: RestartableWorld = self.world  # type: ignore[assignment]
            observation = world.step(command, restart, seed)
        else:
            observation = self.world.step(command)
        truth = observation.truth
        reward = torch.where(restart, 0.0, self.task.reward(truth, action, self.previous))
        self.steps = torch.where(restart, 0, self.steps + 1)
        self.previous = torch.where(restart, 0.0, action)
        terminated = (self.task.departed(truth) | truth.collided) & ~restart
        truncated = ((self.steps >= self.task.steps) | truth.finished) & ~terminated & ~restart
        self._see(observation)
        return reward, terminated, truncated

    def _see(self, observation: Observation) -> None:
        if self.camera.name not in observation.frames:
            raise InvalidInput(
                f"world: it renders no camera {self.camera.name!r}, which the environment shows; add it"
            )
        self.observation = observation
        if self.spectator is not None and self.spectator.perceiver is not None:
            self.sight = self.spectator.perceiver(observation)

    def frames(self) -> Frame:
        assert self.observation is not None
        return self.observation.frames[self.camera.name].cpu().numpy()

    def info(self, truncated: Tensor | None = None) -> dict[str, NDArray[Any]]:
        """``(N,)`` arrays by key."""
        assert self.observation is not None
        state, truth = self.observation.state, self.observation.truth
        success = torch.zeros(self.world.size, dtype=torch.bool) if truncated is None else truncated
        values = {
            "offset_m": truth.offset_m,
            "heading_error_rad": truth.heading_error_rad,
            "speed_mps": state.speed_mps,
            "s_m": truth.s_m,
            "time_s": self.steps.double() * CAMERA_PERIOD_S,
            "lane_departure": self.task.departed(truth),
            "collided": truth.collided,
            "is_success": success,
        }
        return {key: value.cpu().numpy() for key, value in values.items()}

    def picture(self, index: int) -> Frame:
        if self.observation is None or self.spectator is None:
            raise gymnasium.error.ResetNeeded("there is nothing to render before reset()")
        return self.spectator.picture(self.observation, self.sight, index)


class LaneKeepingEnv(gymnasium.Env[Frame, Action]):
    """One car that shall keep to its lane.

    Args:
        world: one world, with a camera ``model``, and the spectator's if there is one.
        task: what an action does and earns.
        render_mode: None; ``rgb_array``, where ``render`` gives pictures; or ``human``, where they are shown in a
            window after every ``reset`` and ``step``, at the pace of the camera.
        spectator: what pictures show.

    Raises:
        InvalidInput: the arguments do not fit together, or a window needs an extra that is not installed.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "render_modes": ["human", "rgb_array"],
        "render_fps": FRAMES_PER_S,
    }

    def __init__(
        self,
        world: World,
        task: LaneKeepingTask,
        render_mode: str | None = None,
        spectator: Spectator | None = None,
    ) -> None:
        if world.size != 1:
            raise InvalidInput(f"world: it has {world.size} worlds; use LaneKeepingVectorEnv")
        self._episodes = _Episodes(world, task, render_mode, spectator, self.metadata["render_modes"])
        self.render_mode = render_mode
        self._window: Window | None = None
        if render_mode == "human":
            from simulator.window import Window

            self._window = Window(FRAMES_PER_S)
        self.observation_space: gymnasium.spaces.Space[Frame] = _frame_space(self._episodes.camera)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Frame, dict[str, Any]]:
        """Begin an episode; the same seed gives the same bytes. There are no options."""
        super().reset(seed=seed)
        self._episodes.reset(int(self.np_random.integers(_LARGEST_SEED)))
        self._show()
        return self._episodes.frames()[0], self._info(None)

    def step(self, action: Action) -> tuple[Frame, float, bool, bool, dict[str, Any]]:
        """Drive for one camera period."""
        if self._episodes.observation is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        asked = self._episodes.asked(action)
        reward, terminated, truncated = self._episodes.step(asked, torch.zeros(1, dtype=torch.bool), 0)
        self._show()
        return (
            self._episodes.frames()[0],
            float(reward),
            bool(terminated),
            bool(truncated),
            self._info(truncated),
        )

    def _info(self, truncated: Tensor | None) -> dict[str, Any]:
        return {key: value[0].item() for key, value in self._episodes.info(truncated).items()}

    def render(self) -> Frame | None:
        """The camera with what is believed of the road, and a view from above; None unless it is ``rgb_array``."""
        return self._episodes.picture(0) if self.render_mode == "rgb_array" else None

    def _show(self) -> None:
        if self._window is not None:
            self._window.show(self._episodes.picture(0))

    def close(self) -> None:
        """Close the world and the window; may be called twice."""
        self._episodes.close()
        if self._window is not None:
            self._window.close()


class LaneKeepingVectorEnv(VectorEnv[Frame, Action, NDArray[Any]]):
    """N cars in one batch; each begins again by itself in the step after its episode has ended (``NEXT_STEP``).

    Args:
        world: N worlds that can begin again one by one.
        task: of all of them.
        render_mode: None or ``rgb_array``.
        spectator: what ``render`` shows.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "render_modes": ["rgb_array"],
        "render_fps": FRAMES_PER_S,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        world: RestartableWorld,
        task: LaneKeepingTask,
        render_mode: str | None = None,
        spectator: Spectator | None = None,
    ) -> None:
        self._episodes = _Episodes(world, task, render_mode, spectator, self.metadata["render_modes"])
        self.num_envs = world.size
        self.render_mode = render_mode
        self.single_observation_space = _frame_space(self._episodes.camera)
        self.single_action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._over = torch.zeros(self.num_envs, dtype=torch.bool)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Frame, dict[str, Any]]:
        """Begin N episodes. The worlds share one seed: of several, the first one counts. There are no options."""
        first = seed if seed is None or isinstance(seed, int) else seed[0]
        super().reset(seed=first)
        self._over.zero_()
        self._episodes.reset(int(self.np_random.integers(_LARGEST_SEED)))
        return self._episodes.frames(), self._info(None)

    def step(self, actions: Action) -> tuple[Frame, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Drive for one camera period, or begin again where an episode was over; actions there are ignored."""
        if self._episodes.observation is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        asked = self._episodes.asked(actions)
        seed = int(self.np_random.integers(_LARGEST_SEED)) if self._over.any() else 0
        reward, terminated, truncated = self._episodes.step(asked, self._over, seed)
        self._over = terminated | truncated
        flags = (terminated.numpy(), truncated.numpy())
        return self._episodes.frames(), reward.double().numpy(), *flags, self._info(truncated)

    def _info(self, truncated: Tensor | None) -> dict[str, Any]:
        values = self._episodes.info(truncated)
        present = np.ones(self.num_envs, bool)
        return {**values, **{f"_{key}": present.copy() for key in values}}

    def render(self) -> tuple[Frame, ...] | None:
        """One picture a world; None without a render mode."""
        if self.render_mode is None:
            return None
        return tuple(self._episodes.picture(index) for index in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Close the world; called once."""
        self._episodes.close()


def _frame_space(camera: Camera) -> gymnasium.spaces.Box[Any]:
    return gymnasium.spaces.Box(0, 255, (camera.height, camera.width, 3), np.uint8)
