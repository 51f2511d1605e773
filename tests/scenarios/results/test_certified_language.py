"""Word substitution: sentences and their synonyms, and classifiers trained against it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from defenses.bounds import IBP
from defenses.bounds.training import CertifiedTraining
from scenarios.cli import main
from scenarios.plugins.language import instructions, reviews
from scenarios.plugins.language.networks import RecurrentClassifier
from scenarios.plugins.language.sentences import ABSENT, PAD, UNKNOWN, Vocabulary, batches, substitutions
from scenarios.results import certified_language
from scenarios.results.certified_language import NETWORKS, LanguageRow, against_substitution, orders, phrases
from simulator.errors import InvalidInput


@pytest.mark.parametrize("groups", [instructions.SYNONYMS, reviews.SYNONYMS])
def test_no_word_is_in_two_groups(groups):
    words = [word for group in groups for word in group]
    assert len(words) == len(set(words))
    assert all(len(group) > 1 for group in groups)


def test_instructions_are_the_same_for_a_seed_and_mostly_in_everyday_words(generator):
    sentences, labels = instructions.instructions(300, generator)
    again, _ = instructions.instructions(300, torch.Generator().manual_seed(0))
    assert sentences == again
    assert set(labels) == set(range(len(instructions.INTENTS)))
    everyday = {group[0] for group in instructions.SYNONYMS}
    rare = {word for group in instructions.SYNONYMS for word in group[1:]}
    counts = [sum(word in words for s in sentences for word in s) for words in (everyday, rare)]
    assert 0.05 < counts[1] / sum(counts) < 0.15


def test_encoding_cuts_pads_and_names_synonyms():
    vocabulary = Vocabulary.of([["stop", "the", "car"], ["the", "end"]], [("car", "auto", "van")], most=2)
    assert vocabulary.size == 2 + len({"the", "stop", "car", "auto", "van"})
    (encoded,) = vocabulary.encode([["the", "car", "sings"]], 4)
    car = encoded[1]
    assert encoded[:, 0].tolist() == [vocabulary.places["the"], vocabulary.places["car"], UNKNOWN, PAD]
    assert sorted(car[1:].tolist()) == sorted(vocabulary.places[word] for word in ("auto", "van"))
    assert (encoded[[0, 2, 3], 1:] == ABSENT).all()
    assert vocabulary.encode([["the", "car", "sings"]], 1).shape == (1, 1, 3)


def test_full_strength_reaches_the_synonyms_and_no_strength_none_of_them():
    corpus = orders(20, 4, 8, seed=1)
    network = RecurrentClassifier(corpus.words, corpus.classes, width=4)
    family = substitutions(2)
    for strength in (0.0, 0.5, 1.0):
        embedded, moved = family(network, corpus.test, strength)
        there = corpus.test[..., 1:] != ABSENT
        synonyms = network.embedding(corpus.test[..., 1:].clamp(min=0))
        expected = embedded.unsqueeze(2) + strength * (synonyms - embedded.unsqueeze(2))
        torch.testing.assert_close(moved.candidates[there], expected[there])
        assert there.any()


def test_certified_training_moves_the_embedding_too():
    corpus = orders(64, 8, 6, seed=2)
    start = RecurrentClassifier(corpus.words, corpus.classes, width=4)
    recipe = CertifiedTraining(substitutions(1), epochs=2, warm_up=0, ramp=1, learning_rate=1e-2)
    epochs = batches(corpus.train, corpus.train_labels)
    trained = recipe.train(start, epochs, torch.Generator().manual_seed(0))
    before, after = (network.get_submodule("embedding").weight for network in (start, trained.network))
    assert (before != after).any()
    assert trained.certificate(corpus.test, corpus.test_labels, methods=(IBP(),)).margin.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_certified_training_proves_more(network):
    corpus = orders(2000, 150, 10, seed=3)
    plain, certified = against_substitution(corpus, network, budget=2, epochs=10, seed=0)
    for row in (plain, certified):
        assert row.certified <= row.attacked <= row.clean
    assert plain.clean > 0.9
    assert certified.clean > 0.9
    assert certified.certified > plain.certified + 0.2


def test_reviews_are_read_from_a_folder(data: Path):
    folder = data / "sst2" / "data" / "SST-2"
    corpus = phrases(folder, 200, 50, length=12)
    assert corpus.train.shape[:2] == (200, 12)
    assert corpus.test_labels.unique().tolist() == [0, 1]
    assert (corpus.train[..., 1:] != ABSENT).any()


def test_reviews_that_are_something_else_are_named(tmp_path: Path):
    path = tmp_path / "train.tsv"
    with pytest.raises(InvalidInput, match=r"train\.tsv"):
        phrases(tmp_path, 1, 1, 5)
    path.write_text("sentence\tlabel\nfine film\t2\n")
    with pytest.raises(InvalidInput, match="line 2"):
        reviews.read_reviews(path)


def test_the_command_shows_both_trainings(monkeypatch, capsys):
    rows = [LanguageRow("ordinary", 0.99, 0.8, 0.1, 2.0), LanguageRow("certified", 0.98, 0.97, 0.9, 3.0)]
    asked = []
    monkeypatch.setattr(
        certified_language, "against_substitution", lambda *arguments: asked.append(arguments) or rows
    )
    command = ["certify", "language", "lstm", "--samples", "6", "--judged", "3", "--length", "5"]
    assert main([*command, "--budget", "4"]) == 0
    corpus, *rest, advance = asked[0]
    advance(1)
    assert corpus.train.shape[:2] == (6, 5)
    assert len(corpus.test) == 3
    assert rest == ["lstm", 4, 10, 0]
    assert "90.0%" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["language"][1]["certified"] == 0.9


@pytest.mark.parametrize("wrong", [["--budget", "0"], ["--sst2", "nowhere"]])
def test_wrong_arguments_are_named(capsys, wrong):
    assert main(["certify", "language", "lstm", *wrong]) == 2
    assert wrong[0] in (error := capsys.readouterr().err) or wrong[1] in error
