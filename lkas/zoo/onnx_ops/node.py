"""A node of an ONNX graph, and how its operands are read: what was an attribute once is an input in later versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from simulator.world import InvalidInput

Operand = Tensor | None
Operation = Callable[..., Tensor | tuple[Tensor, ...]]
"""Called with a node and its inputs, None for those that are left out; gives its output or outputs."""


@dataclass(frozen=True)
class Node:
    """One operation of a graph.

    Attributes:
        operation: ONNX's name of it.
        name: of this node, for messages.
        inputs: names of values; empty for an optional one that is left out.
        outputs: likewise.
        attributes: Python numbers, lists, strings; tensors are tensors.
        opset: version of the operator set that the graph is written in.
    """

    operation: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    opset: int = 20

    def get(self, attribute: str, default: Any) -> Any:
        """An attribute, or what it is where it is left out."""
        return self.attributes.get(attribute, default)

    def require(self, attribute: str, *accepted: Any) -> None:
        """Refuse an attribute's value that is not converted; the first accepted one is its default."""
        value = self.get(attribute, accepted[0])
        if value not in accepted:
            known = ", ".join(str(value) for value in accepted)
            raise InvalidInput(
                f"node '{self.name}': {self.operation} with {attribute} = {value} is not converted; accepted: {known}"
            )


def integers(node: Node, operand: Operand, attribute: str) -> list[int] | None:
    """A list of integers that is an input, or an attribute in older versions; None where it is left out."""
    if operand is not None:
        return [int(value) for value in operand.flatten().tolist()]
    values = node.get(attribute, None)
    return None if values is None else [int(value) for value in values]


def number(node: Node, operand: Operand, attribute: str, default: float | None) -> float | None:
    """A number that is an input, or an attribute in older versions."""
    if operand is not None:
        return float(operand)
    value = node.get(attribute, default)
    return None if value is None else float(value)


DTYPES: dict[int, torch.dtype] = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float32,
    11: torch.float64,
}
"""ONNX's numbers of types. Half precision (10) is computed in single: a CPU is no faster in half, only coarser."""


def dtype_of(node: Node, number_of_type: int) -> torch.dtype:
    """The type that ONNX numbers so."""
    if number_of_type not in DTYPES:
        raise InvalidInput(f"node '{node.name}': {node.operation} to type {number_of_type} is not converted")
    return DTYPES[number_of_type]
