"""Sentences as numbers: every word with its synonyms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from defenses.bounds.perturbations import Perturbations
from defenses.bounds.synonyms import Synonyms
from defenses.bounds.training import Batches, Family

PAD, UNKNOWN = 0, 1
ABSENT = -1
"""In place of a synonym that there is not."""
BATCH = 64


@dataclass(frozen=True)
class Vocabulary:
    """The words that are known.

    Attributes:
        places: number of every word, from 2 on.
        synonyms: numbers of every word's synonyms.
    """

    places: dict[str, int]
    synonyms: dict[int, tuple[int, ...]]

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]], groups: Iterable[Sequence[str]], most: int) -> Vocabulary:
        """The most frequent words, and all that have synonyms.

        Args:
            sentences: words of each.
            groups: words that may stand for each other; no word is in two of them.
            most: how many words are known, those with synonyms not counted.
        """
        groups = [tuple(group) for group in groups]
        counts = Counter(word for sentence in sentences for word in sentence)
        known = dict.fromkeys([word for word, _ in counts.most_common(most)])
        known |= dict.fromkeys(word for group in groups for word in group)
        places = {word: place for place, word in enumerate(known, start=2)}
        synonyms = {
            places[word]: tuple(places[other] for other in group if other != word)
            for group in groups
            for word in group
        }
        return cls(places, synonyms)

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return len(self.places) + 2

    def encode(self, sentences: Sequence[Sequence[str]], length: int) -> Tensor:
        """Words and synonyms by number.

        Args:
            sentences: words of each.
            length: to cut and to pad to.

        Returns:
            ``(N, length, 1 + K)`` int64: the word, then its synonyms, ``ABSENT`` behind the last.
        """
        most = max((len(others) for others in self.synonyms.values()), default=0)
        rows = []
        for sentence in sentences:
            words = [self.places.get(word, UNKNOWN) for word in sentence[:length]]
            words += [PAD] * (length - len(words))
            others = [self.synonyms.get(word, ()) for word in words]
            rows.append(
                [[word, *o, *[ABSENT] * (most - len(o))] for word, o in zip(words, others, strict=True)]
            )
        return torch.tensor(rows)


def batches(data: Tensor, labels: Tensor) -> Batches:
    """Epochs in random order."""

    def epoch(generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for part in torch.randperm(len(data), generator=generator).split(BATCH):
            yield data[part], labels[part]

    return epoch


def substitutions(budget: int) -> Family:
    """At most so many words replaced by synonyms; at less than full strength, moved some way towards them.

    Args:
        budget: in every sentence.

    Returns:
        For networks with an ``embedding`` that are given embedded sentences.
    """

    def family(network: nn.Module, data: Tensor, strength: float) -> tuple[Tensor, Perturbations]:
        embedding = network.get_submodule("embedding")
        words, others = data[..., 0], data[..., 1:]
        embedded = embedding(words)
        there = others != ABSENT
        candidates = embedding(torch.where(there, others, words.unsqueeze(-1)))
        moved = torch.lerp(embedded.unsqueeze(2).expand_as(candidates), candidates, strength)
        return embedded, Synonyms(moved, there, budget)

    return family
