"""Certified training of small classifiers of sentences against word substitution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from defenses.bounds import IBP, Backward
from defenses.bounds.perturbations import Perturbation
from defenses.bounds.training import CertifiedNetwork
from scenarios.plugins.language import instructions, reviews
from scenarios.plugins.language.networks import RecurrentClassifier, TransformerClassifier
from scenarios.plugins.language.sentences import Vocabulary, batches, substitutions
from scenarios.results.both_trainings import recipe, train_both

NETWORKS = ("lstm", "transformer")
WARM_UP, RAMP, NATURAL = 0.3, 0.4, 0.2
"""A gentler recipe than for pictures: a word that may be another is as large a change at the start as at the end."""
MOST_WORDS = 2000


@dataclass(frozen=True)
class Corpus:
    """Sentences to learn from and to be judged on.

    Attributes:
        train: ``(N, T, 1 + K)`` int64, as of ``Vocabulary.encode``.
        train_labels: ``(N,)`` int64.
        test: likewise.
        test_labels: likewise.
        words: how many are known.
        classes: how many meanings.
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    words: int
    classes: int


@dataclass(frozen=True)
class LanguageRow:
    """One way of training, judged on sentences that were not learnt from.

    Attributes:
        training: ``ordinary`` or ``certified``.
        clean: share of right answers.
        attacked: share that stays right under all random substitutions tried.
        certified: share of right answers that no substitution within the budget can alter, as far as is proved.
        seconds: that the training took.
    """

    training: str
    clean: float
    attacked: float
    certified: float
    seconds: float


def orders(train: int, test: int, length: int, seed: int) -> Corpus:
    """Instructions to a driver.

    Args:
        train: sentences to learn from.
        test: sentences to be judged on.
        length: of a sentence, in words.
        seed: of what is said.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = [instructions.instructions(count, generator) for count in (train, test)]
    return _corpus(parts, instructions.SYNONYMS, length, len(instructions.INTENTS))


def phrases(folder: Path, train: int, test: int, length: int) -> Corpus:
    """Film reviews.

    Args:
        folder: where ``train.tsv`` and ``dev.tsv`` of SST-2 are.
        train: sentences of the first to learn from.
        test: sentences of the second to be judged on.
        length: of a sentence, in words.

    Raises:
        InvalidInput: a file is missing or something else.
    """
    parts = []
    for name, count in (("train", train), ("dev", test)):
        sentences, labels = reviews.read_reviews(folder / f"{name}.tsv")
        parts.append((sentences[:count], labels[:count]))
    return _corpus(parts, reviews.SYNONYMS, length, 2)


def against_substitution(
    corpus: Corpus,
    network: str,
    budget: int,
    epochs: int,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
    attacks: int = 30,
) -> list[LanguageRow]:
    """Train a classifier in both ways and certify it.

    Args:
        corpus: what is said.
        network: one of ``NETWORKS``.
        budget: how many words of a sentence may be replaced.
        epochs: of either training.
        seed: of first weights, order and attacks.
        advance: told of each of twice as many epochs.
        attacks: random substitutions tried on every sentence.
    """
    certified = recipe(substitutions(budget), epochs, WARM_UP, RAMP, NATURAL)
    learnt = batches(corpus.train, corpus.train_labels)
    rows = []
    for name, trained in train_both(certified, _builders(corpus)[network], learnt, seed, advance):
        proved = trained.certificate(corpus.test, corpus.test_labels, methods=(IBP(), Backward(IBP())))
        clean = trained.accuracy(corpus.test, corpus.test_labels)
        attacked = _attacked(trained, corpus, attacks, torch.Generator().manual_seed(seed))
        rows.append(LanguageRow(name, clean, attacked, proved.share, trained.seconds))
    return rows


def _builders(corpus: Corpus) -> dict[str, Callable[[], nn.Module]]:
    return {
        "lstm": lambda: RecurrentClassifier(corpus.words, corpus.classes),
        "transformer": lambda: TransformerClassifier(corpus.words, corpus.classes, corpus.train.shape[1]),
    }


def _attacked(trained: CertifiedNetwork, corpus: Corpus, count: int, generator: torch.Generator) -> float:
    """Share of answers that stay right under so many random substitutions."""
    with torch.no_grad():
        inputs, perturbation = trained.family(trained.network, corpus.test, 1.0)
        assert isinstance(perturbation, Perturbation)
        right = trained.network(inputs).argmax(1) == corpus.test_labels
        for member in perturbation.around(inputs, "sentences").sample(count, generator):
            right &= trained.network(member).argmax(1) == corpus.test_labels
    return float(right.double().mean())


def _corpus(
    parts: list[tuple[list[list[str]], list[int]]],
    synonyms: tuple[tuple[str, ...], ...],
    length: int,
    classes: int,
) -> Corpus:
    (train, train_labels), (test, test_labels) = parts
    vocabulary = Vocabulary.of(train, synonyms, MOST_WORDS)
    return Corpus(
        vocabulary.encode(train, length),
        torch.tensor(train_labels),
        vocabulary.encode(test, length),
        torch.tensor(test_labels),
        vocabulary.size,
        classes,
    )
