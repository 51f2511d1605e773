"""The backward walk: rows over a node pulled back, operator by operator, to the perturbed roots."""

from __future__ import annotations

import math

from torch import Tensor

from defenses.bounds.graph import Node
from defenses.bounds.interval import at_least
from defenses.bounds.problem import Problem
from defenses.bounds.rows import Rows
from defenses.bounds.rules.base import RULES, Call, Tuner, unmirrored
from defenses.bounds.stillness import settle


def walk(
    problem: Problem,
    start: Node,
    rows: Rows,
    tuner: Tuner | None = None,
    affine_only: bool = False,
    effort: float = math.inf,
) -> Tensor:
    """Lower bounds on linear functionals of a node.

    Args:
        problem: with intervals for all operands of the nonlinear operators before ``start``.
        start: the node.
        rows: the functionals; mirrored ones are bounded from below and, negated, from above.
        affine_only: stop at operators that are not affine, and use the intervals of their results.
        tuner: hands out the parameters of the relaxations; their defaults are used where None.
        effort: how many coefficients may be computed for every row; once that is spent, the walk ends at the intervals
            of the nodes that it has come to.

    Returns:
        ``(B, S)``, or ``(B, 2 S)`` for mirrored rows: first those of the rows, then those of their negatives.
    """
    total = rows.values.new_zeros(problem.batch, rows.count * (2 if rows.mirrored else 1))
    pending: dict[int, Rows] = {start.index: rows}
    largest, spent = 0, 0
    allowed = effort * rows.count
    while pending:
        index = max(pending)
        current = pending.pop(index)
        node = problem.graph.nodes[index]
        current, known = settle(problem, node, current)
        total = total if known is None else total + known
        if index in problem.regions:
            region = problem.regions[index]
            total = total + region.minimum(unmirrored(current))
            largest = max(largest, current.count * region.breadth)
            continue
        call = Call(node, problem)
        if spent > allowed or (affine_only and not RULES[node].is_affine(call)):
            interval, plain = problem.intervals[index], unmirrored(current)
            total = total + plain.dot(interval.centre) - plain.magnitude(interval.radius)
            continue
        contributions, constant = RULES[node].backward(call, current, tuner)
        total = total + constant
        for position, pulled in contributions:
            source = node.inputs[position]
            held = pending.get(source.index)
            pending[source.index] = joined = pulled if held is None else held.plus(pulled)
            largest = max(largest, joined.numel)
            spent += pulled.numel
    problem.cost[start.index] = max(problem.cost.get(start.index, 1), -(-largest // max(1, rows.count)))
    return at_least(total)
