"""What an operator must know about itself to be bounded, and the register of all who do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from defenses.bounds.graph import Graph, Node
from defenses.bounds.interval import Interval
from defenses.bounds.problem import Problem, Value, evaluate, sampled
from defenses.bounds.rows import Rows
from simulator.world import InvalidInput


@dataclass(frozen=True)
class Forms:
    """Linear lower and upper functions of K variables that enclose a value.

    ``lower[b] + sum_k lower_weight[b, k] v_k <= value[b] <= upper[b] + sum_k upper_weight[b, k] v_k``

    Attributes:
        lower_weight: ``(B|1, K, *shape)``.
        lower: ``(B|1, *shape)``.
        upper_weight: the same object as ``lower_weight`` where both functions are equal.
        upper: the same object as ``lower`` where both functions are equal.
    """

    lower_weight: Tensor
    lower: Tensor
    upper_weight: Tensor
    upper: Tensor

    @property
    def exact(self) -> bool:
        """Lower and upper function are the same."""
        return self.lower_weight is self.upper_weight and self.lower is self.upper

    def each(self, weight: Callable[[Tensor], Tensor], bias: Callable[[Tensor], Tensor]) -> Forms:
        """Functions applied to weights and biases, once where lower and upper are the same."""
        low, low_bias = weight(self.lower_weight), bias(self.lower)
        if self.exact:
            return Forms(low, low_bias, low, low_bias)
        return Forms(low, low_bias, weight(self.upper_weight), bias(self.upper))


class Tuner(Protocol):
    """What relaxations may ask for while they are being optimised: parameters, and bounds of their own."""

    def __call__(self, node: Node, side: str, initial: Tensor, like: Tensor) -> Tensor:
        """A parameter in [0, 1] for every row and entry, in the shape of ``like``; ``initial`` where it is
        new.
        """

    def range(self, problem: Problem, node: Node, rows: Rows) -> Interval:
        """Bounds ``(B, S)`` on mirrored rows over an operand, quickly found."""


@dataclass(frozen=True)
class Call:
    """An operator at its place in a problem, with its operands in view."""

    node: Node
    problem: Problem

    @cached_property
    def positions(self) -> tuple[int, ...]:
        """Which operands are perturbed."""
        return tuple(i for i, source in enumerate(self.node.inputs) if self.problem.is_perturbed(source))

    def value(self, position: int) -> Value:
        """An unperturbed operand."""
        return self.problem.values[self.node.inputs[position].index]

    def interval(self, position: int) -> Interval:
        """What is known of a perturbed operand."""
        return self.problem.intervals[self.node.inputs[position].index]

    def values(self, substitutes: dict[int, Value]) -> list[Value]:
        """All operands, the perturbed ones replaced by the given values or by zeros."""
        result = []
        for position, source in enumerate(self.node.inputs):
            if position in substitutes:
                result.append(substitutes[position])
            elif self.problem.is_perturbed(source):
                like = self.problem.intervals[source.index].lower
                result.append(Value(like.new_zeros(source.shape), False))
            else:
                result.append(self.value(position))
        return result

    def evaluate(self, substitutes: dict[int, Value]) -> Tensor:
        """The operator's result ``(B|1, *shape)`` with perturbed operands replaced."""
        result = evaluate(self.node, self.values(substitutes))
        return result.tensor if result.batched else result.tensor.unsqueeze(0)

    def at_ends(self, ends: dict[int, Interval]) -> Interval:
        """The operator at one and at the other end of its perturbed operands, evaluated together."""
        batch = max(len(end.lower) for end in ends.values())
        if batch == 1:
            low, high = (
                self.evaluate({p: sampled(getattr(end, side)) for p, end in ends.items()})
                for side in ("lower", "upper")
            )
            return Interval(low, high)
        values = []
        for position in range(len(self.node.inputs)):
            if position in ends:
                end = ends[position].expand(batch)
                values.append(Value(torch.cat([end.lower, end.upper]), True))
            else:
                other = self.value(position)
                values.append(
                    Value(torch.cat([other.tensor, other.tensor]), True) if other.batched else other
                )
        low, high = evaluate(self.node, values).tensor.chunk(2)
        return Interval(low, high)

    def cached_for_good(self, key: str, compute: Callable[[], Any]) -> Any:
        """A result that depends on nothing but the graph."""
        place = (self.node.index, key)
        if place not in self.problem.graph.cache:
            self.problem.graph.cache[place] = compute()
        return self.problem.graph.cache[place]

    def cached(self, key: str, compute: Callable[[], Any]) -> Any:
        """A result that is needed by every walk through this node."""
        place = (self.node.index, key)
        if place not in self.problem.cache:
            self.problem.cache[place] = compute()
        return self.problem.cache[place]


Contribution = tuple[int, Rows]


class Rule(ABC):
    """How one kind of operator propagates bounds."""

    def keeps_boxes(self, call: Call) -> bool:
        """Distinct entries of the result depend on distinct entries of the one perturbed operand."""
        return False

    def is_affine(self, call: Call) -> bool:
        """The result is an affine function of the perturbed operands together."""
        return False

    @abstractmethod
    def interval(self, call: Call) -> Interval:
        """Bounds on the result from the intervals of its operands."""

    def unstable(self, call: Call, position: int) -> Tensor | None:
        """Which entries of an operand's interval the relaxation would gain from; None where it needs no
        interval.
        """
        return None

    @abstractmethod
    def backward(self, call: Call, rows: Rows, tuner: Tuner | None) -> tuple[list[Contribution], Tensor]:
        """Rows over the result as rows over the perturbed operands, and the constant ``(B|1, S)``; a lower
        bound.
        """

    @abstractmethod
    def forward(self, call: Call, forms: dict[int, Forms]) -> Forms:
        """Linear functions that enclose the result, from those of the perturbed operands."""


class Registry:
    """Rules by operator."""

    def __init__(self) -> None:
        self._rules: dict[Any, Rule] = {}

    def add(self, rule: Rule, *targets: Any) -> None:
        """Register a rule for some operators, in place of what was there."""
        for target in targets:
            self._rules[target] = rule

    def __getitem__(self, node: Node) -> Rule:
        return self._rules[node.target]

    def check(self, graph: Graph, perturbed: Sequence[int], roots: Sequence[int]) -> None:
        """Raise one error that lists every operator without a rule.

        Args:
            graph: the network.
            perturbed: indices of the nodes that must be bounded.
            roots: those among them that need no rule.
        """
        missing = [
            graph.nodes[index]
            for index in perturbed
            if index not in roots and graph.nodes[index].target not in self._rules
        ]
        if missing:
            lines = [f"  {node.described}" + (f": {node.line}" if node.line else "") for node in missing]
            raise UnsupportedOperator(
                "no bound rule for:\n"
                + "\n".join(lines)
                + "\nRegister one with defenses.bounds.RULES.add(rule, torch.ops.aten.<name>.<overload>); "
                "defenses.bounds.rules.elementwise has base classes that need a function and its derivative only."
            )


class UnsupportedOperator(InvalidInput):
    """The network uses operators that have no rule."""


RULES = Registry()
"""All known rules; extend it with ``RULES.add``."""


def unmirrored(rows: Rows) -> Rows:
    """Rows whose signs can be told apart."""
    return rows.mirror() if rows.mirrored else rows


def as_plain(rows: Rows, constant: Tensor) -> Tensor:
    """A constant for mirrored rows, doubled as the rows stand for twice their number."""
    return torch.cat([constant, -constant], 1) if rows.mirrored else constant
