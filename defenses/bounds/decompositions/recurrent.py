"""Recurrent layers unrolled over time into linear maps, activations and products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

State = tuple[Tensor, ...]
Cell = Callable[..., State]


def _gates(x: Tensor, h: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor | None, b_h: Tensor | None) -> Tensor:
    return F.linear(x, w_x, b_x) + F.linear(h, w_h, b_h)


def lstm_cell(
    x: Tensor,
    state: Sequence[Tensor],
    w_x: Tensor,
    w_h: Tensor,
    b_x: Tensor | None = None,
    b_h: Tensor | None = None,
) -> State:
    """One step of a long short-term memory, gates in torch's order: input, forget, cell, output."""
    entry, forget, cell, out = _gates(x, state[0], w_x, w_h, b_x, b_h).chunk(4, -1)
    memory = forget.sigmoid() * state[1] + entry.sigmoid() * cell.tanh()
    return out.sigmoid() * memory.tanh(), memory


def gru_cell(
    x: Tensor, h: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor | None = None, b_h: Tensor | None = None
) -> Tensor:
    """One step of a gated recurrent unit, gates in torch's order: reset, update, new."""
    x_reset, x_update, x_new = F.linear(x, w_x, b_x).chunk(3, -1)
    h_reset, h_update, h_new = F.linear(h, w_h, b_h).chunk(3, -1)
    candidate = (x_new + (x_reset + h_reset).sigmoid() * h_new).tanh()
    return candidate + (x_update + h_update).sigmoid() * (h - candidate)


def rnn_tanh_cell(
    x: Tensor, h: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor | None = None, b_h: Tensor | None = None
) -> Tensor:
    """One step of a plain recurrent layer with tanh."""
    return _gates(x, h, w_x, w_h, b_x, b_h).tanh()


def rnn_relu_cell(
    x: Tensor, h: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor | None = None, b_h: Tensor | None = None
) -> Tensor:
    """One step of a plain recurrent layer with ReLU."""
    return _gates(x, h, w_x, w_h, b_x, b_h).relu()


def _unroll(
    cell: Cell,
    x: Tensor,
    initial: Sequence[Tensor],
    parameters: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """All layers, directions and steps.

    Args:
        cell: maps (input, state, weights...) to the next state, whose first entry is the output.
        x: ``(T, N, F)``, or ``(N, T, F)`` with ``batch_first``.
        initial: state tensors ``(layers * directions, N, H)``.

    Returns:
        The outputs, and the final states in the shape of the initial ones.
    """
    directions = 2 if bidirectional else 1
    count = 4 if has_biases else 2
    if len(parameters) != num_layers * directions * count:
        raise NotImplementedError("recurrent layers with projections have no bounds; use proj_size=0")
    time = 1 if batch_first else 0
    steps = list(x.unbind(time))
    finals: list[State] = []
    for layer in range(num_layers):
        outputs: list[list[Tensor]] = []
        for direction in range(directions):
            place = layer * directions + direction
            weights = parameters[place * count : (place + 1) * count]
            state: State = tuple(part[place] for part in initial)
            sequence = []
            for step in steps[::-1] if direction else steps:
                state = cell(step, state, *weights)
                sequence.append(state[0])
            finals.append(state)
            outputs.append(sequence[::-1] if direction else sequence)
        steps = [
            torch.cat(parts, -1) if directions == 2 else parts[0] for parts in zip(*outputs, strict=True)
        ]
    last = tuple(torch.stack([final[part] for final in finals]) for part in range(len(finals[0])))
    return torch.stack(steps, time), *last


def lstm(
    x: Tensor,
    hx: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """``nn.LSTM``, unrolled."""
    return _unroll(lstm_cell, x, hx, params, has_biases, num_layers, bidirectional, batch_first)


def _single(cell: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, ...]]:
    """A recurrent layer whose state is one tensor."""

    def step(x: Tensor, state: State, *weights: Tensor) -> State:
        return (cell(x, state[0], *weights),)

    def layer(
        x: Tensor, hx: Tensor, params: Sequence[Tensor], has_biases: bool, num_layers: int, *rest: Any
    ) -> Any:
        _, _, bidirectional, batch_first = rest
        return _unroll(step, x, (hx,), params, has_biases, num_layers, bidirectional, batch_first)

    return layer


gru = _single(gru_cell)
rnn_tanh = _single(rnn_tanh_cell)
rnn_relu = _single(rnn_relu_cell)
