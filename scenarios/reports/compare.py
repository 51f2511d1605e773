"""Compare: what differs between two batches by more than chance, pair by pair.

The same episode (scenario, assistant, attack, defense, sample, seed) in both is a pair. For every assistant, attack and
defense, and every metric, the pairs' differences are tested by Wilcoxon's signed ranks (Biometrics Bulletin 1, 1945):
exactly for few pairs, by random signs for many. Of the many tests, the false discovery rate is held (Benjamini and
Hochberg, J. R. Stat. Soc. B 57, 1995). Ranks take *never* for what it is: later than everything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from scenarios.batches.gates import finite
from scenarios.reports.data import Results, Row

FALSE_DISCOVERY_RATE = 0.05
EXACT_PAIRS = 12
RANDOM_SIGNS = 20_000


@dataclass(frozen=True)
class Difference:
    """A metric of some pairs that are not all equal.

    Attributes:
        group: assistant, attack and defense.
        metric: its name.
        before: mean of the first batch; ``inf`` where it never happened in some.
        after: of the second.
        pairs: how many.
        differing: how many of them differ at all.
        p: probability of signs as one-sided as these, or more, if nothing had changed.
        beyond_noise: whether that is too little to be chance, all tests considered.
    """

    group: tuple[str, str, str]
    metric: str
    before: float
    after: float
    pairs: int
    differing: int
    p: float
    beyond_noise: bool = False

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        assistant, attack, defense = self.group
        return {
            "assistant": assistant,
            "attack": attack,
            "defense": defense,
            **{name: value for name, value in vars(self).items() if name != "group"},
            "before": finite(self.before),
            "after": finite(self.after),
        }


@dataclass(frozen=True)
class Comparison:
    """What differs.

    Attributes:
        differences: those beyond noise first, then by p.
        verdicts: episodes whose verdict is another: labels, before, after.
        gates: gates of the same text whose verdict is another.
        only_before: episodes that the second has not.
        only_after: those that the first has not.
    """

    differences: tuple[Difference, ...]
    verdicts: tuple[tuple[str, str, str], ...]
    gates: tuple[tuple[str, str, str], ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {**vars(self), "differences": [one.to_json() for one in self.differences]}


def compare(before: Results, after: Results) -> Comparison:
    """What differs between two sets of results."""
    first = {row.labels: row for row in before.rows}
    second = {row.labels: row for row in after.rows}
    both = [labels for labels in first if labels in second]
    groups: dict[tuple[str, str, str], list[tuple[Row, Row]]] = {}
    for labels in both:
        pair = first[labels], second[labels]
        groups.setdefault((labels.assistant, labels.attack, labels.defense), []).append(pair)
    tests = [(group, metric) for group, pairs in groups.items() for metric in _metrics(pairs)]
    compared = (_difference(group, metric, groups[group]) for group, metric in tests)
    found = [difference for difference in compared if difference is not None]
    limit = discovery_limit([difference.p for difference in found], len(tests))
    judged = [replace(one, beyond_noise=one.p <= limit) for one in found]
    return Comparison(
        tuple(sorted(judged, key=lambda one: (not one.beyond_noise, one.p))),
        tuple(
            (str(labels), first[labels].verdict, second[labels].verdict)
            for labels in both
            if first[labels].verdict != second[labels].verdict
        ),
        _gates(before, after),
        tuple(str(labels) for labels in first if labels not in second),
        tuple(str(labels) for labels in second if labels not in first),
    )


def signed_rank_p(differences: NDArray[np.float64], generator: np.random.Generator) -> float:
    """Two-sided p of Wilcoxon's signed ranks under random signs; zeros say nothing and are dropped.

    Args:
        differences: ``(N,)``, may be infinite.
        generator: draws signs where there are too many to try all.
    """
    nonzero = differences[differences != 0]
    if not nonzero.size:
        return 1.0
    ranks = rankdata(np.abs(nonzero))
    seen = abs(float(np.sum(np.sign(nonzero) * ranks)))
    count = nonzero.size
    if count <= EXACT_PAIRS:
        bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        return float(np.mean(np.abs((2 * bits - 1) @ ranks) >= seen - 1e-9))
    signs = generator.choice((-1.0, 1.0), size=(RANDOM_SIGNS, count))
    as_extreme = int(np.sum(np.abs(signs @ ranks) >= seen - 1e-9))
    return (as_extreme + 1) / (RANDOM_SIGNS + 1)


def discovery_limit(p_values: Sequence[float], tests: int) -> float:
    """The largest p that still counts, by Benjamini and Hochberg; below all if none does.

    Args:
        p_values: of the tests that found any difference.
        tests: all that were made.
    """
    ordered = sorted(p_values)
    passing = [p for rank, p in enumerate(ordered, 1) if p <= FALSE_DISCOVERY_RATE * rank / tests]
    return passing[-1] if passing else -1.0


def _difference(
    group: tuple[str, str, str], metric: str, pairs: Sequence[tuple[Row, Row]]
) -> Difference | None:
    """Of a metric, over the pairs in which both have it; None where all of them are equal."""
    figures = [
        (one, other)
        for before, after in pairs
        if (one := before.figure(metric)) is not None and (other := after.figure(metric)) is not None
    ]
    if not figures:
        return None
    old, new = np.array(figures, np.float64).T
    with np.errstate(invalid="ignore"):
        change = np.where(old == new, 0.0, new - old)  # never and never are equal
    differing = int(np.count_nonzero(change))
    if not differing:
        return None
    p = signed_rank_p(change, np.random.default_rng(0))
    return Difference(group, metric, _mean(old), _mean(new), len(figures), differing, p)


def _metrics(pairs: Sequence[tuple[Row, Row]]) -> list[str]:
    """Those that are known before and after."""
    known = {metric for _, after in pairs for metric in after.metrics}
    return list(dict.fromkeys(metric for before, _ in pairs for metric in before.metrics if metric in known))


def _mean(values: NDArray[np.float64]) -> float:
    return math.inf if np.isinf(values).any() else float(np.mean(values))


def _gates(before: Results, after: Results) -> tuple[tuple[str, str, str], ...]:
    old = {gate["text"]: gate["verdict"] for gate in before.gates}
    return tuple(
        (gate["text"], old[gate["text"]], gate["verdict"])
        for gate in after.gates
        if old.get(gate["text"], gate["verdict"]) != gate["verdict"]
    )
