"""Figures in cells: rates and means with their intervals."""

from __future__ import annotations

import math

from scenarios.results.tables import Table, mean, share


def test_a_rate_has_the_exact_interval() -> None:
    # Clopper and Pearson: of 10 out of 10 the lower end is 0.025 ** (1 / 10)
    assert share([True] * 10) == f"10 of 10 [{0.025**0.1:.0%}, 100%]"
    assert share([]) == "none"


def test_a_mean_is_of_what_happened() -> None:
    assert mean([1.0, 1.0, math.inf]) == "1.000 [1.000, 1.000]"
    assert mean([math.inf]) == ""
    low, high = mean([1.0, 2.0, 3.0], 1).removeprefix("2.0 [").removesuffix("]").split(", ")
    assert 1.0 <= float(low) < 2.0 < float(high) <= 3.0


def test_a_table_is_written_as_readmes_have_it() -> None:
    assert Table(("a", "b"), (("1", "2"),), True).markdown() == "| a | b |\n| --- | --- |\n| 1 | 2 |"
