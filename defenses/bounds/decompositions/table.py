"""Which operators are rewritten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from defenses.bounds.decompositions.arithmetic import addmm, divide, lerp, masked_fill, power, softplus, where
from defenses.bounds.decompositions.convolution import conv2d
from defenses.bounds.decompositions.maxima import (
    amax,
    amin,
    max_dim,
    max_pool1d,
    max_pool2d,
    maximum,
    min_dim,
    minimum,
)
from defenses.bounds.decompositions.normalisation import (
    group_norm,
    instance_norm,
    layer_norm,
    rms_norm,
    variance,
)
from defenses.bounds.decompositions.recurrent import (
    gru,
    gru_cell,
    lstm,
    lstm_cell,
    rnn_relu,
    rnn_relu_cell,
    rnn_tanh,
    rnn_tanh_cell,
)
from defenses.bounds.decompositions.softmax import (
    log_softmax,
    logsumexp,
    scaled_dot_product_attention,
    softmax,
)

aten = torch.ops.aten


def decomposition_table() -> dict[Any, Callable[..., Any]]:
    """A table for ``ExportedProgram.run_decompositions``."""
    return {
        aten.div.Tensor: divide,
        aten.softmax.int: softmax,
        aten._softmax.default: lambda x, dim, half: softmax(x, dim),
        aten.log_softmax.int: log_softmax,
        aten._log_softmax.default: lambda x, dim, half: log_softmax(x, dim),
        aten.logsumexp.default: logsumexp,
        aten.scaled_dot_product_attention.default: scaled_dot_product_attention,
        aten.layer_norm.default: layer_norm,
        aten.rms_norm.default: rms_norm,
        aten.group_norm.default: group_norm,
        aten.instance_norm.default: instance_norm,
        aten.maximum.default: maximum,
        aten.max.other: maximum,
        aten.minimum.default: minimum,
        aten.min.other: minimum,
        aten.amax.default: amax,
        aten.amin.default: amin,
        aten.max.default: amax,
        aten.min.default: amin,
        aten.max.dim: max_dim,
        aten.min.dim: min_dim,
        aten.max_pool2d.default: max_pool2d,
        aten.max_pool1d.default: max_pool1d,
        aten.pow.Tensor_Scalar: power,
        aten.softplus.default: softplus,
        aten.var.correction: variance,
        aten.var.dim: lambda x, dim, unbiased=True, keepdim=False: variance(
            x, dim, correction=int(unbiased), keepdim=keepdim
        ),
        aten.std.dim: lambda x, dim, unbiased=True, keepdim=False: variance(
            x, dim, correction=int(unbiased), keepdim=keepdim
        ).sqrt(),
        aten.std.correction: lambda x, dim=None, **options: variance(x, dim, **options).sqrt(),
        aten.masked_fill.Scalar: masked_fill,
        aten.masked_fill.Tensor: masked_fill,
        aten.where.self: where,
        aten.addmm.default: addmm,
        aten.baddbmm.default: addmm,
        aten.lerp.Scalar: lerp,
        aten.lerp.Tensor: lerp,
        aten.conv2d.padding: conv2d,
        aten.addcmul.default: lambda x, a, b, *, value=1: x + value * a * b,
        aten.lstm.input: lstm,
        aten.gru.input: gru,
        aten.rnn_tanh.input: rnn_tanh,
        aten.rnn_relu.input: rnn_relu,
        aten.lstm_cell.default: lstm_cell,
        aten.gru_cell.default: gru_cell,
        aten.rnn_tanh_cell.default: rnn_tanh_cell,
        aten.rnn_relu_cell.default: rnn_relu_cell,
        aten.hardswish.default: lambda x: x * F.hardsigmoid(x),
        aten.hardsigmoid.default: lambda x: (x / 6 + 0.5).clamp(0, 1),
        aten.hardtanh.default: lambda x, low=-1, high=1: x.clamp(low, high),
        aten.relu6.default: lambda x: x.clamp(0, 6),
    }
