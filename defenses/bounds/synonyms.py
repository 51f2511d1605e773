"""Word substitution: some words of a sentence may be replaced, each by one of its synonyms, at most a budget
of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from defenses.bounds.interval import Interval
from defenses.bounds.perturbations import Perturbation
from defenses.bounds.regions import Region, of_samples
from defenses.bounds.rows import Rows
from simulator.world import InvalidInput


@dataclass(frozen=True)
class SynonymRegion(Region):
    """Embedded sentences with at most ``budget`` words replaced.

    The best value of a linear functional is the dynamic programme over positions and replacements left,
    ``best(t, j) = min(best(t-1, j), best(t-1, j-1) + gain_t)``, where ``gain_t`` is the most that one word's
    synonyms lower it. As every replacement costs one, its solution is the sum of the ``budget`` lowest gains
    (of those below zero).

    Attributes:
        words: ``(B, T, E)`` embedded words.
        offsets: ``(B, T, K, E)`` embedded synonyms minus the words.
        valid: ``(B, T, K)`` bool, which synonyms exist.
        budget: how many words may be replaced.
        shape: of one sample's value, with ``T E`` entries.
    """

    words: Tensor
    offsets: Tensor
    valid: Tensor
    budget: int
    shape: tuple[int, ...] = ()

    def interval(self) -> Interval:
        if self.budget == 0:
            moves = torch.zeros_like(self.offsets)
        else:
            moves = torch.where(self.valid.unsqueeze(-1), self.offsets, torch.zeros_like(self.offsets))
        low = self.words + moves.amin(2).clamp(max=0)
        high = self.words + moves.amax(2).clamp(min=0)
        return Interval(low, high).map(lambda t: t.view(len(t), *self.shape))

    def minimum(self, rows: Rows) -> Tensor:
        coefficients = rows.dense().coefficients
        coefficients = coefficients.view(*coefficients.shape[:2], *self.words.shape[1:])
        batch = max(len(coefficients), len(self.words))
        wide = coefficients.expand(batch, *coefficients.shape[1:])
        base = torch.einsum("bste,bte->bs", wide, self.words)
        gains = torch.einsum("bste,btke->bstk", wide, self.offsets)
        lowest = torch.where(self.valid.unsqueeze(1), gains, torch.zeros_like(gains)).amin(-1).clamp(max=0)
        count = min(self.budget, lowest.shape[-1])
        return base + lowest.topk(count, dim=-1, largest=False).values.sum(-1)

    @property
    def dimensions(self) -> int:  # type: ignore[override]
        return self.words[0].numel()

    def variables(self) -> tuple[Tensor, Tensor, Region]:
        size = self.dimensions
        basis = torch.eye(size, dtype=self.words.dtype, device=self.words.device).view(1, size, *self.shape)
        return basis, self.words.new_zeros(len(self.words), *self.shape), self.view((size,))

    def view(self, shape: tuple[int, ...]) -> SynonymRegion:
        return SynonymRegion(self.words, self.offsets, self.valid, self.budget, shape)

    def take(self, samples: slice) -> SynonymRegion:
        words, offsets, valid = (of_samples(t, samples) for t in (self.words, self.offsets, self.valid))
        return SynonymRegion(words, offsets, valid, self.budget, self.shape)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        batch, length, choices, _ = self.offsets.shape
        members = []
        for _ in range(count):
            order = torch.rand((batch, length), generator=generator).argsort(1).argsort(1)
            score = torch.rand((batch, length, choices), generator=generator) * self.valid
            chosen = score.argmax(2)
            replace = (order < self.budget) & self.valid.any(2)
            move = self.offsets.gather(
                2, chosen[..., None, None].expand(-1, -1, 1, self.offsets.shape[3])
            ).squeeze(2)
            members.append(self.words + move * replace.unsqueeze(2))
        return torch.stack(members).view(count, batch, *self.shape)


@dataclass(frozen=True)
class Synonyms(Perturbation):
    """Around embedded sentences ``(B, T, E)``: at most ``budget`` words replaced by synonyms.

    Attributes:
        candidates: ``(B, T, K, E)`` embedded synonyms of every word; may need gradients.
        valid: ``(B, T, K)`` bool, which of them exist.
        budget: how many words may be replaced.
    """

    candidates: Tensor
    valid: Tensor
    budget: int

    def around(self, x: Tensor, name: str) -> Region:
        expected = f"(B, T, K, E) and (B, T, K) for sentences {tuple(x.shape)}"
        shapes = f"{tuple(self.candidates.shape)} and {tuple(self.valid.shape)}"
        batch, length, width = x.shape if x.ndim == 3 else (-1, -1, -1)
        if self.candidates.ndim != 4 or self.candidates.shape[:2] != (batch, length):
            raise InvalidInput(f"synonyms of {name} have shapes {shapes}; expected {expected}")
        if self.candidates.shape[3] != width or self.valid.shape != self.candidates.shape[:3]:
            raise InvalidInput(f"synonyms of {name} have shapes {shapes}; expected {expected}")
        if self.budget < 0:
            raise InvalidInput(f"synonyms of {name}: the budget is {self.budget}, it cannot be negative")
        offsets = self.candidates - x.unsqueeze(2)
        return SynonymRegion(x, offsets, self.valid, self.budget, tuple(x.shape[1:]))
