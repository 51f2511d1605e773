"""What a run of the closed loop writes into its recording, and in which units."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import torch
from torch import Tensor

from lkas.perception import Decision
from simulator.recording import Channel, Recorder
from simulator.roads.road import Road
from simulator.world import DISTANCES_M, Observation

UNITS = {
    "_radps": "rad/s",
    "_mps2": "m/s^2",
    "_per_m": "1/m",
    "_mps": "m/s",
    "_rad": "rad",
    "_m": "m",
    "_s": "s",
    "pose": "m/s, rad/s",
}
"""Units by the ending of a name."""


def unit_of(name: str, values: Tensor) -> str:
    """The unit that a name states; ``1`` for shares and probabilities."""
    if values.dtype == torch.bool:
        return "bool"
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "1")


def record_observation(recorder: Recorder, observation: Observation) -> None:
    """Note the car and what the map knows."""
    for group, values in (("state", observation.state), ("truth", observation.truth)):
        for field in fields(values):
            _add(recorder, observation.time_s, f"{group}/{field.name}", getattr(values, field.name))


def record_decision(recorder: Recorder, time_s: float, decision: Decision) -> None:
    """Note what the assistant saw and what it wants."""
    for group, values in (("command", decision.command), ("perception", decision.perception)):
        for field in fields(values):
            _add(recorder, time_s, f"{group}/{field.name}", getattr(values, field.name))
    _add(recorder, time_s, "decision/desired_curvature_per_m", decision.desired_curvature_per_m)
    _add(recorder, time_s, "decision/saturated", decision.saturated)
    for name, value in decision.info.items():
        _add(recorder, time_s, f"info/{name}", value)


def _add(recorder: Recorder, time_s: float, name: str, values: Tensor) -> None:
    # what is seen is far less exact than a float32; what is driven keeps its precision
    stored = values.float() if name.startswith("perception/") else values
    recorder.add(time_s, name, stored, unit_of(name, values))


def road_channels(road: Road) -> dict[str, Channel]:
    """The road, for whoever draws the run: reference line, borders of the lanes, marks from left to right."""
    lanes = np.stack([[lane.left_m, lane.right_m] for lane in road.lanes])
    marks = [mark.offset_m for mark in road.marks] or [np.empty_like(road.x_m)][:0]
    return {
        "road/s_m": Channel(road.s_m, "m"),
        "road/x_m": Channel(road.x_m, "m"),
        "road/y_m": Channel(road.y_m, "m"),
        "road/heading_rad": Channel(road.heading_rad, "rad"),
        "road/curvature_per_m": Channel(road.curvature_per_m, "1/m"),
        "road/lanes_m": Channel(lanes.astype(np.float32), "m"),
        "road/marks_m": Channel(np.array(marks, np.float32).reshape(len(marks), len(road.x_m)), "m"),
        "perception/distances_m": Channel(DISTANCES_M.numpy(), "m"),
    }
