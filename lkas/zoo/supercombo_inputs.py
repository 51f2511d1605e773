"""What driving networks of openpilot's releases want to be shown: names, shapes and meaning of their inputs.

Shapes and order follow openpilot's model runners (selfdrive/modeld); names of the first releases, whose files were not
ONNX, are those of their Keras models.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from lkas.frames import PACKED_SHAPE
from lkas.layouts import FEATURES, LAYOUTS, Layout
from simulator.world import InvalidInput

DESIRES = 8
HISTORY = 100
"""Frames that networks of 0.9 are told about: five seconds."""


class Meaning(Enum):
    """What goes into an input."""

    FRAME = "the frame"
    FRAMES = "the last frame and this one"
    WIDE_FRAMES = "the same of the wide camera"
    DESIRE = "turns and lane changes that the driver wants"
    TRAFFIC = "right-hand or left-hand traffic"
    CAR = "speed and steering delay"
    STATE = "recurrent state"
    FEATURES = "feature vectors of the frames before"
    CURVATURES = "desired curvatures of the frames before"
    NAVIGATION = "route"


@dataclass(frozen=True)
class Input:
    """One input of a network.

    Attributes:
        name: in the ONNX file.
        shape: without the batch, which is one frame.
        meaning: what goes into it.
    """

    name: str
    shape: tuple[int, ...]
    meaning: Meaning


_ONE = Input("input_imgs", PACKED_SHAPE, Meaning.FRAME)
_TWO_SHAPE = (2 * PACKED_SHAPE[0], *PACKED_SHAPE[1:])
_TWO = Input("input_imgs", _TWO_SHAPE, Meaning.FRAMES)
_WIDE = Input("big_input_imgs", _TWO_SHAPE, Meaning.WIDE_FRAMES)
_DESIRE = Input("desire", (DESIRES,), Meaning.DESIRE)
_TRAFFIC = Input("traffic_convention", (2,), Meaning.TRAFFIC)
_STATE = Input("initial_state", (FEATURES,), Meaning.STATE)

INPUTS: dict[str, tuple[Input, ...]] = {
    "0.6.6": (_ONE, _DESIRE, _STATE),
    "0.7": (_ONE, _DESIRE, _STATE),
    "0.7.3": (_TWO, _DESIRE, _STATE),
    "0.8.2": (_TWO, _DESIRE, _TRAFFIC, _STATE),
    "0.8.5": (_TWO, _DESIRE, _TRAFFIC, _STATE),
    "0.8.10": (_TWO, _DESIRE, _TRAFFIC, _STATE),
    "0.8.13": (_TWO, _WIDE, _DESIRE, _TRAFFIC, _STATE),
    "0.9.6": (
        _TWO,
        _WIDE,
        Input("desire", (HISTORY, DESIRES), Meaning.DESIRE),
        _TRAFFIC,
        Input("lateral_control_params", (2,), Meaning.CAR),
        Input("prev_desired_curv", (HISTORY, 1), Meaning.CURVATURES),
        Input("nav_features", (256,), Meaning.NAVIGATION),
        Input("nav_instructions", (150,), Meaning.NAVIGATION),
        Input("features_buffer", (HISTORY - 1, FEATURES), Meaning.FEATURES),
    ),
}
"""Inputs of each version of ``LAYOUTS``, in order."""

NORMALISED = ("0.6.6", "0.7", "0.7.3")
"""Versions whose frames are ``(x - 128) / 128``; later ones take bytes as they are."""


def meaning_of(name: str, shape: Sequence[Any]) -> Meaning | None:
    """What an input is for, by its shape, and by its name where shapes are alike.

    Args:
        name: in the file.
        shape: without the batch; names or None where the file leaves a size open, which no known network does.
    """
    if not all(isinstance(size, int) for size in shape):
        return None
    match tuple(shape):
        case size if size == PACKED_SHAPE:
            return Meaning.FRAME
        case size if size == _TWO_SHAPE:
            return Meaning.WIDE_FRAMES if "big" in name else Meaning.FRAMES
        case (8,) | (_, 8):
            return Meaning.DESIRE
        case (2,):
            return Meaning.CAR if "lateral" in name else Meaning.TRAFFIC
        case (512,):
            return Meaning.STATE
        case (_, 512):
            return Meaning.FEATURES
        case (_, 1) if "curv" in name:
            return Meaning.CURVATURES
        case (_,) if "nav" in name:
            return Meaning.NAVIGATION
    return None


def recognise(
    named_shapes: Iterable[tuple[str, Sequence[Any]]], size: int
) -> tuple[Layout, tuple[Input, ...]]:
    """The version of a network.

    Args:
        named_shapes: of its inputs, in order, each as in `meaning_of`.
        size: how many values it gives in all.

    Raises:
        InvalidInput: it is none that is known; the message says what was found and what is accepted.
    """
    found = list(named_shapes)
    layout = next((layout for layout in LAYOUTS.values() if layout.size == size), None)
    meanings = [meaning_of(name, shape) for name, shape in found]
    if layout is not None and None not in meanings:
        sees = [m for m in meanings if m in (Meaning.FRAME, Meaning.FRAMES)]
        if len(sees) == 1 and len({*meanings} & {Meaning.STATE, Meaning.FEATURES}) == 1:
            return layout, tuple(
                Input(name, tuple(shape), meaning)
                for (name, shape), meaning in zip(found, meanings, strict=True)
                if meaning is not None
            )
    known = "; ".join(
        f"{version}: {_listed((i.name, i.shape) for i in inputs)} -> {LAYOUTS[version].size}"
        for version, inputs in INPUTS.items()
    )
    raise InvalidInput(f"no openpilot driving network: {_listed(found)} -> {size}; accepted are {known}")


def _listed(named_shapes: Iterable[tuple[str, Sequence[Any]]]) -> str:
    return ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in named_shapes)
