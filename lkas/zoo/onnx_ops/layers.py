"""ONNX operations that are layers: convolution, matrix products, pooling, normalisation, resizing."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from lkas.zoo.onnx_ops.node import Node, Operand, Operation

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_MAX_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE_POOLS: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def _window(node: Node, x: Tensor, kernel: list[int]) -> tuple[list[int], list[int], list[int]]:
    """Strides and dilations of a sliding window, and its padding in PyTorch's order (last axis first)."""
    rank = len(kernel)
    strides, dilations = list(node.get("strides", [1] * rank)), list(node.get("dilations", [1] * rank))
    pads = list(node.get("pads", [0] * 2 * rank))
    node.require("auto_pad", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
    auto = node.get("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        for axis in range(rank):
            size = x.shape[2 + axis]
            reach = dilations[axis] * (kernel[axis] - 1) + 1
            needed = max((math.ceil(size / strides[axis]) - 1) * strides[axis] + reach - size, 0)
            less, more = needed // 2, needed - needed // 2
            pads[axis], pads[rank + axis] = (less, more) if auto == "SAME_UPPER" else (more, less)
    flat = [pads[place] for axis in reversed(range(rank)) for place in (axis, rank + axis)]
    return strides, dilations, flat


def _symmetric(padding: list[int]) -> list[int] | None:
    """Padding by axis, first axis first, if it is the same on both sides."""
    sides = list(zip(padding[::2], padding[1::2], strict=True))
    return [before for before, _ in reversed(sides)] if all(a == b for a, b in sides) else None


def _convolve(node: Node, x: Tensor, weight: Tensor, bias: Operand = None) -> Tensor:
    strides, dilations, padding = _window(node, x, list(weight.shape[2:]))
    same = _symmetric(padding)
    if same is None:
        x, same = F.pad(x, padding), [0] * len(strides)
    return _CONVOLUTIONS[x.ndim - 2](x, weight, bias, strides, same, dilations, int(node.get("group", 1)))


def _convolve_transposed(node: Node, x: Tensor, weight: Tensor, bias: Operand = None) -> Tensor:
    node.require("auto_pad", "NOTSET")
    node.require("output_shape", None)
    rank = x.ndim - 2
    strides, dilations, padding = _window(node, x, list(weight.shape[2:]))
    extra = list(node.get("output_padding", [0] * rank))
    full = _TRANSPOSED[rank](x, weight, bias, strides, 0, extra, int(node.get("group", 1)), dilations)
    return F.pad(full, [-size for size in padding])


def _max_pool(node: Node, x: Tensor) -> Tensor:
    kernel = list(node.get("kernel_shape", []))
    strides, dilations, padding = _window(node, x, kernel)
    if any(padding):
        x = F.pad(x, padding, value=-math.inf)
    return _MAX_POOLS[len(kernel)](x, kernel, strides, 0, dilations, bool(node.get("ceil_mode", 0)))


def _average_pool(node: Node, x: Tensor) -> Tensor:
    node.require("ceil_mode", 0)
    kernel = list(node.get("kernel_shape", []))
    strides, dilations, padding = _window(node, x, kernel)
    if any(dilation != 1 for dilation in dilations):
        node.require("dilations", [1] * len(kernel))
    pool = _AVERAGE_POOLS[len(kernel)]
    mean = pool(F.pad(x, padding), kernel, strides)
    if node.get("count_include_pad", 0) or not any(padding):
        return mean
    return mean / pool(F.pad(torch.ones_like(x[:1, :1]), padding), kernel, strides)


def _gemm(node: Node, a: Tensor, b: Tensor, c: Operand = None) -> Tensor:
    a = a.T if node.get("transA", 0) else a
    b = b.T if node.get("transB", 0) else b
    product = float(node.get("alpha", 1.0)) * (a @ b)
    return product if c is None else product + float(node.get("beta", 1.0)) * c


def _batch_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    node.require("training_mode", 0)
    return F.batch_norm(x, mean, variance, scale, bias, eps=float(node.get("epsilon", 1e-5)))


def _layer_norm(node: Node, x: Tensor, scale: Tensor, bias: Operand = None) -> Tensor:
    shape = x.shape[int(node.get("axis", -1)) :]
    scaled = F.layer_norm(x, shape, eps=float(node.get("epsilon", 1e-5))) * scale
    return scaled if bias is None else scaled + bias


def _instance_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return F.instance_norm(x, weight=scale, bias=bias, eps=float(node.get("epsilon", 1e-5)))


def _resize(
    node: Node, x: Tensor, roi: Operand = None, scales: Operand = None, sizes: Operand = None
) -> Tensor:
    """Axis by axis; each output place is the mean of two input places, or one of them."""
    node.require("mode", "nearest", "linear")
    node.require(
        "coordinate_transformation_mode",
        "half_pixel",
        "asymmetric",
        "align_corners",
        "pytorch_half_pixel",
    )
    node.require("antialias", 0)
    node.require("axes", None)
    node.require("keep_aspect_ratio_policy", "stretch")
    if sizes is not None and sizes.numel():
        wanted = [int(size) for size in sizes.tolist()]
        factors = [new / old for new, old in zip(wanted, x.shape, strict=True)]
    else:
        assert scales is not None
        factors = [float(factor) for factor in scales.tolist()]
        wanted = [math.floor(old * factor) for old, factor in zip(x.shape, factors, strict=True)]
    for axis, (size, factor) in enumerate(zip(wanted, factors, strict=True)):
        if size != x.shape[axis] or factor != 1.0:
            x = _resize_axis(node, x, axis, size, factor)
    return x


def _resize_axis(node: Node, x: Tensor, axis: int, size: int, factor: float) -> Tensor:
    old = x.shape[axis]
    out = torch.arange(size, dtype=torch.float64, device=x.device)
    mode = node.get("coordinate_transformation_mode", "half_pixel")
    if mode == "asymmetric":
        place = out / factor
    elif mode == "align_corners":
        place = out * ((old - 1) / max(size - 1, 1))
    elif mode == "pytorch_half_pixel" and size == 1:
        place = out
    else:
        place = (out + 0.5) / factor - 0.5
    if node.get("mode", "nearest") == "nearest":
        node.require("nearest_mode", "round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
        rounded = {
            "round_prefer_floor": torch.ceil(place - 0.5),
            "round_prefer_ceil": torch.floor(place + 0.5),
            "floor": torch.floor(place),
            "ceil": torch.ceil(place),
        }[node.get("nearest_mode", "round_prefer_floor")]
        return x.index_select(axis, rounded.long().clamp(0, old - 1))
    place = place.clamp(0, old - 1)
    below = place.floor().long()
    share = (place - below).to(x.dtype).reshape([-1 if k == axis else 1 for k in range(x.ndim)])
    above = (below + 1).clamp_max(old - 1)
    return torch.lerp(
        x.index_select(axis, below), x.index_select(axis, above), share.expand_as(x.index_select(axis, below))
    )


def _upsample(node: Node, x: Tensor, scales: Operand = None) -> Tensor:
    """What resizing was called before version 10: output places are divided by the scale."""
    factors = torch.tensor(node.get("scales", [])) if scales is None else scales
    asked = {"mode": node.get("mode", "nearest"), "coordinate_transformation_mode": "asymmetric"}
    old = Node("Upsample", node.name, node.inputs, node.outputs, {**asked, "nearest_mode": "floor"})
    return _resize(old, x, None, factors)


def _einsum(node: Node, *inputs: Tensor) -> Tensor:
    return torch.einsum(node.get("equation", ""), *inputs)


OPERATIONS: dict[str, Operation] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Conv": _convolve,
    "ConvTranspose": _convolve_transposed,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda node, x: x.mean(tuple(range(2, x.ndim)), keepdim=True),
    "GlobalMaxPool": lambda node, x: x.amax(tuple(range(2, x.ndim)), keepdim=True),
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "MatMul": lambda node, a, b: a @ b,
    "MaxPool": _max_pool,
    "Resize": _resize,
    "Upsample": _upsample,
}
