"""Where each output stands in the vector that an openpilot driving model gives: anew in almost every release.

Sizes follow openpilot's model headers (selfdrive/modeld/models/driving.h, later the metadata of the ONNX files).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.world import InvalidInput

FEATURES = 512
"""Width of the recurrent state at the end of every layout."""

DENSE = 192
"""Lines of layouts up to 0.7.3 have a point at every metre, this many."""


@dataclass(frozen=True)
class Layout:
    """Where each output stands in the vector.

    Attributes:
        version: the openpilot release that brought it.
        size: length of the vector.
        fields: name to length, in order.
        plan_columns: values a plan has for each of its 33 points; 0 in layouts without plans.
        lead_distance_scale_m: unit of the distance to the car ahead.
    """

    version: str
    size: int
    fields: Mapping[str, int]
    plan_columns: int = 15
    lead_distance_scale_m: float = 1.0

    @property
    def slices(self) -> dict[str, slice]:
        """Name to the part of the vector."""
        parts, start = {}, 0
        for name, length in self.fields.items():
            parts[name] = slice(start, start + length)
            start += length
        return parts


LINES_AND_EDGES = {"lane_lines": 2 * 4 * 33 * 2, "lane_prob": 8, "road_edges": 2 * 2 * 33 * 2}
PLAN = 5 * (2 * 33 * 15 + 1)
LEAD_OLD, LEAD = 5 * (2 * 4 + 3), 2 * (2 * 6 * 4 + 3)
MODERN = {"plan": PLAN, **LINES_AND_EDGES, "lead": LEAD, "lead_prob": 3}
MODERN_META = {"desire_state": 8, "meta": 48, "desire_prediction": 32, "pose": 12}

LAYOUTS: dict[str, Layout] = {
    layout.version: layout
    for layout in (
        Layout(
            "0.6.6",
            1724,
            {
                "path": 2 * DENSE,
                "left": 2 * DENSE + 1,
                "right": 2 * DENSE + 1,
                "lead": 58,
                "features": FEATURES,
            },
            plan_columns=0,
            lead_distance_scale_m=140.0,
        ),
        Layout(
            "0.7",
            1760,
            {
                "path": 2 * DENSE,
                "left": 2 * DENSE + 1,
                "right": 2 * DENSE + 1,
                "lead": 58,
                "meta": 4,
                "desire_prediction": 32,
                "features": FEATURES,
            },
            plan_columns=0,
            lead_distance_scale_m=140.0,
        ),
        Layout(
            "0.7.3",
            2375,
            {
                "path": 2 * DENSE + 1,
                "left": 2 * DENSE + 2,
                "right": 2 * DENSE + 2,
                "lead": 58,
                "long_x": 200,
                "long_v": 200,
                "long_a": 200,
                "meta": 4,
                "desire_prediction": 32,
                "pose": 12,
                "features": FEATURES,
            },
            plan_columns=0,
            lead_distance_scale_m=10.0,
        ),
        Layout(
            "0.8.2",
            11327,
            {
                "plan": 5 * (2 * 33 * 30 + 1),
                **LINES_AND_EDGES,
                "lane_prob": 4,
                "lead": LEAD_OLD,
                "lead_prob": 3,
                "desire_state": 8,
                "meta": 4,
                "desire_prediction": 32,
                "pose": 12,
                "features": FEATURES,
            },
            plan_columns=30,
        ),
        Layout(
            "0.8.5",
            6409,
            {
                "plan": PLAN,
                **LINES_AND_EDGES,
                "lead": LEAD_OLD,
                "lead_prob": 3,
                "desire_state": 8,
                "meta": 32,
                "desire_prediction": 32,
                "pose": 12,
                "features": FEATURES,
            },
        ),
        Layout("0.8.10", 6472, {**MODERN, **MODERN_META, "features": FEATURES}),
        Layout("0.8.13", 6524, {**MODERN, "stop_lines": 3 * 17 + 1, **MODERN_META, "features": FEATURES}),
        Layout(
            "0.9.6",
            6504,
            {
                **MODERN,
                **MODERN_META,
                "wide_from_device": 6,
                "sim_pose": 12,
                "road_transform": 12,
                "desired_curvature": 2,
                "features": FEATURES,
            },
        ),
    )
}


def layout_of(size: int) -> Layout:
    """The layout whose vector has this length."""
    for layout in LAYOUTS.values():
        if layout.size == size:
            return layout
    known = ", ".join(f"{layout.size} ({version})" for version, layout in LAYOUTS.items())
    raise InvalidInput(f"model output of {size} values: no known layout has that length; known are {known}")
