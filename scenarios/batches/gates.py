"""Gates: is a bound on a figure of many episodes met, with what certainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenarios.batches.suite import Gate
from scenarios.metrics import MetricValue
from scenarios.statistics import Interval, bootstrap, clopper_pearson

SHOWN_CONFIDENCE = 0.95
"""Of the interval around a figure whose gate names no confidence."""


@dataclass(frozen=True)
class GateResult:
    """What became of a gate.

    Attributes:
        gate: which.
        interval: the figure and what is known about it; None where it cannot be computed.
        verdict: ``met``, ``not met``, ``undecided`` (an episode has no result) or ``left out`` (one was not to be run).
        reason: why it is undecided or cannot be computed.
    """

    gate: Gate
    interval: Interval | None
    verdict: str
    reason: str = ""

    def __str__(self) -> str:
        shown = self.reason if self.interval is None else f"{self.interval} of {self.interval.count}"
        return f"{self.gate}: {shown}: {self.verdict}"

    def to_json(self) -> dict[str, Any]:
        """As in ``results.json``."""
        interval = None
        if self.interval is not None:
            ends = {name: finite(getattr(self.interval, name)) for name in ("value", "low", "high")}
            interval = {**ends, "count": self.interval.count}
        return {
            "gate": self.gate.model_dump(mode="json", exclude_none=True),
            "text": str(self.gate),
            "interval": interval,
            "verdict": self.verdict,
            "reason": self.reason,
        }


def finite(value: float) -> float | None:
    """JSON has no infinity: ``null`` stands for *never*, as in ``metrics.json``."""
    return value if math.isfinite(value) else None


def judge(gate: Gate, values: Sequence[MetricValue | None], left_out: int = 0) -> GateResult:
    """Judge a gate.

    Args:
        gate: which.
        values: its metric of every episode that it means, None where an episode has no result.
        left_out: how many of its episodes were not to be run.
    """
    if left_out:
        return GateResult(gate, None, "left out", f"{left_out} of its episodes were left out")
    missing = sum(value is None for value in values)
    if missing:
        return GateResult(gate, None, "undecided", f"{missing} of its {len(values)} episodes have no result")
    invalid = sum(value is not None and not value.valid for value in values)
    if invalid:
        return GateResult(
            gate, None, "not met", f"{gate.metric} is invalid in {invalid} of {len(values)} episodes"
        )
    figures = [value.value for value in values if value is not None]
    interval = summarise(gate, figures)
    low, high = (interval.value, interval.value) if gate.confidence is None else (interval.low, interval.high)
    met = (gate.max is None or high <= gate.max) and (gate.min is None or low >= gate.min)
    return GateResult(gate, interval, "met" if met else "not met")


def summarise(gate: Gate, figures: Sequence[float]) -> Interval:
    """The figure that a gate bounds, with its interval; the resamples of a bootstrap are always the same."""
    confidence = SHOWN_CONFIDENCE if gate.confidence is None else gate.confidence
    if gate.statistic != "rate":
        return bootstrap(figures, gate.statistic, np.random.default_rng(0), confidence)
    if gate.above is not None:
        counted = sum(figure > gate.above for figure in figures)
    elif gate.below is not None:
        counted = sum(figure < gate.below for figure in figures)
    else:
        counted = sum(figure != 0 for figure in figures)
    return clopper_pearson(counted, len(figures), confidence)
