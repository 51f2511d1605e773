"""Images that move in a window only: a patch on the road, not all that the camera sees.

Outside of the window values are known, so that rows need be carried on inside of it only.
"""

from __future__ import annotations

import torch
from torch import Tensor

from defenses.bounds.graph import Node
from defenses.bounds.problem import Problem
from defenses.bounds.rows import Patches, Rows, Selection, Window
from defenses.bounds.rules.base import as_plain

WORTH = 0.7
"""A window that covers a greater share of its image is not worth the trouble."""

DETOUR = 4
"""Windows of different places are written out over the whole image first, so must be so many times as large."""


def settle(problem: Problem, node: Node, rows: Rows) -> tuple[Rows, Tensor | None]:
    """Rows cut down to where a node moves.

    Args:
        problem: with an interval for the node.
        node: the rows are over its value.
        rows: any.

    Returns:
        The rows and what was cut off, applied to the values there: a constant ``(B|1, S)``, ``(B|1, 2 S)`` for
        mirrored rows, or None.
    """
    window = _moving_window(problem, node)
    if window is None or isinstance(rows, Selection):
        return rows, None
    top, bottom, left, right = window
    if isinstance(rows, Patches):
        size = rows.window[0] * rows.window[1]
        if size <= (bottom - top) * (right - left) * (1 if rows.common else DETOUR):
            return rows, None
    whole = rows if isinstance(rows, Patches) and rows.common else rows.dense()
    outside = problem.intervals[node.index].centre.clone()
    outside[..., top:bottom, left:right] = 0
    inside = whole.trim(window) if isinstance(whole, Patches) else Patches.cut(whole, window)
    return inside, as_plain(whole, whole.dot(outside))


def _moving_window(problem: Problem, node: Node) -> Window | None:
    """The smallest window of an image outside of which nothing moves; None for no image, or nearly all of it."""
    place = (node.index, "moving window")
    if place not in problem.cache:
        problem.cache[place] = _look(problem, node)
    window: Window | None = problem.cache[place]
    return window


def _look(problem: Problem, node: Node) -> Window | None:
    if len(node.shape) != 4 or node.shape[0] != 1:
        return None
    interval = problem.intervals[node.index]
    moves = (interval.upper > interval.lower).flatten(0, 2).any(0)
    if not bool(moves.any()):
        return 0, 1, 0, 1
    (top, bottom), (left, right) = (_span(moves.any(axis)) for axis in (1, 0))
    return (top, bottom, left, right) if (bottom - top) * (right - left) <= WORTH * moves.numel() else None


def _span(present: Tensor) -> tuple[int, int]:
    """First true place and the one after the last."""
    places = torch.nonzero(present)
    return int(places[0]), int(places[-1]) + 1
