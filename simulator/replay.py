"""The replay world: drives on recorded road images, seen from where the car would be.

A recorded drive fixes speed and road; steering is the assistant's. Each picture is made from the recorded frame nearest
to the car (``simulator.synthesis``), with patches laid on the recorded road. Where only one frame is known, the near
field of its road is rectified once and repeated ahead; far away the frame itself is shown for as long as it is sharp
enough. The world ends where views can no longer be trusted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from simulator.camera import Camera
from simulator.geometry import rotate, wrap_angle
from simulator.logs.footage import Footage
from simulator.logs.motion import MotionLog
from simulator.recorded_road import NearField, RecordedRoad
from simulator.renderer import to_uint8
from simulator.roads.ahead import CAMERA_FOOT_M, Lines, look_ahead
from simulator.surface.layer import SurfaceLayer
from simulator.synthesis import RelativePose, Viewpoint
from simulator.vehicle import Vehicle, VehicleMemory, VehicleParameters
from simulator.world import (
    CAMERA_PERIOD_S,
    DISTANCES_M,
    Command,
    GroundTruth,
    InvalidInput,
    Observation,
    VehicleState,
)

TRUSTED_VIEW_M = 30.0
"""Road up to here must be shown by recorded frames."""


@dataclass(frozen=True)
class Trust:
    """How far views are trusted; beyond, the world is finished.

    Attributes:
        lateral_m: deviation from the recorded trace.
        heading_rad: from its direction.
        continued_m: of a single frame's road.
        known: share of the road in the picture, up to ``TRUSTED_VIEW_M`` ahead, that a recorded frame must show.
    """

    lateral_m: float = 2.5
    heading_rad: float = 0.2
    continued_m: float = 100.0
    known: float = 0.6


@dataclass(frozen=True)
class ReplayState:
    """Everything that changes."""

    vehicle: VehicleState
    memory: VehicleMemory
    frame: int

    def detach(self) -> ReplayState:
        """The same, cut from the graph."""
        return ReplayState(self.vehicle.detach(), self.memory.detach(), self.frame)


class ReplayWorld:
    """N cars on one recorded drive, a ``simulator.world.World``.

    Truth is relative to the recorded trace, whose lateral position is 0, or to the lane where its borders are given.

    Args:
        footage: recorded frames; frame ``i`` was taken at sample ``i`` of the motion log.
        source: the camera that took them, mounted as it was.
        motion: the recorded drive.
        cameras: what to show; the source itself where empty.
        size: how many cars drive side by side without seeing each other.
        vehicle: the car that is steered.
        lane_m: left and right border of the lane relative to the trace (positive, negative), where known.
        layers: what lies on the road; arc length along the trace, lateral position relative to it.
        start_time_s: when on the log the drive begins.
        hood_row: rows of the source from here on show the car's own bonnet.
        near_field: what is continued where there is but one frame.
        trust: when to stop.
        latency_s: how long commands take to leave the assistant's computer.
        differentiable: frames are floats ``(N, 3, H, W)`` and keep their graph, instead of ``(N, H, W, 3)`` uint8.
    """

    def __init__(
        self,
        footage: Footage,
        source: Camera,
        motion: MotionLog,
        cameras: Sequence[Camera] = (),
        size: int = 1,
        vehicle: VehicleParameters | None = None,
        lane_m: tuple[float, float] | None = None,
        layers: Sequence[SurfaceLayer] = (),
        start_time_s: float = 0.0,
        hood_row: int | None = None,
        near_field: NearField | None = None,
        trust: Trust | None = None,
        latency_s: float = 0.0,
        differentiable: bool = False,
    ) -> None:
        if (footage.width, footage.height) != (source.width, source.height):
            raise InvalidInput(
                f"{footage.path}: frames of {footage.width} x {footage.height}, but camera {source.name!r} has "
                f"{source.width} x {source.height}"
            )
        if len(footage) > len(motion):
            raise InvalidInput(
                f"{footage.path}: {len(footage)} frames, but the motion log has {len(motion)} samples"
            )
        if not 0 <= start_time_s <= motion.time_s[-1]:
            raise InvalidInput(
                f"start_time_s: {start_time_s:g} is not within the log's {motion.time_s[-1]:g} s"
            )
        if lane_m is not None and not lane_m[0] > lane_m[1]:
            raise InvalidInput(
                f"lane_m: left border {lane_m[0]:g} must lie left of (above) the right one {lane_m[1]:g}"
            )
        self._footage, self._source, self._motion = footage, source, motion
        self._size, self._start_time = size, start_time_s
        self.layers, self.trust, self.differentiable = tuple(layers), trust or Trust(), differentiable
        self.vehicle = Vehicle(vehicle or VehicleParameters(), latency_s)
        self._curve = motion.curve()
        self._left, self._right = (math.nan, math.nan) if lane_m is None else lane_m
        self._centre = 0.0 if lane_m is None else 0.5 * (self._left + self._right)
        offsets = torch.tensor([self._centre, self._left, self._right], dtype=torch.float64)[None, :, None]
        self._lines = Lines.along(self._curve, offsets.expand(-1, -1, self._curve.table.shape[1]))
        self._views = {c.name: Viewpoint(source, c, hood_row) for c in (cameras or (source,))}
        self._recorded = motion.at(torch.from_numpy(motion.time_s[: len(footage)]))
        self._arc = torch.from_numpy(motion.arc_length())
        self._last_taken: tuple[int, Tensor] | None = None
        self._road = RecordedRoad(self._curve)
        self._end_m = float(self._arc[len(footage) - 1])
        if len(footage) == 1:
            self._end_m = self.trust.continued_m
            self._road.continue_from(self._taken(0), source, near_field or NearField(), self._end_m)
        self._state: ReplayState | None = None

    @property
    def size(self) -> int:
        """How many worlds are stepped together."""
        return self._size

    def reset(self, seed: int) -> Observation:
        """Start again; a replay has nothing random, so the seed does nothing."""
        del seed
        self._state = self.start()
        with nullcontext() if self.differentiable else torch.no_grad():
            return self.observe(self._state)

    def step(self, command: Command) -> Observation:
        """Hold ``command`` for one camera period and look again. Its acceleration is ignored."""
        if self._state is None:
            raise InvalidInput("the world has not been reset; call reset(seed) first")
        with nullcontext() if self.differentiable else torch.no_grad():
            self._state = self.advance(self._state, command)
            return self.observe(self._state)

    def close(self) -> None:
        """Give back what the world holds."""
        self._views, self._state = {}, None

    def _log_at(self, frame: int) -> VehicleState:
        time = torch.full((self._size,), self._start_time + frame * CAMERA_PERIOD_S, dtype=torch.float64)
        return self._motion.at(time)

    def start(self) -> ReplayState:
        """The first instant: on the trace, steering as it curves."""
        log = self._log_at(0)
        _, _, _, curvature = self._curve.frame_at(self._arc_at(0)[:, None])
        steering = self.vehicle.parameters.steering_for(curvature[:, 0], log.speed_mps)
        state = VehicleState.at(log.x_m, log.y_m, log.yaw_rad, log.speed_mps).replace(
            acceleration_mps2=log.acceleration_mps2, steering_rad=steering, yaw_rate_radps=log.yaw_rate_radps
        )
        return ReplayState(state, self.vehicle.initial_memory(state), 0)

    def advance(self, state: ReplayState, command: Command) -> ReplayState:
        """One camera period later: pure. The speed is the recorded one."""
        before, after = self._log_at(state.frame), self._log_at(state.frame + 1)
        even = (after.speed_mps - before.speed_mps) / CAMERA_PERIOD_S
        rolling = state.vehicle.replace(speed_mps=before.speed_mps, acceleration_mps2=even)
        car, memory = self.vehicle.step(rolling, state.memory, Command(command.steering_rad, even))
        return ReplayState(car.replace(speed_mps=after.speed_mps), memory, state.frame + 1)

    def _arc_at(self, frame: int) -> Tensor:
        time = self._start_time + frame * CAMERA_PERIOD_S
        position = torch.searchsorted(torch.from_numpy(self._motion.time_s), time).clamp(
            max=len(self._arc) - 1
        )
        return self._arc[position].expand(self._size)

    def observe(self, state: ReplayState, layers: Sequence[SurfaceLayer] | None = None) -> Observation:
        """What is to be seen: pure. ``layers`` are the world's own where None."""
        car = state.vehicle
        s, d = self._curve.to_frenet(car.x_m[:, None], car.y_m[:, None], self._arc_at(state.frame)[:, None])
        layers = self.layers if layers is None else layers
        pictures: dict[str, list[Tensor]] = {name: [] for name in self._views}
        known = []
        for i in range(self._size):
            nearest = self._nearest_frame(car, i)
            taken, recorded = self._taken(nearest), self._pose(nearest)
            pose = RelativePose.between(recorded, (car.x_m[i], car.y_m[i], car.yaw_rad[i]))
            shares = []
            for name, view in self._views.items():
                picture, seen = view(taken, pose)
                picture, seen = self._road.dress(picture, seen, view, pose, recorded, layers, i)
                pictures[name].append(picture)
                near = view.is_ground & (view.ground_x_m < TRUSTED_VIEW_M)
                shares.append((seen & near).sum() / near.sum().clamp_min(1))
            known.append(torch.stack(shares).amin().double())
        frames = {name: torch.stack(stack) for name, stack in pictures.items()}
        truth = self._truth(car, s[:, 0], d[:, 0], torch.stack(known))
        return Observation(
            state.frame * CAMERA_PERIOD_S,
            frames if self.differentiable else {name: to_uint8(frame) for name, frame in frames.items()},
            car,
            truth,
            {"set_speed_mps": car.speed_mps.detach(), "known": torch.stack(known)},
        )

    def _nearest_frame(self, car: VehicleState, i: int) -> int:
        """The recorded frame that was taken the least ahead of or behind the car."""
        dx, dy = self._recorded.x_m - car.x_m[i].detach(), self._recorded.y_m - car.y_m[i].detach()
        along, across = rotate(dx, dy, -car.yaw_rad[i].detach())
        # a trace that crosses itself, or turns round, comes by again elsewhere
        return int((along.abs() + (across.abs() - 5.0).clamp_min(0.0)).argmin())

    def _taken(self, index: int) -> Tensor:
        """A recorded frame, ``(3, H, W)`` in [0, 1]."""
        if self._last_taken is None or self._last_taken[0] != index:
            self._last_taken = index, self._footage.frame(index).permute(2, 0, 1).float() / 255
        return self._last_taken[1]

    def _pose(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Where the car was when it took a frame: x, y, yaw."""
        return self._recorded.x_m[index], self._recorded.y_m[index], self._recorded.yaw_rad[index]

    def _truth(self, car: VehicleState, s: Tensor, d: Tensor, known: Tensor) -> GroundTruth:
        _, _, heading, curvature = self._curve.frame_at(s[:, None])
        heading_error = wrap_angle(car.yaw_rad - heading[:, 0])
        dx, dy = rotate(torch.full_like(s, CAMERA_FOOT_M), torch.zeros_like(s), car.yaw_rad)
        ahead = look_ahead(self._lines, s, car.x_m + dx, car.y_m + dy, car.yaw_rad, DISTANCES_M.to(s))
        missing = torch.full_like(ahead.y_m[:, :1], math.nan)
        seen = torch.where(ahead.exists[:, 1:], ahead.y_m[:, 1:], missing)
        trust = self.trust
        trusted = (
            (d.detach().abs() <= trust.lateral_m)
            & (heading_error.detach().abs() <= trust.heading_rad)
            & (known >= trust.known)
        )
        half_lane = torch.full_like(s, 0.5 * (self._left - self._right))
        return GroundTruth(
            s_m=s,
            offset_m=d - self._centre,
            heading_error_rad=heading_error,
            curvature_per_m=curvature[:, 0],
            lane_left_m=half_lane,
            lane_right_m=-half_lane,
            path_y_m=ahead.y_m[:, 0],
            lane_y_m=torch.cat([missing, seen, missing], 1),
            lead_distance_m=torch.full_like(s, math.inf),
            lead_speed_mps=torch.zeros_like(s),
            collided=torch.zeros(len(s), dtype=torch.bool),
            finished=~trusted | (s.detach() >= self._end_m),
        )
