"""ONNX operations on every element by itself, and reductions."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from lkas.zoo.onnx_ops.node import Node, Operand, Operation, dtype_of, integers, number


def _plain(function: Callable[..., Tensor]) -> Operation:
    """An operation that has no attributes."""
    return lambda node, *inputs: function(*inputs)


def _divide(node: Node, x: Tensor, y: Tensor) -> Tensor:
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def _power(node: Node, x: Tensor, y: Tensor) -> Tensor:
    return torch.pow(x, y).to(x.dtype)


def _clip(node: Node, x: Tensor, low: Operand = None, high: Operand = None) -> Tensor:
    least, greatest = number(node, low, "min", None), number(node, high, "max", None)
    return x if least is None and greatest is None else torch.clamp(x, least, greatest)


def _prelu(node: Node, x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x < 0, slope * x, x)


def _hard_sigmoid(node: Node, x: Tensor) -> Tensor:
    return (node.get("alpha", 0.2) * x + node.get("beta", 0.5)).clamp(0.0, 1.0)


def _softmax(node: Node, x: Tensor) -> Tensor:
    """Along an axis; before version 13, over all axes from that one on."""
    if node.opset >= 13:
        return torch.softmax(x, int(node.get("axis", -1)))
    axis = int(node.get("axis", 1))
    return torch.softmax(x.flatten(axis), -1).view(x.shape)


def _cast(node: Node, x: Tensor) -> Tensor:
    return x.to(dtype_of(node, int(node.get("to", 1))))


def _is_infinite(node: Node, x: Tensor) -> Tensor:
    return (torch.isposinf(x) & bool(node.get("detect_positive", 1))) | (
        torch.isneginf(x) & bool(node.get("detect_negative", 1))
    )


def _modulo(node: Node, x: Tensor, y: Tensor) -> Tensor:
    return torch.fmod(x, y) if node.get("fmod", 0) else torch.remainder(x, y)


def _reduction(function: Callable[[Tensor, list[int], bool], Tensor]) -> Operation:
    """Over some axes, or over all; whether axes are kept, and what no axes mean, is said by attributes."""

    def operation(node: Node, x: Tensor, axes: Operand = None) -> Tensor:
        wanted = integers(node, axes, "axes")
        if not wanted:
            if node.get("noop_with_empty_axes", 0):
                return x
            wanted = list(range(x.ndim))
        return function(x, wanted, bool(node.get("keepdims", 1)))

    return operation


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


def _extreme(function: Callable[..., Tensor]) -> Operation:
    def operation(node: Node, x: Tensor) -> Tensor:
        found = function(x, dim=int(node.get("axis", 0)), keepdim=bool(node.get("keepdims", 1)))
        node.require("select_last_index", 0)
        return found

    return operation


OPERATIONS: dict[str, Operation] = {
    "Abs": _plain(torch.abs),
    "Add": _plain(torch.add),
    "And": _plain(torch.logical_and),
    "ArgMax": _extreme(torch.argmax),
    "ArgMin": _extreme(torch.argmin),
    "Cast": _cast,
    "Ceil": _plain(torch.ceil),
    "Clip": _clip,
    "Cos": _plain(torch.cos),
    "Div": _divide,
    "Dropout": lambda node, x, *_: x,
    "Elu": lambda node, x: F.elu(x, float(node.get("alpha", 1.0))),
    "Equal": _plain(torch.eq),
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Floor": _plain(torch.floor),
    "Gelu": lambda node, x: F.gelu(x, approximate=node.get("approximate", "none")),
    "Greater": _plain(torch.gt),
    "GreaterOrEqual": _plain(torch.ge),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda node, x: F.hardswish(x),
    "Identity": lambda node, x: x,
    "IsInf": _is_infinite,
    "IsNaN": _plain(torch.isnan),
    "LeakyRelu": lambda node, x: F.leaky_relu(x, float(node.get("alpha", 0.01))),
    "Less": _plain(torch.lt),
    "LessOrEqual": _plain(torch.le),
    "Log": _plain(torch.log),
    "Max": lambda node, *inputs: reduce(torch.maximum, inputs),
    "Mean": lambda node, *inputs: sum(inputs) / len(inputs),
    "Min": lambda node, *inputs: reduce(torch.minimum, inputs),
    "Mod": _modulo,
    "Mul": _plain(torch.mul),
    "Neg": _plain(torch.neg),
    "Not": _plain(torch.logical_not),
    "Or": _plain(torch.logical_or),
    "PRelu": _prelu,
    "Pow": _power,
    "Reciprocal": _plain(torch.reciprocal),
    "ReduceL2": _reduction(lambda x, axes, keep: torch.linalg.vector_norm(x, dim=axes, keepdim=keep)),
    "ReduceMax": _reduction(lambda x, axes, keep: torch.amax(x, axes, keep)),
    "ReduceMean": _reduction(lambda x, axes, keep: torch.mean(x, axes, keep)),
    "ReduceMin": _reduction(lambda x, axes, keep: torch.amin(x, axes, keep)),
    "ReduceProd": _reduction(_product),
    "ReduceSum": _reduction(lambda x, axes, keep: torch.sum(x, axes, keep, dtype=x.dtype)),
    "Relu": _plain(torch.relu),
    "Round": _plain(torch.round),
    "Sigmoid": _plain(torch.sigmoid),
    "Sign": _plain(torch.sign),
    "Sin": _plain(torch.sin),
    "Softmax": _softmax,
    "Softplus": _plain(F.softplus),
    "Sqrt": _plain(torch.sqrt),
    "Sub": _plain(torch.sub),
    "Sum": lambda node, *inputs: reduce(torch.add, inputs),
    "Tanh": _plain(torch.tanh),
    "Where": lambda node, condition, x, y: torch.where(condition, x, y),
}
