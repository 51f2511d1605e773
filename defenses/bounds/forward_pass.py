"""Forward propagation: linear lower and upper functions of the perturbation's variables for every node."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from defenses.bounds.interval import Interval, at_least
from defenses.bounds.methods import Method, on_interval
from defenses.bounds.problem import Problem
from defenses.bounds.regions import Region
from defenses.bounds.rows import Dense, Rows, Selection, flattened
from defenses.bounds.rules.base import RULES, Call, Forms


@dataclass(frozen=True)
class Forward(Method):
    """Forward linear relaxation; every interval is intersected with that of interval arithmetic."""

    def samples_at_once(self, problem: Problem) -> int:
        # every entry of every node is a function of every variable
        variables = sum(region.dimensions for region in problem.regions.values())
        return max(1, problem.budget // max(1, variables * problem.widest(problem.output)))

    def prepare(self, problem: Problem) -> None:
        _Pass(problem).run()

    def lower(self, problem: Problem, rows: Rows) -> Tensor:
        interval = problem.intervals[problem.output.index]
        if isinstance(rows, Selection):
            return on_interval(interval, rows).expand(problem.batch, -1)
        forms, roots = problem.cache[(problem.output.index, "forms")]
        plain = rows.mirror() if rows.mirrored else rows
        coefficients = flattened(plain.dense().coefficients, 2)
        positive, negative = coefficients.clamp(min=0), coefficients.clamp(max=0)
        weight = positive @ flattened(forms.lower_weight, 2).transpose(1, 2)
        weight = weight + negative @ flattened(forms.upper_weight, 2).transpose(1, 2)
        bias = positive @ flattened(forms.lower, 1).unsqueeze(2) + negative @ flattened(
            forms.upper, 1
        ).unsqueeze(2)
        linear = bias.squeeze(2) + _extreme(weight, roots, greatest=False)
        return torch.maximum(at_least(linear), on_interval(interval, plain)).expand(problem.batch, -1)


Root = tuple[Region, int, int]
"""A region of coefficients and the range of variables that it governs."""


class _Pass:
    """One forward propagation over all perturbed nodes."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.forms: dict[int, Forms] = {}
        self.roots: list[Root] = []

    def run(self) -> None:
        problem = self.problem
        self._start()
        readers = problem.graph.consumers()
        open_uses = {
            index: sum(reader.index in problem.touched for reader in readers[index])
            for index in problem.perturbed
        }
        for index in problem.perturbed:
            node = problem.graph.nodes[index]
            if index in problem.regions:
                problem.intervals[index] = problem.regions[index].interval()
                continue
            call = Call(node, problem)
            interval = RULES[node].interval(call)
            self.forms[index] = RULES[node].forward(
                call, {p: self.forms[node.inputs[p].index] for p in call.positions}
            )
            problem.intervals[index] = self._concretise(self.forms[index]).intersect(interval)
            for source in {node.inputs[p].index for p in call.positions}:
                open_uses[source] -= 1
                if not open_uses[source]:
                    del self.forms[source]
        problem.cache[(problem.output.index, "forms")] = self.forms[problem.output.index], self.roots

    def _start(self) -> None:
        parts = {index: region.variables() for index, region in self.problem.regions.items()}
        total = sum(basis.shape[1] for basis, _, _ in parts.values())
        first = 0
        for index, (basis, offset, inner) in parts.items():
            count = basis.shape[1]
            before = basis.new_zeros(len(basis), first, *basis.shape[2:])
            after = basis.new_zeros(len(basis), total - first - count, *basis.shape[2:])
            weight = torch.cat([before, basis, after], 1)
            self.forms[index] = Forms(weight, offset, weight, offset)
            self.roots.append((inner, first, first + count))
            first += count

    def _concretise(self, forms: Forms) -> Interval:
        shape = forms.lower.shape[1:]

        def extreme(weight: Tensor, greatest: bool) -> Tensor:
            found = _extreme(flattened(weight, 2).transpose(1, 2), self.roots, greatest)
            return found.view(len(found), *shape)

        return Interval(
            forms.lower + extreme(forms.lower_weight, greatest=False),
            forms.upper + extreme(forms.upper_weight, greatest=True),
        )


def _extreme(weight: Tensor, roots: list[Root], greatest: bool) -> Tensor:
    """The least or the greatest value of linear functions ``(B|1, S, K)`` of the variables: ``(B, S)``."""
    total = torch.zeros((), dtype=weight.dtype)
    for region, first, stop in roots:
        rows = Dense(region.shape, False, weight[:, :, first:stop])
        total = total + (region.maximum(rows) if greatest else region.minimum(rows))
    return total
