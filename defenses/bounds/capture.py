"""From a ``torch.nn.Module`` to a :class:`Graph`, through ``torch.export``.

The exported operators are kept as they are (a linear layer stays one node); only composites that have an
exact and tighter expression in simpler operators are replaced, by the table in
:mod:`defenses.bounds.decompositions`.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import export
from torch.export.graph_signature import InputKind
from torch.fx import Node as FxNode

from defenses.bounds.decompositions import decomposition_table
from defenses.bounds.graph import Graph, Node, Slot
from simulator.world import InvalidInput


def capture(
    model: nn.Module, inputs: Sequence[Tensor], batch_axes: Sequence[int | None] | None = None
) -> Graph:
    """Capture a model's computation on one sample.

    Args:
        model: any module that ``torch.export`` can trace; captured in evaluation mode, its own mode is
            restored.
        inputs: example arguments, tensors of any batch size of at least one.
        batch_axes: the batch axis of each input, None for an input without one; 0 by default.

    Returns:
        The graph, with parameters still read from ``model``.
    """
    axes = (0,) * len(inputs) if batch_axes is None else tuple(batch_axes)
    sample = tuple(x if axis is None else x.narrow(axis, 0, 1) for x, axis in zip(inputs, axes, strict=True))
    modes = {name: module.training for name, module in model.named_modules()}
    model.eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = export(model, tuple(x.detach().clone() for x in sample))
            program = program.run_decompositions(decomposition_table())
    except Exception as error:
        raise InvalidInput(
            f"torch.export cannot capture {type(model).__name__}: {error}. Bounds need a network whose control flow "
            "does not depend on the values it computes."
        ) from error
    finally:
        for name, module in model.named_modules():
            module.training = modes[name]
    return _convert(program, model)


def _convert(program: torch.export.ExportedProgram, model: nn.Module) -> Graph:
    specs = {getattr(spec.arg, "name", ""): spec for spec in program.graph_signature.input_specs}
    known: dict[FxNode, Node] = {}
    nodes: list[Node] = []
    outputs: list[Node] = []
    position = 0

    def add(**fields: Any) -> Node:
        node = Node(index=len(nodes), **fields)
        nodes.append(node)
        return node

    for fx in program.graph.nodes:
        if fx.op == "placeholder":
            value = fx.meta["val"]
            spec = specs[fx.name]
            if spec.kind is InputKind.USER_INPUT:
                kind, source, path = "input", position, fx.name
                position += 1
            elif spec.kind in (InputKind.PARAMETER, InputKind.BUFFER):
                kind, source, path = "parameter", spec.target, spec.target
            else:
                kind, source, path = "constant", program.constants[spec.target], str(spec.target)
            known[fx] = add(
                name=fx.name, kind=kind, shape=tuple(value.shape), dtype=value.dtype, source=source, path=path
            )
        elif fx.op == "call_function":
            if fx.target is operator.getitem and known.get(fx.args[0]) is None:
                known[fx] = _call(fx.args[0], fx, known, add, item=fx.args[1])
            elif isinstance(fx.meta.get("val"), Tensor):  # checks that torch.export inserts give nothing
                known[fx] = _call(fx, fx, known, add, item=None)
        elif fx.op == "output":
            returned = fx.args[0]
            mutations = len(returned) - len(program.graph_signature.user_outputs)
            outputs = [known[item] for item in returned[mutations:] if isinstance(item, FxNode)]
    return Graph(tuple(nodes), tuple(outputs), model)


aten = torch.ops.aten
_SHAPE_ONLY = frozenset(
    {
        aten.zeros_like.default,
        aten.ones_like.default,
        aten.full_like.default,
        aten.new_zeros.default,
        aten.new_ones.default,
        aten.new_full.default,
    }
)
"""Operators that take no more than the shape of their operand."""


def _call(call: FxNode, value: FxNode, known: dict[FxNode, Node], add: Any, item: int | None) -> Node:
    """A node for one tensor that a call gives: the whole result, or one item of several."""
    sources: list[Node] = []

    def template(argument: Any) -> Any:
        if isinstance(argument, FxNode):
            sources.append(known[argument])
            return Slot(len(sources) - 1)
        if isinstance(argument, list | tuple):
            entries = [template(entry) for entry in argument]
            return tuple(entries) if isinstance(argument, tuple) else entries
        return argument

    args = tuple(template(argument) for argument in call.args)
    target = call.target
    if target in _SHAPE_ONLY:
        options = {"dtype": call.kwargs["dtype"]} if call.kwargs.get("dtype") is not None else {}
        zeros = torch.zeros(sources[0].shape, dtype=sources[0].dtype)
        filled = target(zeros, *call.args[1:], **options)
        return add(
            name=value.name,
            kind="constant",
            shape=tuple(filled.shape),
            dtype=filled.dtype,
            source=filled,
            path="",
        )
    if target is torch.ops.aten.mul.Tensor and len(sources) == 2 and sources[0] is sources[1]:
        target, args, sources = torch.ops.aten.square.default, (Slot(0),), sources[:1]
    kwargs = {key: template(argument) for key, argument in call.kwargs.items() if key != "pin_memory"}
    stack = call.meta.get("nn_module_stack") or {}
    path = str(list(stack.values())[-1][0]) if stack else ""
    trace = str(call.meta.get("stack_trace") or "").strip().splitlines()
    shape, dtype = tuple(value.meta["val"].shape), value.meta["val"].dtype
    return add(
        name=value.name,
        kind="call",
        shape=shape,
        dtype=dtype,
        target=target,
        arguments=(args, kwargs),
        inputs=tuple(sources),
        item=item,
        path=path,
        line=trace[-1].strip() if trace else "",
    )
