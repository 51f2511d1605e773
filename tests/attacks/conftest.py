"""A victim that is small enough to be checked by hand: it steers to where the road is brighter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from attacks.rehearsal import Rehearsal
from attacks.target import RoadTarget
from lkas.perception import Decision, Perception
from simulator.camera import Camera
from simulator.embedded import EmbeddedWorld, Start
from simulator.roads.layout import LaneLayout, Paint, Strip
from simulator.roads.segments import Line, build_road
from simulator.scene import Scene
from simulator.surface.style import SurfaceStyle
from simulator.vehicle import VehicleParameters
from simulator.world import Command, Observation

SMALL = Camera("small", 64, 32, 114.0, 114.0, 32.0, 6.0)
START_M = 18.5
SPEED_MPS = 20.0


class TowardsBrightness:
    """Steers by how much brighter the left half of the picture is than the right one, smoothed over frames."""

    cameras = ("small",)

    def __init__(self, gain_per_m: float = 0.05) -> None:
        self.network = nn.Linear(1, 1, bias=False).requires_grad_(False)
        nn.init.constant_(self.network.weight, gain_per_m)
        self.memory: Tensor | None = None
        self.seen = 0

    def reset(self, size: int) -> None:
        self.memory = torch.zeros(size, dtype=torch.float64)
        self.seen = 0

    def __call__(self, observation: Observation) -> Decision:
        frame = observation.frames["small"].mean(1)
        brighter = frame[:, 8:, :32].mean((1, 2)) - frame[:, 8:, 32:].mean((1, 2))
        assert self.memory is not None
        self.memory = 0.5 * self.memory + 0.5 * brighter.double()
        self.seen += 1
        desired = self.network.weight.double()[0, 0] * self.memory
        steering = VehicleParameters().steering_for(desired, observation.state.speed_mps)
        zero = torch.zeros_like(desired)
        path = (desired[:, None] * torch.linspace(0, 1, 33, dtype=torch.float64)).expand(-1, 33)
        lanes = path[:, None].expand(-1, 4, -1)
        perception = Perception(path, path, lanes, lanes, lanes[..., 0], zero, zero, zero, lanes[:, 0, :6])
        return Decision(Command(steering, zero), perception, desired, zero > 1)


@pytest.fixture(scope="session")
def scene() -> Scene:
    """A straight road without texture."""
    paint = Paint("solid")
    road = build_road("line", [Line(80.0)], LaneLayout((Strip(3.6),), (paint, paint), 0))
    return Scene(
        road, SurfaceStyle(grain=0.0, patchiness=0.0, cracks=0.0, stains=0.0, seams=0.0, tyre_tracks=0.0)
    )


@pytest.fixture(scope="session")
def worlds(scene: Scene) -> Callable[[torch.dtype], EmbeddedWorld]:
    """Differentiable worlds by the type of their pictures."""
    made: dict[torch.dtype, EmbeddedWorld] = {}

    def world(dtype: torch.dtype) -> EmbeddedWorld:
        if dtype not in made:
            made[dtype] = EmbeddedWorld(
                [scene],
                Start(speed_mps=SPEED_MPS),
                cameras=[SMALL],
                differentiable=True,
                ahead=False,
                picture_dtype=dtype,
            )
        return made[dtype]

    return world


@pytest.fixture
def rehearsal(worlds: Callable[[torch.dtype], EmbeddedWorld]) -> Rehearsal:
    """The victim, half a second before time zero, seen exactly enough to check gradients."""
    world = worlds(torch.float64)
    return Rehearsal(world, world.start, TowardsBrightness, VehicleParameters(), 10)


@pytest.fixture
def target(scene: Scene, worlds: Callable[[torch.dtype], EmbeddedWorld]) -> RoadTarget:
    """A patch's place 7 m ahead of the camera after that half second, with the victim before it."""
    world = worlds(torch.float32)
    rehearsal = Rehearsal(world, world.start, TowardsBrightness, VehicleParameters(), 10)
    return RoadTarget(scene.road, START_M, scene, rehearsal)
