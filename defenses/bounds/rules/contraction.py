"""Products of two perturbed matrices, relaxed for the rows that are asked rather than entry by entry.

A row ``C`` over ``A B`` asks for ``sum_ij A_ij U_ij`` with ``U = C B^T``: a product for every entry of A, by a
functional of B. The interval of that functional, walked back as far as operators are affine, is narrower than what the
intervals of B's entries make of it, and McCormick's planes on the products are closer for it. In attention it is the
sum over the features of a head that is taken before the relaxation instead of after it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from defenses.bounds.rows import Dense
from defenses.bounds.rules.base import Call, Contribution, Tuner


def coefficients_needed(call: Call, rows: Dense) -> int:
    """How many coefficients the functionals of B may have together."""
    first, second = call.node.inputs
    return call.problem.batch * rows.count * first.numel * second.numel


def relax_for_rows(call: Call, rows: Dense, tuner: Tuner) -> tuple[list[Contribution], Tensor]:
    """Pull unmirrored rows over ``A B`` back to both matrices.

    Args:
        call: a product ``(..., I, J)`` by ``(..., J, K)`` with equal leading axes.
        rows: over the product.
        tuner: bounds the functionals, and mixes the planes through either corner of every product.

    Returns:
        Contributions and constant, as :meth:`defenses.bounds.rules.base.Rule.backward`.
    """
    first, second = call.node.inputs
    *leading, height, inner = first.shape
    samples, count = rows.coefficients.shape[:2]
    lines = rows.coefficients.reshape(samples, -1, second.shape[-1])  # a line: one i of one row
    asked = lines.ne(0).any(2).any(0).nonzero().squeeze(1)
    functional = tuner.range(call.problem, second, _functionals(call, lines[:, asked], asked // height))

    def of_lines(t: Tensor) -> Tensor:
        """A's ``(B, ..., I, J)`` for every line that is asked: ``(B, n, J)``."""
        return t.reshape(len(t), -1, inner)[:, asked % (math.prod(leading) * height)]

    def at_rows(t: Tensor) -> Tensor:
        """Back from lines to rows: ``(B, S, ..., I, J)``."""
        whole = t.new_zeros(len(t), lines.shape[1], inner).index_copy(1, asked, t)
        return whole.view(len(t), count, *first.shape)

    a, u = call.interval(0).map(of_lines), functional.map(lambda t: t.view(len(t), -1, inner))
    like = a.lower.new_zeros(call.problem.batch, count, *first.shape)
    share = tuner(call.node, "contracted", like[:1, :1], like).reshape(len(like), -1, inner)[:, asked]
    to_a, to_u = (x.lower + share * (x.upper - x.lower) for x in (u, a))
    constant = -torch.lerp(a.lower * u.lower, a.upper * u.upper, share)
    to_b = at_rows(to_u).transpose(-1, -2) @ rows.coefficients
    return [
        (0, Dense(first.shape, False, at_rows(to_a))),
        (1, Dense(second.shape, False, to_b)),
    ], at_rows(constant).flatten(2).sum(2)


def _functionals(call: Call, lines: Tensor, block: Tensor) -> Dense:
    """Mirrored rows over B, for every line and every j: the line at row j of the line's own block of B.

    Args:
        call: the product.
        lines: ``(B|1, n, K)``.
        block: the leading place of every line, counted through rows and leading axes, ``(n,)``.
    """
    second = call.node.inputs[1]
    inner, width = second.shape[-2:]
    blocks = second.numel // (inner * width)
    samples, count = lines.shape[:2]
    spread = lines.new_zeros(samples, count, inner, blocks, inner, width)
    place, j = torch.arange(count).unsqueeze(1), torch.arange(inner).unsqueeze(0)
    spread[:, place, j, (block % blocks).unsqueeze(1), j] = lines.unsqueeze(2)
    return Dense(second.shape, True, spread.view(samples, count * inner, *second.shape))
