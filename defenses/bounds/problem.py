"""One question to a graph: which values, which regions, which output; and what has been found out so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from defenses.bounds.graph import Graph, Node
from defenses.bounds.interval import Interval
from defenses.bounds.regions import Region


@dataclass(frozen=True)
class Value:
    """A value that no perturbation touches.

    Attributes:
        tensor: ``(*shape)``, or ``(B, *shape)`` where ``batched``.
        batched: differs from sample to sample.
    """

    tensor: Tensor
    batched: bool

    def take(self, samples: slice) -> Value:
        """The value for some of the samples."""
        return Value(self.tensor[samples], True) if self.batched else self


def sampled(tensor: Tensor) -> Value:
    """A value ``(B|1, *shape)``; a single sample's counts as shared by all."""
    return Value(tensor[0], False) if len(tensor) == 1 else Value(tensor, True)


def evaluate(node: Node, values: Sequence[Value]) -> Value:
    """An operator on unperturbed values, sample by sample."""
    axes = tuple(0 if value.batched else None for value in values)
    tensors = [value.tensor for value in values]
    if all(axis is None for axis in axes):
        return Value(node.function(*tensors), False)
    return Value(torch.vmap(node.function, in_dims=axes)(*tensors), True)


@dataclass(frozen=True, eq=False)
class Problem:
    """The state of one computation of bounds.

    Attributes:
        graph: the network.
        output: the node to be bounded.
        batch: number of samples.
        regions: region by index of the perturbed root nodes.
        values: unperturbed values by node index.
        perturbed: indices of the nodes that depend on a root and that the output needs, in order.
        touched: the same as a set.
        budget: how many numbers a bundle of rows may hold at once; specifications are cut into pieces
            accordingly.
        intervals: bounds found so far by node index.
        cache: results of rules, by node index and key, valid while the intervals they were computed from
            stand.
        cost: numbers held per row in walks from a node, as measured.
    """

    graph: Graph
    output: Node
    batch: int
    regions: Mapping[int, Region]
    values: dict[int, Value]
    perturbed: tuple[int, ...]
    touched: frozenset[int]
    budget: int
    intervals: dict[int, Interval] = field(default_factory=dict)
    cache: dict[tuple[int, str], Any] = field(default_factory=dict)
    cost: dict[int, int] = field(default_factory=dict)

    def is_perturbed(self, node: Node) -> bool:
        """Whether a node's value is a set rather than a number."""
        return node.index in self.touched

    def widest(self, node: Node) -> int:
        """Entries of the largest perturbed node up to a node."""
        return max(self.graph.nodes[index].numel for index in self.perturbed if index <= node.index)

    def take(self, samples: slice) -> Problem:
        """The same question about some of the samples, with nothing found out yet."""
        return Problem(
            self.graph,
            self.output,
            len(range(self.batch)[samples]),
            {index: region.take(samples) for index, region in self.regions.items()},
            {index: value.take(samples) for index, value in self.values.items()},
            self.perturbed,
            self.touched,
            self.budget,
        )


def pose(
    graph: Graph,
    output: Node,
    inputs: Sequence[Tensor],
    batch: int,
    regions: Mapping[int, Region],
    budget: int,
) -> Problem:
    """Evaluate all that is not perturbed.

    Args:
        graph: the network.
        output: the node to be bounded.
        inputs: values of the graph's inputs, ``(B, *shape)`` or, shared by all samples, ``(*shape)``.
        batch: the number of samples B.
        regions: by index of the perturbed nodes.
        budget: see :class:`Problem`.
    """
    touched = graph.reachable(set(regions))
    needed = graph.needed(output)
    values: dict[int, Value] = {}
    for node in graph.nodes[: output.index + 1]:
        if node.index not in needed or node.index in touched:
            continue
        if node.kind == "input":
            tensor = inputs[int(node.source)]
            values[node.index] = sampled(tensor) if tensor.ndim > len(node.shape) else Value(tensor, False)
        elif node.kind == "call":
            values[node.index] = evaluate(node, [values[source.index] for source in node.inputs])
        else:
            values[node.index] = Value(graph.fetch(node), False)
    perturbed = tuple(sorted(touched & needed))
    return Problem(graph, output, batch, regions, values, perturbed, frozenset(perturbed), budget)
