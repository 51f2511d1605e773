"""Operators that only move entries: views, permutations, slices, concatenations, padding, fixed gathers.

Their rule is found by moving the numbers of the entries instead of the entries: the place in the operand from
which every entry of the result comes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from defenses.bounds.interval import Interval
from defenses.bounds.problem import Value, evaluate
from defenses.bounds.rows import Dense, Patches, Rows, Selection, flattened
from defenses.bounds.rules.affine import Affine
from defenses.bounds.rules.base import RULES, Call, UnsupportedOperator


@dataclass(frozen=True)
class Route:
    """Where the entries of a result come from.

    Attributes:
        origin: ``(result entries,)`` flat place in the operand, -1 for entries that come from elsewhere.
        valid: the result entries that come from the operand; None if all do.
        straight: the result is the operand in another shape.
        injective: no operand entry is used twice.
    """

    origin: Tensor
    valid: Tensor | None
    straight: bool
    injective: bool


class Movement(Affine):
    """Any operator whose result entries are operand entries or constants."""

    def keeps_boxes(self, call: Call) -> bool:
        return (
            len(call.positions) == 1
            and not self._varies(call)
            and self.route(call, call.positions[0]).injective
        )

    def interval(self, call: Call) -> Interval:
        if self._reshapes(call):
            return call.interval(0).map(lambda t: t.reshape(len(t), *call.node.shape))
        return call.at_ends({p: call.interval(p) for p in call.positions})

    def shift(self, call: Call) -> Tensor | None:
        return None if self._reshapes(call) else super().shift(call)

    def _reshapes(self, call: Call) -> bool:
        """The result is its only operand in another shape."""
        return len(call.node.inputs) == 1 and self.route(call, 0).straight

    def route(self, call: Call, position: int) -> Route:
        """The routing of one operand's entries."""
        others = (source for i, source in enumerate(call.node.inputs) if i != position)
        fixed = all(source.kind == "constant" or source.dtype.is_floating_point for source in others)
        keep = call.cached_for_good if fixed else call.cached  # indices may be others next time
        route: Route = keep(f"route {position}", lambda: self._trace(call, position))
        return route

    def _varies(self, call: Call) -> bool:
        """Entries are taken from places that differ between samples."""
        others = (call.value(i) for i in range(len(call.node.inputs)) if i not in call.positions)
        return any(value.batched and not value.tensor.is_floating_point() for value in others)

    def _trace(self, call: Call, position: int) -> Route:
        source = call.node.inputs[position]
        numbers = torch.arange(1, source.numel + 1, dtype=torch.float64).view(source.shape)
        operands = [Value(v.tensor[0] if v.batched else v.tensor, False) for v in call.values({})]
        blank = [
            Value(torch.zeros_like(v.tensor, dtype=torch.float64), False)
            if v.tensor.is_floating_point()
            else v
            for v in operands
        ]
        marked = [*blank[:position], Value(numbers, False), *blank[position + 1 :]]
        moved = evaluate(call.node, marked).tensor - evaluate(call.node, blank).tensor
        origin = moved.flatten().round().long() - 1
        inside = origin >= 0
        valid = None if bool(inside.all()) else inside.nonzero().squeeze(1)
        used = origin if valid is None else origin[valid]
        injective = len(used.unique()) == len(used)
        straight = len(origin) == source.numel and bool((origin == torch.arange(len(origin))).all())
        return Route(origin, valid, straight, injective)

    def push(self, call: Call, position: int, x: Tensor, operands: list[Value]) -> Tensor:
        if self._varies(call):
            return super().push(call, position, x, operands)
        route, shape = self.route(call, position), call.node.shape
        flat = flattened(x, 2)
        if not route.straight:
            flat = flat[..., route.origin.clamp(min=0)]
        if route.valid is not None:
            flat = flat * (route.origin >= 0).to(flat.dtype)
        return flat.view(*x.shape[:2], *shape)

    def spread(self, call: Call, position: int, radius: Tensor, operands: list[Value]) -> Tensor:
        return self.push(call, position, radius, operands)

    def pull(self, call: Call, position: int, rows: Rows, operands: list[Value]) -> Rows:
        if self._varies(call):
            return super().pull(call, position, rows, operands)
        source, route = call.node.inputs[position], self.route(call, position)
        if isinstance(rows, Selection):
            origin = route.origin[rows.index]
            scale = (
                rows.scale
                if route.valid is None
                else torch.where(origin >= 0, rows.scale, rows.scale.new_zeros(()))
            )
            return Selection(source.shape, rows.mirrored, origin.clamp(min=0), scale)
        if isinstance(rows, Patches) and route.straight and source.shape == call.node.shape:
            return replace(rows, shape=source.shape)
        flat = flattened(rows.dense().coefficients, 2)
        if not route.straight:
            used = route.origin if route.valid is None else route.origin[route.valid]
            part = flat if route.valid is None else flat[..., route.valid]
            empty = flat.new_zeros(*flat.shape[:2], source.numel)
            flat = empty.index_copy(2, used, part) if route.injective else empty.index_add(2, used, part)
        return Dense(source.shape, rows.mirrored, flat.view(*flat.shape[:2], *source.shape))


class Conversion(Movement):
    """To another device or layout; numbers keep their precision."""

    def interval(self, call: Call) -> Interval:
        source, node = call.node.inputs[0], call.node
        if source.dtype != node.dtype:
            raise UnsupportedOperator(
                f"{node.described} turns {source.dtype} into {node.dtype}; bounds need a network of one precision"
            )
        return super().interval(call)


aten = torch.ops.aten
RULES.add(Conversion(), aten._to_copy.default, aten.to.dtype)
RULES.add(
    Movement(),
    aten.view.default,
    aten._unsafe_view.default,
    aten.reshape.default,
    aten.flatten.using_ints,
    aten.unflatten.int,
    aten.squeeze.default,
    aten.squeeze.dim,
    aten.squeeze.dims,
    aten.unsqueeze.default,
    aten.permute.default,
    aten.transpose.int,
    aten.t.default,
    aten.movedim.int,
    aten.select.int,
    aten.slice.Tensor,
    aten.narrow.default,
    aten.split.Tensor,
    aten.split_with_sizes.default,
    aten.chunk.default,
    aten.unbind.int,
    aten.expand.default,
    aten.expand_as.default,
    aten.repeat.default,
    aten.repeat_interleave.self_int,
    aten.tile.default,
    aten.flip.default,
    aten.roll.default,
    aten.cat.default,
    aten.stack.default,
    aten.index_select.default,
    aten.index.Tensor,
    aten.gather.default,
    aten.constant_pad_nd.default,
    aten.pad.default,
    aten.reflection_pad1d.default,
    aten.reflection_pad2d.default,
    aten.replication_pad1d.default,
    aten.replication_pad2d.default,
    aten.pixel_shuffle.default,
    aten.pixel_unshuffle.default,
    aten.channel_shuffle.default,
    aten.upsample_nearest2d.vec,
    aten.upsample_nearest1d.vec,
    aten.diagonal.default,
    aten.tril.default,
    aten.triu.default,
    aten.clone.default,
    aten.contiguous.default,
    aten.alias.default,
    aten.detach.default,
    aten.dropout.default,
    aten.lift_fresh_copy.default,
)
