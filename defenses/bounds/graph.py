"""A network as a list of nodes in topological order, each one call of an ATen operator on the values of
earlier nodes.

The graph is that of ONE sample: it is captured at batch size 1 and every value keeps its captured shape,
size-one batch axis included, wherever a transpose may have carried it. The engine adds one leading axis of
its own for the samples. A model may therefore do to its batch axis what it likes (time first, heads folded
into the batch), as long as samples do not mix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Slot:
    """The place of a tensor among an operator's arguments: an index into ``Node.inputs``."""

    position: int


@dataclass(frozen=True, eq=False)
class Node:
    """One value of the network.

    Attributes:
        index: place in the graph, a topological order.
        name: unique, readable.
        kind: where the value comes from: a model input, a parameter or buffer, a constant, or an operator.
        shape: of one sample.
        dtype: of the value.
        target: the ATen operator, for ``kind == "call"``.
        arguments: positional and keyword arguments, with a :class:`Slot` in place of every tensor.
        inputs: the nodes that fill the slots.
        item: which output is meant, for an operator with several.
        path: dotted name of the module that made the call, or of the parameter.
        line: source line of the call, where known.
        source: input position, parameter name, or the constant itself.
    """

    index: int
    name: str
    kind: Literal["input", "parameter", "constant", "call"]
    shape: tuple[int, ...]
    dtype: torch.dtype
    target: Callable[..., Any] | None = None
    arguments: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
    inputs: tuple[Node, ...] = ()
    item: int | None = None
    path: str = ""
    line: str = ""
    source: Any = None
    numel: int = field(init=False)

    def __post_init__(self) -> None:
        size = 1
        for length in self.shape:
            size *= length
        object.__setattr__(self, "numel", size)

    def function(self, *tensors: Tensor) -> Tensor:
        """The operator on one sample's tensors, given in the order of ``inputs``."""
        assert self.target is not None
        args, kwargs = self.arguments
        result = self.target(*_fill(args, tensors), **_fill(kwargs, tensors))
        return result if self.item is None else result[self.item]

    def static(self, position: int, name: str, default: Any) -> Any:
        """A non-tensor argument by position or keyword."""
        args, kwargs = self.arguments
        if name in kwargs:
            return kwargs[name]
        return args[position] if len(args) > position else default

    @property
    def described(self) -> str:
        """The operator and where the model has it, for messages."""
        return f"{self.target} (node {self.name}, module {self.path or '<the model itself>'})"

    def __repr__(self) -> str:
        what = f" {self.target}" if self.target is not None else ""
        return f"Node({self.index} {self.name}: {self.kind}{what} {tuple(self.shape)})"


def _fill(template: Any, tensors: tuple[Tensor, ...]) -> Any:
    if isinstance(template, Slot):
        return tensors[template.position]
    if isinstance(template, list | tuple):
        return type(template)(_fill(item, tensors) for item in template)
    if isinstance(template, dict):
        return {key: _fill(item, tensors) for key, item in template.items()}
    return template


@dataclass(frozen=True, eq=False)
class Graph:
    """A captured network.

    Attributes:
        nodes: in topological order.
        outputs: what the network returns, flattened.
        module: where parameters and buffers are read from at every evaluation, so that bounds follow
            training.
        cache: what rules have found out that depends on the graph alone, by node index and key.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[Node, ...]
    module: nn.Module
    cache: dict[tuple[int, str], Any] = field(default_factory=dict)

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The input nodes, in the order of the model's arguments."""
        return tuple(node for node in self.nodes if node.kind == "input")

    def parameter(self, name: str) -> Node | None:
        """The node of a parameter or buffer, None where the captured computation does not use it."""
        return next((node for node in self.nodes if node.kind == "parameter" and node.source == name), None)

    def fetch(self, node: Node) -> Tensor:
        """The present value of a parameter, buffer or constant node, detached where gradients are disabled."""
        if node.kind == "constant":
            assert isinstance(node.source, Tensor)
            return node.source
        owner, _, name = str(node.source).rpartition(".")
        value = getattr(self.module.get_submodule(owner), name)
        assert isinstance(value, Tensor)
        return value if torch.is_grad_enabled() else value.detach()

    def reachable(self, roots: set[int]) -> set[int]:
        """Indices of all nodes whose value depends on one of the roots."""
        touched = set(roots)
        for node in self.nodes:
            if any(source.index in touched for source in node.inputs):
                touched.add(node.index)
        return touched

    def needed(self, output: Node) -> set[int]:
        """Indices of all nodes on which a node depends, itself included."""
        wanted = {output.index}
        for node in reversed(self.nodes[: output.index + 1]):
            if node.index in wanted:
                wanted.update(source.index for source in node.inputs)
        return wanted

    def consumers(self) -> Mapping[int, tuple[Node, ...]]:
        """For every node the nodes that read it."""
        readers: dict[int, list[Node]] = {node.index: [] for node in self.nodes}
        for node in self.nodes:
            for source in dict.fromkeys(node.inputs):
                readers[source.index].append(node)
        return {index: tuple(nodes) for index, nodes in readers.items()}
