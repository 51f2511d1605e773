"""Gates: the right end of the right interval against the right bound."""

from __future__ import annotations

import math
from typing import Any

import pytest

from scenarios.batches.gates import judge
from scenarios.batches.suite import Gate
from scenarios.metrics import MetricValue


def gate(**fields: Any) -> Gate:
    return Gate(**{"metric": "lane_departure", "statistic": "rate", "max": 0.2, **fields})


def values(*figures: float) -> list[MetricValue | None]:
    return [MetricValue(figure, "1") for figure in figures]


@pytest.mark.parametrize(
    ("fields", "figures", "verdict"),
    [
        ({}, [0.0] * 10, "met"),
        ({}, [0.0] * 8 + [1.0] * 2, "met"),
        ({}, [0.0] * 7 + [1.0] * 3, "not met"),
        ({"confidence": 0.95}, [0.0] * 10, "not met"),  # up to 31 % are possible
        ({"confidence": 0.95}, [0.0] * 20, "met"),  # up to 17 %
        ({"max": None, "min": 0.8, "confidence": 0.95}, [1.0] * 10, "not met"),  # down to 69 %
        ({"max": None, "min": 0.8, "confidence": 0.95}, [1.0] * 20, "met"),
        ({"statistic": "max", "max": 0.25}, [0.1, 0.25], "met"),
        ({"statistic": "max", "max": 0.25}, [0.1, 0.26], "not met"),
        ({"statistic": "mean", "max": 0.5}, [0.0, 1.0], "met"),
        ({"statistic": "mean", "max": 0.5, "confidence": 0.95}, [0.0, 1.0], "not met"),
        ({"below": 2.5, "max": 0.0}, [math.inf, 3.0], "met"),
        ({"below": 2.5, "max": 0.0}, [math.inf, 2.0], "not met"),
        ({"above": 0.3, "max": 0.5}, [0.2, 0.4], "met"),
        ({"statistic": "median", "max": None, "min": 5.0}, [math.inf] * 3, "met"),
    ],
)
def test_verdicts(fields: dict[str, Any], figures: list[float], verdict: str) -> None:
    result = judge(gate(**fields), values(*figures))
    assert result.verdict == verdict
    assert result.interval is not None
    assert result.interval.count == len(figures)


def test_what_is_not_known_is_not_decided() -> None:
    result = judge(gate(), [*values(0.0), None])
    assert result.verdict == "undecided"
    assert "1 of its 2 episodes" in result.reason
    assert judge(gate(), values(0.0), left_out=3).verdict == "left out"


def test_an_invalid_figure_meets_nothing() -> None:
    result = judge(gate(), [*values(0.0), MetricValue.invalid("1")])
    assert result.verdict == "not met"
    assert result.interval is None


def test_a_gate_says_what_it_means() -> None:
    shown = str(gate(confidence=0.95, where={"attack": "dirty_road", "defense": "jpeg"}))
    assert shown == "rate of lane_departure [attack dirty_road, defense jpeg] <= 0.2 (95% confidence)"


def test_json_has_no_infinity() -> None:
    entry = judge(gate(statistic="median"), values(math.inf)).to_json()
    assert entry["interval"] == {"value": None, "low": None, "high": None, "count": 1}
    assert entry["verdict"] == "not met"
