"""The ways to bound a network: plain objects, each of which answers a :class:`Problem`.

- ``IBP()``: interval arithmetic, fast and loose.
- ``Backward()``: CROWN; intermediate intervals by backward walks too, where they matter and are not exact.
- ``Backward(IBP())``: CROWN-IBP; intermediate intervals by interval arithmetic.
- ``Forward()``: linear functions of the perturbation's variables, carried forward.
- ``Backward(Forward())``: intermediate intervals by forward propagation, the output by one backward walk.
- ``Optimised()``: alpha-CROWN; every walk with relaxations optimised for each of its rows.

All intermediate intervals are intersected with those of interval arithmetic.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from defenses.bounds.graph import Node
from defenses.bounds.interval import at_least
from defenses.bounds.interval_pass import Refinement, propagate, rows_at_once, tighten
from defenses.bounds.problem import Problem
from defenses.bounds.rows import Dense, Rows, Selection, flattened
from defenses.bounds.walk import walk

if TYPE_CHECKING:
    from defenses.bounds.interval import Interval

GLANCE = 0.1
"""Share of the effort for a node that is spent first on all entries: most turn out not to need the rest."""

NEAR = 2**20
"""Numbers that a bundle of rows over the widest node may hold and still be near the processor."""


class Method(ABC):
    """A way to bound linear functionals of a network's output.

    Attributes:
        differentiable: gradients flow from the bounds to inputs, parameters and perturbations.
    """

    differentiable: ClassVar[bool] = True

    def samples_at_once(self, problem: Problem) -> int:
        """How many samples are best bounded together."""
        return problem.batch

    @abstractmethod
    def prepare(self, problem: Problem) -> None:
        """Fill in the intervals of all perturbed nodes."""

    @abstractmethod
    def lower(self, problem: Problem, rows: Rows) -> Tensor:
        """Lower bounds ``(B, S)`` on rows over the output, ``(B, 2 S)`` for mirrored ones, after
        :meth:`prepare`.
        """


@dataclass(frozen=True)
class IBP(Method):
    """Interval bound propagation."""

    def prepare(self, problem: Problem) -> None:
        propagate(problem)

    def lower(self, problem: Problem, rows: Rows) -> Tensor:
        if isinstance(rows, Selection):
            return on_interval(problem.intervals[problem.output.index], rows).expand(problem.batch, -1)
        return walk(problem, problem.output, rows, affine_only=True)


@dataclass(frozen=True)
class Backward(Method):
    """Backward propagation (CROWN).

    Attributes:
        intermediate: how the intervals before the output are found; None for backward walks, as for the
            output.
        effort: how many coefficients may be computed for the intervals of one node; walks of wide layers then end
            at the intervals of earlier nodes rather than at the inputs (as those of few layers do in Wong et al.
            2018 and Mueller et al. 2021). Bounds of the output are never cut short. A share of it is spent first on
            telling which entries matter at all.
    """

    intermediate: Method | None = None
    effort: float = math.inf

    def samples_at_once(self, problem: Problem) -> int:
        return problem.batch if self.intermediate is None else self.intermediate.samples_at_once(problem)

    def prepare(self, problem: Problem) -> None:
        if self.intermediate is not None:
            self.intermediate.prepare(problem)
        else:
            efforts = (math.inf,) if math.isinf(self.effort) else (GLANCE * self.effort, self.effort)
            propagate(problem, [by_walks(effort) for effort in efforts])

    def lower(self, problem: Problem, rows: Rows) -> Tensor:
        return in_pieces(problem, rows, lambda piece: walk(problem, problem.output, piece))


def by_walks(effort: float = math.inf) -> Refinement:
    """Refines by backward walks, which share so many coefficients between them."""

    def refine(problem: Problem, node: Node, mask: Tensor) -> None:
        each = effort / int(flattened(mask, 1).sum(1).max())
        tighten(problem, node, mask, lambda problem, node, rows: walk(problem, node, rows, effort=each))

    return refine


def on_interval(interval: Interval, rows: Rows) -> Tensor:
    """Lower bounds on functionals of a value in a box."""
    centre, spread = rows.dot(interval.centre), rows.magnitude(interval.radius)
    return at_least(torch.cat([centre - spread, -centre - spread], 1) if rows.mirrored else centre - spread)


def in_pieces(problem: Problem, rows: Rows, bound: Callable[[Rows], Tensor]) -> Tensor:
    """Bound rows over the output a few at a time, so that no bundle outgrows the budget or, much, the caches."""
    near = max(1, NEAR // (2 * problem.batch * problem.widest(problem.output)))
    results: list[Tensor] = []
    start = 0
    while start < rows.count:
        stop = start + min(near, rows_at_once(problem, problem.output))
        results.append(bound(take(rows, start, stop)))
        start = stop
    if len(results) == 1:
        return results[0]
    if not rows.mirrored:
        return torch.cat(results, 1)
    halves = [result.chunk(2, 1) for result in results]
    return torch.cat([half for part in (0, 1) for half in (pair[part] for pair in halves)], 1)


def take(rows: Rows, start: int, stop: int) -> Rows:
    """Some of the rows of a specification."""
    if isinstance(rows, Selection):
        return Selection(rows.shape, rows.mirrored, rows.index[:, start:stop], rows.scale[:, start:stop])
    assert isinstance(rows, Dense)
    return Dense(rows.shape, rows.mirrored, rows.coefficients[:, start:stop])
