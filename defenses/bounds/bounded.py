"""Bounds of a model's output under perturbations of its inputs and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from defenses.bounds.capture import capture
from defenses.bounds.graph import Graph, Node
from defenses.bounds.interval import Interval
from defenses.bounds.methods import Backward, Method
from defenses.bounds.perturbations import Perturbation, Perturbations
from defenses.bounds.problem import Problem, pose
from defenses.bounds.regions import Region, of_samples
from defenses.bounds.rows import Dense, Rows, Selection, flattened
from defenses.bounds.rules import RULES
from simulator.world import InvalidInput

BUDGET = 2**21
"""How many numbers a bundle of rows may hold: 8 MiB in float32; a computation holds a few bundles at a time."""


@dataclass(frozen=True, eq=False)
class BoundedModel:
    """A captured model whose outputs can be bounded.

    Bounds are differentiable in the model's parameters, the inputs and the perturbation (except with
    ``Optimised``). The model is bounded in evaluation mode.

    Attributes:
        graph: the captured computation on one sample.
        batch_axes: the batch axis of each input, None for one that all samples share.
    """

    graph: Graph
    batch_axes: tuple[int | None, ...]

    @classmethod
    def of(
        cls, model: nn.Module, *inputs: Tensor, batch_axes: Sequence[int | None] | None = None
    ) -> BoundedModel:
        """Capture a model.

        Args:
            model: the network; its parameters are read anew at every use.
            inputs: example arguments.
            batch_axes: the batch axis of each input, 0 by default, None for an input without one.
        """
        axes = (0,) * len(inputs) if batch_axes is None else tuple(batch_axes)
        return cls(capture(model, inputs, axes), axes)

    def bounds(
        self,
        inputs: Tensor | Sequence[Tensor],
        perturbations: Perturbations,
        method: Method | None = None,
        specification: Tensor | None = None,
        sides: str = "both",
        output: int = 0,
        budget: int = BUDGET,
    ) -> Interval:
        """Bound linear functionals of an output, or its entries.

        Args:
            inputs: the model's arguments.
            perturbations: of inputs and parameters.
            method: ``Backward()`` (CROWN) by default.
            specification: ``(S, out)`` or ``(B, S, out)`` coefficients on the flattened output of a sample;
                None bounds the entries themselves.
            sides: ``"both"``, ``"lower"`` or ``"upper"``; the other bound is infinite.
            output: which of the model's outputs.
            budget: how many numbers a bundle of rows may hold at once.

        Returns:
            Bounds ``(B, S)``, or ``(B, *output shape of a sample)`` without a specification.
        """
        method = Backward() if method is None else method
        with torch.set_grad_enabled(torch.is_grad_enabled() and method.differentiable):
            tensors = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
            return self._bounds(tensors, perturbations, method, specification, sides, output, budget)

    def _bounds(
        self,
        tensors: Sequence[Tensor],
        perturbations: Perturbations,
        method: Method,
        specification: Tensor | None,
        sides: str,
        output: int,
        budget: int,
    ) -> Interval:
        problem = self.pose(tensors, perturbations, output, budget)
        _check_specification(problem, specification, sides)
        if problem.output.index not in problem.touched:
            value = problem.values[problem.output.index]
            clean = (
                value.tensor
                if value.batched
                else value.tensor.unsqueeze(0).expand(problem.batch, *problem.output.shape)
            )
            return _shape(problem, Interval(clean, clean), specification)
        step = method.samples_at_once(problem)
        if step >= problem.batch:
            return _answer(problem, method, specification, sides)
        answers = []
        for start in range(0, problem.batch, step):
            samples, asked = slice(start, start + step), specification
            if asked is not None and asked.ndim == 3:
                asked = of_samples(asked, samples)
            answers.append(_answer(problem.take(samples), method, asked, sides))
        return Interval(torch.cat([a.lower for a in answers]), torch.cat([a.upper for a in answers]))

    def pose(
        self,
        inputs: Sequence[Tensor],
        perturbations: Perturbations,
        output: int,
        budget: int,
    ) -> Problem:
        """Check the question and evaluate what is not perturbed."""
        given = {0: perturbations} if isinstance(perturbations, Perturbation) else perturbations
        values, batch = self._samples(inputs)
        regions: dict[int, Region] = {}
        for key, perturbation in given.items():
            node = self._node(key)
            if isinstance(key, int):
                axis, x = self.batch_axes[key], values[key]
                x = x.unsqueeze(0) if axis is None else x.squeeze(1 + axis)
                region = perturbation.around(x, f"input {key}")
            else:
                region = perturbation.around(self.graph.fetch(node).unsqueeze(0), f"parameter {key}")
            regions[node.index] = region.view(node.shape)
        _check_finite(self.graph, values)
        target = self.graph.outputs[output]
        problem = pose(self.graph, target, values, batch, regions, budget)
        RULES.check(self.graph, problem.perturbed, tuple(regions))
        return problem

    def _samples(self, inputs: Sequence[Tensor]) -> tuple[list[Tensor], int]:
        nodes = self.graph.inputs
        if len(inputs) != len(nodes):
            raise InvalidInput(f"the model takes {len(nodes)} inputs, {len(inputs)} were given")
        values: list[Tensor] = []
        sizes: set[int] = set()
        for position, (x, node, axis) in enumerate(zip(inputs, nodes, self.batch_axes, strict=True)):
            if axis is not None:
                sizes.add(x.shape[axis])
                x = x.movedim(axis, 0).unsqueeze(1 + axis)
            if tuple(x.shape[-len(node.shape) :] if node.shape else ()) != node.shape:
                raise InvalidInput(
                    f"input {position} ({node.name}) has shape {tuple(inputs[position].shape)}; the model was captured "
                    f"with samples of shape {tuple(node.shape)}"
                )
            if x.dtype != node.dtype:
                raise InvalidInput(
                    f"input {position} ({node.name}) is {x.dtype}; the model was captured with {node.dtype}"
                )
            # operators were captured on contiguous tensors, and may take another view of them
            values.append((x if torch.is_grad_enabled() else x.detach()).contiguous())
        if len(sizes) > 1:
            raise InvalidInput(f"the inputs have different batch sizes {sorted(sizes)}")
        return values, sizes.pop() if sizes else 1

    def _node(self, key: int | str) -> Node:
        if isinstance(key, str):
            node = self.graph.parameter(key)
            if node is None:
                raise InvalidInput(f"perturbation of {key!r}: the model uses no parameter of that name")
            return node
        if not 0 <= key < len(self.graph.inputs):
            raise InvalidInput(f"perturbation of input {key}: the model has {len(self.graph.inputs)} inputs")
        return self.graph.inputs[key]


def _answer(problem: Problem, method: Method, specification: Tensor | None, sides: str) -> Interval:
    """Bounds of the output of a problem in which it is perturbed."""
    method.prepare(problem)
    found = method.lower(problem, _rows(problem, specification, sides))
    if sides == "both":
        low, high = found.chunk(2, 1)
        interval = Interval(low, -high)
    else:
        open_side = torch.full_like(found, float("inf"))
        interval = Interval(found, open_side) if sides == "lower" else Interval(-open_side, -found)
    if specification is not None:
        return interval
    interval = interval.map(lambda t: t.view(problem.batch, *problem.output.shape))
    if sides == "both":
        interval = interval.intersect(problem.intervals[problem.output.index])
    return _drop_sample_axis(problem.output, interval)


def _check_finite(graph: Graph, values: Sequence[Tensor]) -> None:
    for position, value in enumerate(values):
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise InvalidInput(f"input {position} holds values that are not finite")
    for node in graph.nodes:
        if node.kind == "parameter":
            tensor = graph.fetch(node)
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise InvalidInput(f"parameter {node.source} holds values that are not finite")


def _check_specification(problem: Problem, specification: Tensor | None, sides: str) -> None:
    if sides not in ("both", "lower", "upper"):
        raise InvalidInput(f"sides is {sides!r}; known are 'both', 'lower' and 'upper'")
    if specification is None:
        return
    size, shape = problem.output.numel, tuple(specification.shape)
    fits = len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, problem.batch))
    if not fits or shape[-1] != size:
        raise InvalidInput(
            f"a specification of shape {shape} does not fit {problem.batch} samples of an output with {size} entries; "
            f"expected (S, {size}) or ({problem.batch}, S, {size})"
        )


def _rows(problem: Problem, specification: Tensor | None, sides: str) -> Rows:
    """What is bounded from below."""
    node, mirrored = problem.output, sides == "both"
    like = problem.intervals[node.index].lower
    sign = -1.0 if sides == "upper" else 1.0
    if specification is None:
        index = torch.arange(node.numel, device=like.device).unsqueeze(0)
        return Selection(node.shape, mirrored, index, like.new_full(index.shape, sign))
    rows = specification.to(like.dtype) * sign
    rows = rows.unsqueeze(0) if rows.ndim == 2 else rows
    return Dense(node.shape, mirrored, rows.view(*rows.shape[:2], *node.shape))


def _shape(problem: Problem, value: Interval, specification: Tensor | None) -> Interval:
    """The result for an output that no perturbation touches."""
    if specification is None:
        return _drop_sample_axis(problem.output, value)
    rows = specification if specification.ndim == 3 else specification.unsqueeze(0)
    return value.map(lambda t: (rows.to(t.dtype) @ flattened(t, 1).unsqueeze(2)).squeeze(2))


def _drop_sample_axis(node: Node, value: Interval) -> Interval:
    return value.map(lambda t: t.squeeze(1)) if node.shape and node.shape[0] == 1 else value
