"""Classifiers of embedded sentences: a recurrent one and a transformer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Classifier(nn.Module):
    """What sentences mean.

    Args:
        words: how many there are.
        width: of an embedded word.
    """

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        # near each other at first, so that few steps bring synonyms together where training asks for it
        nn.init.normal_(self.embedding.weight, std=0.1)


class RecurrentClassifier(Classifier):
    """A long short-term memory; the mean of its outputs is classified.

    Args:
        words: how many there are.
        classes: how many meanings.
        width: of an embedded word and of the memory.
    """

    def __init__(self, words: int, classes: int, width: int = 32) -> None:
        super().__init__(words, width)
        self.memory, self.out = nn.LSTM(width, width, batch_first=True), nn.Linear(width, classes)

    def forward(self, embedded: Tensor) -> Tensor:
        """``(N, T, width)`` to ``(N, classes)``."""
        logits: Tensor = self.out(self.memory(embedded)[0].mean(1))
        return logits


class TransformerClassifier(Classifier):
    """One layer of attention and one feed-forward layer; the mean over the places is classified.

    Normalisation is without the division by the deviation, which bounds have to enclose (Shi et al. 2020).

    Args:
        words: how many there are.
        classes: how many meanings.
        length: of a sentence.
        width: of an embedded word.
        heads: of the attention.
    """

    def __init__(self, words: int, classes: int, length: int, width: int = 32, heads: int = 2) -> None:
        super().__init__(words, width)
        self.heads = heads
        self.position = nn.Parameter(0.1 * torch.randn(length, width))
        self.mix, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.out = nn.Linear(width, classes)

    def forward(self, embedded: Tensor) -> Tensor:
        """``(N, T, width)`` to ``(N, classes)``."""
        n, t, width = embedded.shape
        x = embedded + self.position
        q, k, v = (
            part.view(n, t, self.heads, -1).transpose(1, 2) for part in self.mix(x).split(width, dim=-1)
        )
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, width)
        x = _centred(x + self.join(attended))
        x = _centred(x + self.down(F.relu(self.up(x))))
        logits: Tensor = self.out(x.mean(1))
        return logits


def _centred(x: Tensor) -> Tensor:
    return x - x.mean(-1, keepdim=True)
