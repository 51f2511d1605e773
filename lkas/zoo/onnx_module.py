"""An ONNX file as a PyTorch module: the same numbers as a runtime gives, and gradients through them.

Covers the operations of exported driving networks, see ``lkas.zoo.onnx_ops``; what is not among them is named.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import Tensor, nn

from lkas.zoo.onnx_ops import elementwise, layers, shapes
from lkas.zoo.onnx_ops.node import Node, Operation
from simulator.world import InvalidInput

OPERATIONS: dict[str, Operation] = {**elementwise.OPERATIONS, **shapes.OPERATIONS, **layers.OPERATIONS}
"""Every operation that is converted, by ONNX's name."""


class OnnxModule(nn.Module):
    """Computes an ONNX graph, node by node.

    Weights are parameters under their names in the file ("." becomes "/"), and do not require gradients. Half precision
    is computed in single precision.

    Args:
        path: an ONNX file; its weights may lie in a second file beside it.

    Attributes:
        input_names: of ``forward``, in order.
        output_names: likewise.

    Raises:
        InvalidInput: no such file, no ONNX, or an operation that is not converted.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        graph, opset = _read(Path(path))
        self._values: dict[str, str] = {}
        for initial in graph.initializer:
            self._keep(initial.name, _tensor(initial))
        self.input_names = tuple(value.name for value in graph.input if value.name not in self._values)
        self.output_names = tuple(value.name for value in graph.output)
        self.nodes: list[Node] = []
        for position, proto in enumerate(graph.node):
            node = Node(
                proto.op_type,
                proto.name or f"{proto.op_type} {position}",
                tuple(proto.input),
                tuple(proto.output),
                {attribute.name: _value(attribute) for attribute in proto.attribute},
                opset,
            )
            if proto.op_type == "Constant":
                self._keep(node.outputs[0], _constant(node))
            else:
                self.nodes.append(node)
        unknown = {node.operation: node.name for node in self.nodes if node.operation not in OPERATIONS}
        if unknown:
            found = ", ".join(f"{operation} (node '{name}')" for operation, name in sorted(unknown.items()))
            raise InvalidInput(
                f"{path}: {found} cannot be converted to PyTorch; converted are {', '.join(sorted(OPERATIONS))}"
            )

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs.

        Args:
            inputs: in the order of ``input_names``, of the shapes that the file says.

        Returns:
            In the order of ``output_names``; differentiable in floating-point inputs.
        """
        values: dict[str, Tensor] = dict(zip(self.input_names, inputs, strict=True))
        values |= {name: getattr(self, kept) for name, kept in self._values.items()}
        for node in self.nodes:
            arguments = [values[name] if name else None for name in node.inputs]
            results = OPERATIONS[node.operation](node, *arguments)
            if isinstance(results, Tensor):
                results = (results,)
            values.update(zip(node.outputs, results, strict=False))
        return tuple(values[name] for name in self.output_names)

    def _keep(self, name: str, value: Tensor) -> None:
        """Hold a constant: weights as parameters, numbers and shapes as buffers."""
        own = name.replace(".", "/")
        if hasattr(self, own):
            own = f"{own}/value"
        self._values[name] = own
        if value.is_floating_point() and value.ndim:
            self.register_parameter(own, nn.Parameter(value, requires_grad=False))
        else:
            self.register_buffer(own, value)


def _read(path: Path) -> tuple[onnx.GraphProto, int]:
    """The graph in a file, and its version of ONNX's own operators."""
    if not path.is_file():
        raise InvalidInput(f"{path}: no such file; give the path of an ONNX model")
    try:
        model = onnx.load(path)
        opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    except (DecodeError, ValueError, OSError) as error:
        raise InvalidInput(f"{path}: not an ONNX model ({error})") from error
    return model.graph, opset


def _tensor(proto: onnx.TensorProto) -> Tensor:
    value = torch.from_numpy(numpy_helper.to_array(proto).copy())
    return value.float() if value.dtype == torch.float16 else value


def _value(attribute: onnx.AttributeProto) -> Any:
    """An attribute in Python's types."""
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return _tensor(value)
    return value if isinstance(value, (int, float, onnx.GraphProto)) else list(value)


def _constant(node: Node) -> Tensor:
    """What a node of type Constant holds."""
    ((kind, value),) = node.attributes.items()
    if kind == "value":
        assert isinstance(value, Tensor)
        return value
    return torch.tensor(value, dtype=torch.int64 if "int" in kind else torch.float32)
