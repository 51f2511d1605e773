"""ONNX operations that move values about, and those that make and read shapes."""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from lkas.zoo.onnx_ops.node import Node, Operand, Operation, integers, number


def _concat(node: Node, *inputs: Tensor) -> Tensor:
    return torch.cat(inputs, int(node.get("axis", 1)))


def _split(node: Node, x: Tensor, sizes: Operand = None) -> tuple[Tensor, ...]:
    axis = int(node.get("axis", 0))
    wanted = integers(node, sizes, "split")
    if wanted is None:  # parts of equal size, the last one smaller if it must be
        return torch.split(x, math.ceil(x.shape[axis] / len(node.outputs)), axis)
    return torch.split(x, wanted, axis)


def _slice(
    node: Node,
    x: Tensor,
    starts: Operand = None,
    ends: Operand = None,
    axes: Operand = None,
    steps: Operand = None,
) -> Tensor:
    first, last = integers(node, starts, "starts"), integers(node, ends, "ends")
    assert first is not None
    assert last is not None
    along = integers(node, axes, "axes") or list(range(len(first)))
    by = integers(node, steps, "steps") or [1] * len(first)
    for start, stop, axis, step in zip(first, last, along, by, strict=True):
        start, stop, step = slice(start, stop, step).indices(x.shape[axis])
        if step > 0:
            x = x[(slice(None),) * (axis % x.ndim) + (slice(start, max(stop, start), step),)]
        else:  # which PyTorch cannot do by slicing
            x = x.index_select(axis, torch.arange(start, stop, step, device=x.device))
    return x


def _reshape(node: Node, x: Tensor, shape: Operand = None) -> Tensor:
    wanted = integers(node, shape, "shape")
    assert wanted is not None
    if not node.get("allowzero", 0):  # then a zero means: as it is
        wanted = [x.shape[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    return x.reshape(wanted)


def _flatten(node: Node, x: Tensor) -> Tensor:
    axis = int(node.get("axis", 1)) % (x.ndim + 1)
    return x.reshape(math.prod(x.shape[:axis]), -1)


def _transpose(node: Node, x: Tensor) -> Tensor:
    return x.permute(node.get("perm", tuple(reversed(range(x.ndim)))))


def _squeeze(node: Node, x: Tensor, axes: Operand = None) -> Tensor:
    wanted = integers(node, axes, "axes")
    return x.squeeze() if wanted is None else x.squeeze(wanted)


def _unsqueeze(node: Node, x: Tensor, axes: Operand = None) -> Tensor:
    wanted = integers(node, axes, "axes")
    assert wanted is not None
    rank = x.ndim + len(wanted)
    for axis in sorted(axis % rank for axis in wanted):
        x = x.unsqueeze(axis)
    return x


def _gather(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    axis = int(node.get("axis", 0)) % x.ndim
    places = torch.where(indices < 0, indices + x.shape[axis], indices)
    taken = x.index_select(axis, places.reshape(-1))
    return taken.reshape(x.shape[:axis] + indices.shape + x.shape[axis + 1 :])


def _gather_elements(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    axis = int(node.get("axis", 0))
    return x.gather(axis, torch.where(indices < 0, indices + x.shape[axis], indices))


def _pad(node: Node, x: Tensor, pads: Operand = None, value: Operand = None, axes: Operand = None) -> Tensor:
    node.require("mode", "constant", "reflect", "edge")
    sizes = integers(node, pads, "pads")
    assert sizes is not None
    along = integers(node, axes, "axes") or list(range(x.ndim))
    before, after = sizes[: len(along)], sizes[len(along) :]
    by_axis = {axis % x.ndim: (b, a) for axis, b, a in zip(along, before, after, strict=True)}
    if node.get("mode", "constant") == "constant":
        fill = cast(float, number(node, value, "value", 0.0))
        # PyTorch lists the last axis first
        flat = [size for axis in reversed(range(x.ndim)) for size in by_axis.get(axis, (0, 0))]
        return F.pad(x, flat, value=fill)
    for axis, (b, a) in by_axis.items():  # by places, as PyTorch pads only some axes so
        places = torch.arange(-b, x.shape[axis] + a, device=x.device)
        last = x.shape[axis] - 1
        edge = node.get("mode", "constant") == "edge"
        x = x.index_select(axis, places.clamp(0, last) if edge else last - (last - places.abs()).abs())
    return x


def _expand(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    return x.expand(torch.broadcast_shapes(x.shape, tuple(shape.tolist())))


def _shape(node: Node, x: Tensor) -> Tensor:
    part = slice(int(node.get("start", 0)), node.get("end", None))
    return torch.tensor(x.shape[part], dtype=torch.int64)


def _constant_of_shape(node: Node, shape: Tensor) -> Tensor:
    value: Tensor = node.get("value", torch.zeros(1))
    return value.reshape(()).expand(tuple(shape.tolist())).clone()


def _range(node: Node, start: Tensor, limit: Tensor, step: Tensor) -> Tensor:
    return torch.arange(start.item(), limit.item(), step.item(), dtype=start.dtype)


OPERATIONS: dict[str, Operation] = {
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": lambda node, x, repeats: x.repeat(tuple(repeats.tolist())),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
