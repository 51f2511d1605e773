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
from simulator.logs.drive import RecordedDrive
from simulator.recorded_road import NearField, RecordedRoad
from simulator.renderer import to_uint8
from simulator.roads.ahead import CAMERA_FOOT_M, Lines, look_ahead
from simulator.roads.road import Road
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

    def length_m(self, drive: RecordedDrive) -> float:
        """How much of the recorded road may be driven."""
        if len(drive.footage) == 1:
            return self.continued_m
        return float(drive.motion.arc_length()[len(drive.footage) - 1])

    def fault(self, lateral_m: float, heading_rad: float, known: float) -> str | None:
        """Why a view is not trusted, in words; None where it is."""
        if not abs(lateral_m) <= self.lateral_m:
            return f"the car is {lateral_m:.2f} m beside the recorded trace, trusted are {self.lateral_m:g} m"
        if not abs(heading_rad) <= self.heading_rad:
            return f"the car points {heading_rad:.3f} rad off the recorded trace, trusted are {self.heading_rad:g} rad"
        if not known >= self.known:
            return f"recorded frames show {known:.0%} of the road ahead, needed are {self.known:.0%}"
        return None


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
        drive: what was recorded.
        cameras: what to show; the one that took the frames where empty.
        size: how many cars drive side by side without seeing each other.
        vehicle: the car that is steered. A ready one knows its own latency.
        lane_m: left and right border of the lane relative to the trace (positive, negative), where known.
        layers: what lies on the road; arc length and lateral position along ``road``.
        offset_m: how far left of the recorded place the car starts.
        turned_rad: how far it is turned to the left there.
        hood_row: rows of the recorded frames from here on show the car's own bonnet.
        near_field: what is continued where there is but one frame.
        trust: when to stop.
        refuse: raise where views are not trusted, instead of ending there.
        latency_s: how long commands take to leave the assistant's computer.
        differentiable: frames are floats ``(N, 3, H, W)`` and keep their graph, instead of ``(N, H, W, 3)`` uint8.

    Attributes:
        road: what was driven on, as far as it may be driven.
    """

    def __init__(
        self,
        drive: RecordedDrive,
        cameras: Sequence[Camera] = (),
        size: int = 1,
        vehicle: VehicleParameters | Vehicle | None = None,
        lane_m: tuple[float, float] | None = None,
        layers: Sequence[SurfaceLayer] = (),
        offset_m: float = 0.0,
        turned_rad: float = 0.0,
        hood_row: int | None = None,
        near_field: NearField | None = None,
        trust: Trust | None = None,
        refuse: bool = False,
        latency_s: float = 0.0,
        differentiable: bool = False,
    ) -> None:
        if lane_m is not None and not lane_m[0] > lane_m[1]:
            raise InvalidInput(
                f"lane_m: left border {lane_m[0]:g} must lie left of (above) the right one {lane_m[1]:g}"
            )
        self._footage, self._motion, self._size = drive.footage, drive.motion, size
        self._begin = offset_m, turned_rad
        self.layers, self.trust, self.differentiable = tuple(layers), trust or Trust(), differentiable
        self._refuse = refuse
        if not isinstance(vehicle, Vehicle):
            vehicle = Vehicle(vehicle or VehicleParameters(), latency_s)
        self.vehicle = vehicle
        self.road: Road = drive.motion.road(drive.footage.path.name, self.trust.length_m(drive), lane_m)
        self._curve = self.road.curve()
        self._half_lane = float(self.road.ego_lane.left_m[0])
        self._centre = 0.0 if lane_m is None else 0.5 * (lane_m[0] + lane_m[1])
        self._lines = Lines.around([self.road], self._curve)
        self._views = {c.name: Viewpoint(drive.camera, c, hood_row) for c in (cameras or (drive.camera,))}
        self._recorded = drive.motion.at(torch.from_numpy(drive.motion.time_s[: len(drive.footage)]))
        self._arc = torch.from_numpy(drive.motion.arc_length())
        self._last_taken: tuple[int, Tensor] | None = None
        self._ground = RecordedRoad(self._curve)
        if len(drive.footage) == 1:
            near = near_field or NearField()
            self._ground.continue_from(self._taken(0), drive.camera, near, self.road.length_m)
        self._state: ReplayState | None = None

    @property
    def size(self) -> int:
        """How many worlds are stepped together."""
        return self._size

    def reset(self, seed: int) -> Observation:
        """Start again; see `start`."""
        self._state = self.start(seed)
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
        return self._motion.at(torch.full((self._size,), frame * CAMERA_PERIOD_S, dtype=torch.float64))

    def start(self, seed: int) -> ReplayState:
        """The first instant: as the recorded car was, or moved from there, steering as the road curves.

        A replay has nothing random, so the seed does nothing.
        """
        del seed
        log, (offset, turn) = self._log_at(0), self._begin
        _, _, _, curvature = self._curve.frame_at(self._arc_at(0)[:, None])
        dx, dy = rotate(torch.zeros_like(log.x_m), torch.full_like(log.x_m, offset), log.yaw_rad)
        steering = self.vehicle.parameters.steering_for(curvature[:, 0], log.speed_mps)
        state = VehicleState.at(log.x_m + dx, log.y_m + dy, log.yaw_rad + turn, log.speed_mps).replace(
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
        time = frame * CAMERA_PERIOD_S
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
                picture, seen = self._ground.dress(picture, seen, view, pose, recorded, layers, i)
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
        half_lane = torch.full_like(s, self._half_lane)
        # the trace lies beside the middle of the lane
        figures = torch.stack([d + self._centre, heading_error, known], 1).detach().tolist()
        faults = [self.trust.fault(*figure) for figure in figures]
        if self._refuse and any(faults):
            raise InvalidInput(
                f"{self._footage.path}: after {float(s.detach().max()):.1f} m {next(filter(None, faults))}; to end the "
                "drive there set world.beyond_trust: stop, or allow more in world.trust"
            )
        return GroundTruth(
            s_m=s,
            offset_m=d,
            heading_error_rad=heading_error,
            curvature_per_m=curvature[:, 0],
            lane_left_m=half_lane,
            lane_right_m=-half_lane,
            path_y_m=ahead.y_m[:, 0],
            lane_y_m=torch.where(ahead.exists[:, 1:], ahead.y_m[:, 1:], math.nan),
            lead_distance_m=torch.full_like(s, math.inf),
            lead_speed_mps=torch.zeros_like(s),
            collided=torch.zeros(len(s), dtype=torch.bool),
            finished=torch.tensor([fault is not None for fault in faults])
            | (s.detach() >= self.road.length_m),
        )
