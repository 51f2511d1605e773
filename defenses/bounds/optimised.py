"""alpha-CROWN: backward walks whose relaxations are optimised for every row of their own.

Interval by interval, from the input on: the rows of one node are bounded with the final intervals of all
nodes before it, and each row has its own parameters in every relaxation it passes. A tighter intermediate
interval leaves room for lines that are nowhere looser, so the greedy order loses nothing against optimising all
at once for the output; it needs no gradient through intervals, works in pieces of bounded memory, and keeps the
best bound of every row. The default lines, where the search begins, are not nowhere looser: after a few steps a
bound may be worse than CROWN's in the fifth digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from defenses.bounds.graph import Node
from defenses.bounds.interval import Interval
from defenses.bounds.interval_pass import propagate, tighten
from defenses.bounds.methods import Method, by_walks, in_pieces, on_interval
from defenses.bounds.problem import Problem
from defenses.bounds.rows import Rows, flattened
from defenses.bounds.walk import walk
from simulator.world import InvalidInput


@dataclass(frozen=True)
class Optimised(Method):
    """CROWN with optimised relaxation parameters.

    Attributes:
        iterations: gradient steps for every piece of rows over the output.
        inner_iterations: the same for intermediate intervals; 0 leaves them to plain CROWN, which takes a
            fraction of the time and keeps much of the gain; None means as many as for the output.
        effort: how many coefficients the rows of one node may have over all iterations; wide layers of many samples
            are given fewer iterations, most of the gain being in the first.
        rate: step size of Adam on parameters in [0, 1].
        decay: factor on the step size after every step.
    """

    differentiable: ClassVar[bool] = False
    iterations: int = 20
    inner_iterations: int | None = None
    effort: float = 2.5e8
    rate: float = 0.1
    decay: float = 0.98

    def __post_init__(self) -> None:
        if min(self.iterations, self.inner_iterations or 0) < 0:
            raise InvalidInput(
                f"alpha-CROWN: iterations {self.iterations}, inner_iterations {self.inner_iterations}: neither may be "
                "negative"
            )

    def prepare(self, problem: Problem) -> None:
        inner = self.iterations if self.inner_iterations is None else self.inner_iterations

        def optimise(problem: Problem, node: Node, mask: Tensor) -> None:
            # plain walks have left fewer rows, and told what one costs
            each = int(flattened(mask, 1).sum(1).max()) * problem.cost[node.index]
            iterations = int(min(inner, self.effort / each))
            if iterations:
                tighten(problem, node, mask, lambda p, n, rows: self._search(p, n, rows, iterations))

        propagate(problem, [by_walks(), optimise])

    def lower(self, problem: Problem, rows: Rows) -> Tensor:
        return in_pieces(
            problem, rows, lambda piece: self._search(problem, problem.output, piece, self.iterations)
        )

    def _search(self, problem: Problem, node: Node, rows: Rows, iterations: int) -> Tensor:
        if iterations == 0:
            return walk(problem, node, rows)
        parameters = _Parameters()
        best = walk(problem, node, rows, parameters)
        if not parameters.tensors:
            return best
        best = best.detach()
        optimiser = torch.optim.Adam(list(parameters.tensors.values()), self.rate)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, self.decay)
        with torch.enable_grad():
            for _ in range(iterations):
                bound = walk(problem, node, rows, parameters)
                best = torch.maximum(best, bound.detach())
                optimiser.zero_grad()
                tensors = list(parameters.tensors.values())
                for tensor, slope in zip(tensors, torch.autograd.grad(-bound.sum(), tensors), strict=True):
                    tensor.grad = slope
                optimiser.step()
                schedule.step()
                with torch.no_grad():
                    for tensor in parameters.tensors.values():
                        tensor.clamp_(0, 1)
        with torch.no_grad():
            return torch.maximum(best, walk(problem, node, rows, parameters))


class _Parameters:
    """The parameters of one piece of rows, made when a relaxation first asks, and quick bounds."""

    def __init__(self) -> None:
        self.tensors: dict[tuple[int, str], Tensor] = {}

    def __call__(self, node: Node, side: str, initial: Tensor, like: Tensor) -> Tensor:
        place = (node.index, side)
        if place not in self.tensors:
            start = initial.detach().expand(torch.broadcast_shapes(initial.shape, like.shape)).clone()
            self.tensors[place] = start.requires_grad_()
        return self.tensors[place]

    def range(self, problem: Problem, node: Node, rows: Rows) -> Interval:
        """By what is known of the node, and by a walk that ends where operators are not affine."""
        known = on_interval(problem.intervals[node.index], rows).chunk(2, 1)
        walked = walk(problem, node, rows, affine_only=True).chunk(2, 1)
        return Interval(known[0], -known[1]).intersect(Interval(walked[0], -walked[1]))
