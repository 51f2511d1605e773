"""Half of the gap between rendered and real: does a network of real roads find the lane in rendered frames?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lkas.perception import LEFT_NEAR, RIGHT_NEAR
from lkas.zoo.lane_mask import LANE_PROBABILITY, EgoLane, LaneLine, fit_ego_lane
from lkas.zoo.twinlitenet import TwinLiteNet
from scenarios.build import scene_of, weather_of
from scenarios.reports.mosaic import draw_line, label
from scenarios.schema import Scenario
from simulator.camera import CAMERAS
from simulator.embedded import EmbeddedWorld, Start
from simulator.renderer import Renderer, to_uint8
from simulator.scene import Scene
from simulator.world import DISTANCES_M, InvalidInput

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

AHEAD_M, LIMITS_M = (10.0, 20.0), (0.25, 0.4)
"""Where lines are compared, and how far from the truth they may be there."""

DAYLIGHT_DEG = 10.0
"""The sun is at least so high above the horizon."""

OFFSET_M, HEADING_RAD = 0.4, 0.03
"""How far a car may be from the middle of its lane, and turned from it."""

BEHIND_M, BEFORE_M = 30.0, 200.0
"""The stretch of road that is rendered."""

TILE = (480, 270)


@dataclass(frozen=True)
class Sight:
    """What the network saw in one rendered frame.

    Attributes:
        scenario: its name.
        s_m: where on its road.
        offset_m: the car's, from the middle of its lane.
        heading_rad: the car's, relative to its lane.
        error_m: ``(2, 2)`` distance of the left and the right line from the truth at ``AHEAD_M``; infinite where
            the line was not found.
        picture: the frame with what was segmented (red) and the lines of the ego lane (cyan, where true: green).
    """

    scenario: str
    s_m: float
    offset_m: float
    heading_rad: float
    error_m: Array
    picture: Image

    @property
    def found(self) -> bool:
        """Whether both lines are where they should be."""
        return self.worst <= 1.0

    @property
    def worst(self) -> float:
        """Largest error as a multiple of what is allowed."""
        return float((self.error_m / np.array(LIMITS_M)).max())


def by_daylight(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """Those in which the sun is up.

    Raises:
        InvalidInput: there is none.
    """
    bright = [s for s in scenarios if weather_of(s.weather).sun_altitude_angle >= DAYLIGHT_DEG]
    if not bright:
        raise InvalidInput("scenarios: it is dark in all of them; give at least one by daylight")
    return bright


def look(network: TwinLiteNet, scenarios: Sequence[Scenario], frames: int, seed: int) -> Iterator[Sight]:
    """Show the network frames from random places, as many of each scenario.

    Args:
        network: with trained weights.
        scenarios: roads, surfaces and weathers; other cars are left out, as they would hide lines.
        frames: how many in all.
        seed: of places, headings and the sensor's noise.
    """
    scene: Scene | None = None
    for index in range(frames):
        # scenario by scenario, as making a scene takes longer than a picture of it
        number = index * len(scenarios) // frames
        if index == 0 or number != (index - 1) * len(scenarios) // frames:
            scene = scene_of(scenarios[number])
        assert scene is not None
        yield _look_once(network, scenarios[number].name, scene, np.random.default_rng([seed, index]))


def _look_once(network: TwinLiteNet, name: str, scene: Scene, rng: np.random.Generator) -> Sight:
    s_m = float(rng.uniform(0.0, max(scene.road.length_m - 100.0, 1.0)))
    offset_m, heading_rad = (
        float(rng.uniform(-OFFSET_M, OFFSET_M)),
        float(rng.uniform(-HEADING_RAD, HEADING_RAD)),
    )
    world = EmbeddedWorld([scene], Start(s_m, offset_m, heading_rad, speed_mps=10.0))
    truth = world.reset(int(rng.integers(2**20))).truth
    camera = CAMERAS["wide"]
    with torch.inference_mode():
        renderer = Renderer([scene], camera, stretch=(s_m - BEHIND_M, s_m + BEFORE_M))
        state = world.state
        frame = to_uint8(renderer(state.vehicle, state.s_m, int(rng.integers(2**20))))
        _, mask = network.probabilities(frame)
    lane = fit_ego_lane(mask[0].clone(), camera)
    lines = ((lane.left, LEFT_NEAR), (lane.right, RIGHT_NEAR))
    marks = truth.lane_y_m[0].numpy()
    error_m = np.array([_errors(line, marks[place]) for line, place in lines])
    return Sight(
        name, s_m, offset_m, heading_rad, error_m, _draw(frame[0].numpy(), mask[0].numpy(), lane, error_m)
    )


def _errors(line: LaneLine | None, truth_y_m: Array) -> list[float]:
    if line is None:
        return [math.inf] * len(AHEAD_M)
    found = line.y_at(torch.tensor(AHEAD_M, dtype=torch.float64)).numpy()
    return [float(e) for e in np.abs(found - np.interp(AHEAD_M, DISTANCES_M.numpy(), truth_y_m))]


def _draw(frame: Image, mask: NDArray[np.float32], lane: EgoLane, error_m: Array) -> Image:
    picture = frame.copy()
    picture[mask > LANE_PROBABILITY] = (255, 0, 0)
    for line, errors in zip((lane.left, lane.right), error_m, strict=True):
        good = bool((errors <= np.array(LIMITS_M)).all())
        picture = draw_line(picture, CAMERAS["wide"], line, (60, 255, 90) if good else (0, 255, 255))
    return np.asarray(cv2.resize(picture, TILE, interpolation=cv2.INTER_AREA), np.uint8)


def describe(sight: Sight) -> Image:
    """Its picture, with name and errors."""
    errors = " ".join(f"{error:.2f}" for error in sight.error_m.flatten())
    return label(sight.picture, f"{sight.scenario.removeprefix('benign/')} {errors}", sight.found)
