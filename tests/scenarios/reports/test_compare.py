"""Comparing: chance is not called a change, and a change is not called chance."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import wilcoxon

from scenarios.batches.expansion import Labels
from scenarios.commands.compare import markdown, tables
from scenarios.metrics import MetricValue
from scenarios.reports.compare import compare, discovery_limit, signed_rank_p
from scenarios.reports.data import Results, Row


def results(offsets_m: Sequence[float], attack: str = "none", verdict: str = "met") -> Results:
    rows = [
        Row(
            Labels("road", "driver", attack, "none", 0, seed),
            verdict,
            "",
            {"lateral_offset_max": MetricValue(offset, "m"), "collision": MetricValue(0.0, "1")},
            None,
        )
        for seed, offset in enumerate(offsets_m)
    ]
    gate = {"text": "gate", "verdict": verdict}
    return Results("suite", "", tuple(rows), (gate,))


def test_nothing_differs_from_itself(rng: np.random.Generator) -> None:
    same = results(rng.uniform(size=20).tolist())
    comparison = compare(same, same)
    assert tables(comparison) == []


def test_a_shift_of_all_is_beyond_noise(rng: np.random.Generator) -> None:
    before = rng.uniform(size=20)
    comparison = compare(results(before.tolist()), results((before + 0.01).tolist()))
    (difference,) = comparison.differences
    assert difference.metric == "lateral_offset_max"
    assert difference.beyond_noise
    assert difference.after - difference.before == pytest.approx(0.01)
    assert json.dumps(comparison.to_json(), allow_nan=False)


def test_chance_is_rarely_called_a_change(rng: np.random.Generator) -> None:
    called = 0
    for _ in range(100):
        before, after = rng.normal(size=(2, 15))
        called += compare(results(before.tolist()), results(after.tolist())).differences[0].beyond_noise
    assert called <= 10


def test_of_three_pairs_nothing_can_be_known() -> None:
    (difference,) = compare(results([0.1, 0.2, 0.3]), results([1.1, 1.2, 1.3])).differences
    assert difference.differing == 3
    assert not difference.beyond_noise


def test_never_is_later_than_everything() -> None:
    before, after = [math.inf] * 8, [2.0] * 7 + [math.inf]
    (difference,) = compare(results(before), results(after)).differences
    assert difference.differing == 7
    assert difference.before == math.inf


def test_what_is_only_in_one_and_other_verdicts_are_told() -> None:
    comparison = compare(results([0.1, 0.2]), results([0.1, 0.2, 0.3], verdict="not met"))
    assert comparison.only_after == ("road, driver, seed 2",)
    assert comparison.only_before == ()
    assert comparison.gates == (("gate", "met", "not met"),)
    assert len(comparison.verdicts) == 2
    shown = [markdown(columns, rows) for _, columns, rows in tables(comparison)]
    assert "| gate | met | not met |" in "\n".join(shown)


@pytest.mark.parametrize("count", [6, 10, 30])
def test_signed_ranks_agree_with_scipy(rng: np.random.Generator, count: int) -> None:
    differences = rng.normal(0.3, 1.0, count)
    expected = wilcoxon(differences, method="exact").pvalue
    assert signed_rank_p(differences, rng) == pytest.approx(expected, abs=0.01)


def test_zeros_say_nothing(rng: np.random.Generator) -> None:
    assert signed_rank_p(np.zeros(5), rng) == 1.0
    one = signed_rank_p(np.array([1.0, 2.0, 3.0]), rng)
    assert signed_rank_p(np.array([0.0, 1.0, 0.0, 2.0, 3.0]), rng) == one == 0.25


def test_discoveries_are_held_to_their_rate() -> None:
    assert discovery_limit([0.01, 0.02, 0.9], 3) == 0.02
    assert discovery_limit([0.01, 0.02, 0.9], 1000) < 0
    assert discovery_limit([], 0) < 0
