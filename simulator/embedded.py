"""The world that needs nothing else: roads, cars and cameras in torch, N of them stepped as one batch.

What happens in a step is a pure function of a ``WorldState``: ``start``, ``observe`` and ``advance`` can be unrolled,
so that gradients flow from the cells of a patch on the road to where the car ends up. ``reset`` and ``step`` wrap them
as a World. No operation mixes worlds: a world does the same alone and in a batch.

Motion is in float64; pictures in float32 unless asked otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from simulator.camera import Camera
from simulator.objects import Boxes, collides, footprint
from simulator.radar import look
from simulator.renderer import Renderer
from simulator.roads.ahead import CAMERA_FOOT_M, Lines, look_ahead
from simulator.roads.place import EgoLanes
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.traffic import OtherCar, Traffic
from simulator.vehicle import SLOWEST_DYNAMIC_MPS, Vehicle, VehicleMemory, VehicleParameters
from simulator.world import (
    CAMERA_PERIOD_S,
    DISTANCES_M,
    Command,
    GroundTruth,
    InvalidInput,
    Observation,
    VehicleState,
)

_FRAMES_PER_SEED = 1_000_003
"""Seeds choose the noise of the sensor: each starts at another number of frame."""


@dataclass(frozen=True)
class Start:
    """How a world begins: a car that follows its lane.

    Attributes:
        s_m: arc length of the car's rear axle along the road.
        offset_m: its lateral position, positive left of the lane's centre.
        heading_error_rad: relative to the lane.
        speed_mps: initial speed.
        set_speed_mps: what the driver wants; the initial speed where None.
        cars: other cars.
        barriers_d_m: lateral position of a wall on the left and on the right; infinite for none.
    """

    s_m: float = 0.0
    offset_m: float = 0.0
    heading_error_rad: float = 0.0
    speed_mps: float = 20.0
    set_speed_mps: float | None = None
    cars: tuple[OtherCar, ...] = ()
    barriers_d_m: tuple[float, float] = (math.inf, -math.inf)


@dataclass(frozen=True)
class WorldState:
    """Everything that changes in N worlds.

    Attributes:
        vehicle: the cars.
        memory: commands on their way.
        s_m: ``(N,)`` arc length of each car, without gradient: where to look for it on the road.
        frame: ``(N,)`` int64, how many camera periods have passed.
        seed: ``(N,)`` int64, of the sensor's noise.
    """

    vehicle: VehicleState
    memory: VehicleMemory
    s_m: Tensor
    frame: Tensor
    seed: Tensor

    def detach(self) -> WorldState:
        """The same, cut from the graph."""
        return replace(self, vehicle=self.vehicle.detach(), memory=self.memory.detach())


class EmbeddedWorld:
    """N worlds in one process, a ``simulator.world.World``.

    Args:
        scenes: one a world.
        starts: one a world, or one for all.
        vehicle: the car; the same in all worlds. A ready one knows its own latency.
        cameras: what to render for; none for driving by truth. Frames appear under the cameras' names.
        latency_s: how long commands take to leave the assistant's computer.
        differentiable: frames are floats ``(N, 3, H, W)`` and everything keeps its graph; otherwise ``(N, H, W, 3)``
            uint8 without gradients.
        layers: what lies on the roads besides what the scenes have; may be set between frames.
        ahead: give the true path and lane marks; without (they are NaN then) a step takes a quarter of a millisecond
            less.
        picture_dtype: of rendering; float64 to check gradients.
        device: where tensors live.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        starts: Sequence[Start] | Start,
        vehicle: VehicleParameters | Vehicle | None = None,
        cameras: Sequence[Camera] = (),
        latency_s: float = 0.0,
        differentiable: bool = False,
        layers: Sequence[SurfaceLayer] = (),
        ahead: bool = True,
        picture_dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self._ahead = ahead
        self._starts = [starts] * len(scenes) if isinstance(starts, Start) else list(starts)
        if not scenes or len(self._starts) != len(scenes):
            raise InvalidInput(
                f"{len(self._starts)} starts for {len(scenes)} scenes; give one each, and at least one"
            )
        for index, (scene, start) in enumerate(zip(scenes, self._starts, strict=True)):
            if not 0 <= start.s_m < scene.road.length_m:
                raise InvalidInput(
                    f"start.s_m of world {index}: {start.s_m:g} is not on road {scene.road.name!r}; "
                    f"give 0 to {scene.road.length_m:g}"
                )
            if start.speed_mps < 0:
                raise InvalidInput(
                    f"start.speed_mps of world {index}: {start.speed_mps:g} must not be negative"
                )
        self.layers = tuple(layers)
        if not isinstance(vehicle, Vehicle):
            vehicle = Vehicle(vehicle or VehicleParameters(), latency_s, torch.float64, device)
        self.vehicle = vehicle
        self.differentiable = differentiable
        roads = [scene.road for scene in scenes]
        self._ego_lanes = EgoLanes.of(roads, device)
        self.curve = self._ego_lanes.curve
        self._lines = Lines.around(roads, self.curve)
        self._distances = DISTANCES_M.to(device)
        self._length = self._column([road.length_m for road in roads])
        self._set_speed = self._column(
            [s.speed_mps if s.set_speed_mps is None else s.set_speed_mps for s in self._starts]
        )
        self._walls = self._column([s.barriers_d_m for s in self._starts])
        self._walled = bool(torch.isfinite(self._walls).any())
        zero = torch.zeros_like(self._length)
        self._alone = (zero + math.inf, zero, zero > 0)
        unseen = torch.full((len(scenes), 5, len(DISTANCES_M)), math.nan, dtype=torch.float64, device=device)
        self._unseen = unseen[:, 0], unseen[:, 1:]
        own = self.vehicle.parameters
        self._front_m = own.length_m - own.rear_overhang_m
        self._traffic = Traffic.of([(s.s_m + self._front_m, s.cars) for s in self._starts], self.curve)
        self._renderers = {c.name: Renderer(scenes, c, picture_dtype, device) for c in cameras}
        self._state: WorldState | None = None

    def _column(self, values: Sequence[object]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=self.curve.table.device)

    @property
    def size(self) -> int:
        """How many worlds are stepped together."""
        return len(self._starts)

    @property
    def state(self) -> WorldState:
        """Where the worlds are now."""
        if self._state is None:
            raise InvalidInput("the world has not been reset; call reset(seed) first")
        return self._state

    def start(self, seed: int) -> WorldState:
        """The first instant. The seed chooses the sensor's noise."""
        s, d, heading, speed = self._column(
            [(s.s_m, s.offset_m, s.heading_error_rad, s.speed_mps) for s in self._starts]
        ).unbind(1)
        x, y = self.curve.to_cartesian(s, d)
        _, _, road_heading, _ = self.curve.frame_at(s)
        # a car that is in a curve is steering for it already; its front wheels are where that is decided
        car = self.vehicle.parameters
        _, _, _, curvature = self.curve.frame_at(s + car.wheelbase_m)
        curvature = curvature / (1 - curvature * d)
        slip = car.slip_of(curvature, speed)
        # at walking pace tyres do not slip
        slip = torch.zeros_like(speed) if slip is None else slip * (speed >= SLOWEST_DYNAMIC_MPS)
        state = VehicleState.at(x, y, road_heading + heading - slip, speed).replace(
            steering_rad=car.steering_for(curvature, speed),
            yaw_rate_radps=speed * curvature,
            lateral_speed_mps=speed * torch.tan(slip),
        )
        count = torch.zeros(self.size, dtype=torch.int64, device=s.device)
        return WorldState(state, self.vehicle.initial_memory(state), s, count, count + seed)

    def restart(self, state: WorldState, which: Tensor, seed: int) -> WorldState:
        """The first instant where ``which (N,)`` is true, the others as they are: pure."""
        fresh = self.start(seed)

        def choose(new: Tensor, old: Tensor) -> Tensor:
            return torch.where(which.to(old.device).reshape(-1, *[1] * (old.ndim - 1)), new, old)

        vehicle = {
            f.name: choose(getattr(fresh.vehicle, f.name), getattr(state.vehicle, f.name))
            for f in fields(VehicleState)
        }
        memory = {
            f.name: choose(getattr(fresh.memory, f.name), getattr(state.memory, f.name))
            for f in fields(fresh.memory)
        }
        return WorldState(
            VehicleState(**vehicle),
            type(fresh.memory)(**memory),
            choose(fresh.s_m, state.s_m),
            choose(fresh.frame, state.frame),
            choose(fresh.seed, state.seed),
        )

    def advance(self, state: WorldState, command: Command) -> WorldState:
        """One camera period later: pure."""
        car, memory = self.vehicle.step(state.vehicle, state.memory, command)
        s = state.s_m + 0.5 * CAMERA_PERIOD_S * (state.vehicle.speed_mps + car.speed_mps).detach()
        return WorldState(car, memory, s, state.frame + 1, state.seed)

    def observe(self, state: WorldState, layers: Sequence[SurfaceLayer] | None = None) -> Observation:
        """What is to be seen: pure. ``layers`` are the world's own where None."""
        car = state.vehicle
        time = state.frame.to(car.x_m) * CAMERA_PERIOD_S
        boxes = self.other_cars(time)
        truth = self._truth(state, time, boxes)
        frames = {}
        for name, renderer in self._renderers.items():
            take = renderer if self.differentiable else renderer.photograph
            frames[name] = take(
                car,
                truth.s_m.detach(),
                state.seed * _FRAMES_PER_SEED + state.frame,
                self.layers if layers is None else layers,
                boxes,
            )
        info = {"set_speed_mps": self._set_speed}
        if boxes is not None and self._traffic is not None:
            info |= look(car, self.vehicle.parameters, boxes, self._traffic.motion(time)[1].abs())
        return Observation(float(time.max()), frames, car, truth, info)

    def reset(self, seed: int) -> Observation:
        """Start again; the same seed gives the same bytes."""
        with self._graph():
            self._state = self.start(seed)
            return self._look()

    def step(self, command: Command, restart: Tensor | None = None, seed: int = 0) -> Observation:
        """Hold ``command`` for one camera period and look again.

        Args:
            command: for every world.
            restart: ``(N,)`` bool, worlds that begin again with ``seed`` instead; the time of the observation is then
                that of the world that has gone on for longest.
            seed: of the sensor's noise in those.
        """
        with self._graph():
            self._state = self.advance(self.state, command)
            if restart is not None:
                self._state = self.restart(self._state, restart, seed)
            return self._look()

    def close(self) -> None:
        """Give back what the world holds."""
        self._renderers, self._state = {}, None

    def _graph(self) -> AbstractContextManager[object]:
        return nullcontext() if self.differentiable else torch.no_grad()

    def _look(self) -> Observation:
        observation = self.observe(self.state)
        # the next look starts where this one found the car
        self._state = replace(self.state, s_m=observation.truth.s_m.detach())
        return observation

    def other_cars(self, time_s: Tensor) -> Boxes | None:
        """The other cars at the time ``(N,)`` of each world."""
        return None if self._traffic is None else self._traffic.boxes(time_s)

    def _truth(self, state: WorldState, time_s: Tensor, boxes: Boxes | None) -> GroundTruth:
        car, own = state.vehicle, self.vehicle.parameters
        place = self._ego_lanes.locate(car.x_m, car.y_m, car.yaw_rad, state.s_m)
        s, d = place.s_m, place.d_m
        cos, sin = torch.cos(car.yaw_rad), torch.sin(car.yaw_rad)
        path, marks = self._unseen
        if self._ahead:
            foot_x, foot_y = car.x_m + CAMERA_FOOT_M * cos, car.y_m + CAMERA_FOOT_M * sin
            ahead = look_ahead(self._lines, s, foot_x, foot_y, car.yaw_rad, self._distances)
            path = ahead.y_m[:, 0]
            marks = torch.where(ahead.exists[:, 1:], ahead.y_m[:, 1:], math.nan)
        gap, lead_speed, collided = self._alone
        if self._walled:
            reach = 0.5 * own.width_m + 0.5 * own.wheelbase_m * place.heading_error_rad.detach().abs()
            collided = (d.detach() + reach > self._walls[:, 0]) | (d.detach() - reach < self._walls[:, 1])
        if boxes is not None and self._traffic is not None:
            gap, lead_speed = self._traffic.lead(time_s, s, self._front_m)
            to_middle = 0.5 * own.length_m - own.rear_overhang_m
            size = torch.full_like(s, own.length_m), torch.full_like(s, own.width_m)
            corners = footprint(car.x_m + to_middle * cos, car.y_m + to_middle * sin, car.yaw_rad, *size)
            collided = collided | collides(corners, boxes)
        return GroundTruth(
            s_m=s,
            offset_m=d,
            heading_error_rad=place.heading_error_rad,
            curvature_per_m=place.curvature_per_m,
            lane_left_m=place.left_m,
            lane_right_m=place.right_m,
            path_y_m=path,
            lane_y_m=marks,
            lead_distance_m=gap,
            lead_speed_mps=lead_speed,
            collided=collided,
            finished=s >= self._length,
        )
