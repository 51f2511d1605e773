"""Interval bound propagation, and the refinement of intervals that relaxations profit from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from defenses.bounds.graph import Node
from defenses.bounds.interval import Interval
from defenses.bounds.problem import Problem
from defenses.bounds.rows import Selection, flattened
from defenses.bounds.rules.base import RULES, Call
from defenses.bounds.rules.elementwise import Elementwise
from defenses.bounds.walk import walk

Bounder = Callable[[Problem, Node, Selection], Tensor]
"""Lower bounds ``(B, 2 S)`` on mirrored, selected entries of a node."""


Refinement = Callable[[Problem, Node, Tensor], None]
"""Tightens a node's interval at the entries that matter, ``(B|1, *shape)`` bool."""


def propagate(problem: Problem, refinements: Sequence[Refinement] = ()) -> None:
    """Find an interval for every perturbed node, in order.

    An affine image of a root whose set is not a box (an l2 ball, a low-dimensional family) is bounded by the
    root itself, which is exact where interval arithmetic is not.

    Args:
        problem: its intervals are filled in.
        refinements: called in turn for every node whose interval a later relaxation uses, as long as there are
            entries that matter to it.
    """
    shape = _Shape(problem)
    consumers = problem.graph.consumers()
    inside = problem.touched
    for index in problem.perturbed:
        node = problem.graph.nodes[index]
        if index in problem.regions:
            problem.intervals[index] = problem.regions[index].interval()
            shape.root(node)
            continue
        call = Call(node, problem)
        problem.intervals[index] = RULES[node].interval(call).known()
        shape.visit(call)
        readers = [reader for reader in consumers[index] if reader.index in inside]
        # affine readers are bounded by the root in their turn
        if shape.loose(node) and not (readers and all(_is_affine(reader, problem) for reader in readers)):
            everything = torch.ones(1, *node.shape, dtype=torch.bool)
            tighten(problem, node, everything, walk)
            shape.exact.add(index)
        if index in shape.exact or isinstance(RULES[node], Elementwise):
            continue
        for refine in refinements:
            wanted = _wanted(problem, node, readers)
            if wanted is not None and bool(wanted.any()):
                refine(problem, node, wanted)


def _wanted(problem: Problem, node: Node, readers: Sequence[Node]) -> Tensor | None:
    """The entries of a node whose interval its readers' relaxations would gain from; None for none at all."""
    wanted = None
    for reader in readers:
        for position, source in enumerate(reader.inputs):
            if source.index == node.index:
                mask = RULES[reader].unstable(Call(reader, problem), position)
                wanted = mask if wanted is None else wanted if mask is None else wanted | mask
    return wanted


def _is_affine(node: Node, problem: Problem) -> bool:
    return RULES[node].is_affine(Call(node, problem))


class _Shape:
    """What is known about how the sets of values lie: as boxes, or at least with exact intervals.

    Attributes:
        boxes: nodes whose values fill a box.
        exact: nodes whose interval is the exact hull.
        linear: nodes that are affine in the roots.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.boxes: set[int] = set()
        self.exact: set[int] = set()
        self.linear: set[int] = set()
        self.origin: dict[int, frozenset[int]] = {}

    def root(self, node: Node) -> None:
        self.exact.add(node.index)
        self.linear.add(node.index)
        self.origin[node.index] = frozenset([node.index])
        if self.problem.regions[node.index].independent:
            self.boxes.add(node.index)

    def visit(self, call: Call) -> None:
        """Take in a node after its rule gave its interval."""
        index, rule = call.node.index, RULES[call.node]
        sources = [call.node.inputs[position].index for position in call.positions]
        origins = [self.origin[source] for source in sources]
        self.origin[index] = frozenset().union(*origins)
        apart = sum(len(origin) for origin in origins) == len(self.origin[index])
        if rule.is_affine(call) and all(source in self.linear for source in sources):
            self.linear.add(index)
        if rule.keeps_boxes(call):
            self.boxes.update(_if(sources[0] in self.boxes, index))
            self.exact.update(_if(sources[0] in self.exact, index))
        elif rule.is_affine(call) and apart and all(source in self.boxes for source in sources):
            self.exact.add(index)

    def loose(self, node: Node) -> bool:
        """Affine in the roots, and yet not bounded exactly."""
        if node.index in self.exact or node.index not in self.linear:
            return False
        regions = self.problem.regions
        return any(not regions[root].independent for root in self.origin[node.index])


def _if(condition: bool, index: int) -> set[int]:
    return {index} if condition else set()


def tighten(problem: Problem, node: Node, mask: Tensor, bounder: Bounder) -> None:
    """Bound some entries of a node by rows and intersect with its interval.

    Args:
        problem: its interval for the node is replaced.
        node: the node.
        mask: ``(B|1, *shape)`` bool, which entries.
        bounder: how rows are bounded.
    """
    interval = problem.intervals[node.index].expand(problem.batch)
    index = select(flattened(mask, 1))
    lower, upper = flattened(interval.lower, 1), flattened(interval.upper, 1)
    dtype = lower.dtype
    pieces: list[Tensor] = []
    start, count = 0, index.shape[1]
    while start < count:
        step = min(count - start, rows_at_once(problem, node))
        piece = index[:, start : start + step]
        entries = piece.clamp(max=node.numel - 1)
        rows = Selection(node.shape, True, entries, torch.ones((1, 1), dtype=dtype).expand(1, step))
        pieces.append(bounder(problem, node, rows).view(problem.batch, 2, step))
        start += step
    bounds = torch.cat(pieces, 2)
    found = Interval(_scatter(lower, index, bounds[:, 0]), _scatter(upper, index, -bounds[:, 1]))
    problem.intervals[node.index] = interval.intersect(
        found.map(lambda t: t.view(problem.batch, *node.shape))
    )


def select(mask: Tensor) -> Tensor:
    """Places of the true entries of ``(B|1, n)`` for every sample, padded by n to a common count: ``(B|1,
    S)``.
    """
    counts = mask.sum(1)
    order = torch.argsort((~mask).to(torch.uint8), dim=1, stable=True)[:, : int(counts.max())]
    return torch.where(torch.arange(order.shape[1]) < counts.unsqueeze(1), order, mask.shape[1])


def _scatter(values: Tensor, index: Tensor, found: Tensor) -> Tensor:
    """Values with some entries replaced; the place behind the last takes the padding."""
    wide = torch.cat([values, values[:, :1]], 1)
    return wide.scatter(1, index.expand(len(values), -1), found)[:, :-1]


def rows_at_once(problem: Problem, node: Node) -> int:
    """How many mirrored rows fit the budget; a small number until a first walk has shown what a row costs."""
    known = problem.cost.get(node.index)
    if known is None:
        # a quarter of what mirrored rows over the widest node would be allowed
        return max(32, problem.budget // (8 * problem.batch * problem.widest(node)))
    return max(1, problem.budget // max(1, known))
