"""Suite: many scenarios under many conditions, and what must hold of all of them together. YAML, like a scenario.

What is varied (assistants, attacks, defenses, seeds) stands under ``matrix``, what is drawn under ``parameters``, what
is the same for all under ``overrides``. An axis that is not given stays as every scenario file has it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from scenarios.batches.worker import Limits
from scenarios.registry import Options, Slot, Strict, plugin
from scenarios.schema import Seed
from scenarios.statistics import EXTREMES

NONE = "none"
MAX_EPISODES = 100_000

Label = Annotated[str, Field(pattern=r"^[\w.+-]{1,60}$")]
FieldName = Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")]
Bound = Annotated[float, Field(ge=-1e9, le=1e9)]


def _labelled(value: Any) -> Any:
    """``[none, jpeg]`` stands for ``{none: null, jpeg: jpeg}``."""
    if not isinstance(value, list):
        return value
    axis: dict[Any, Any] = {}
    for entry in value:
        label = entry.get("type") if isinstance(entry, dict) else entry
        if not isinstance(label, str):
            raise ValueError("each entry is a name or a mapping with a 'type'; label lists as 'label: [...]'")
        if label in axis:
            raise ValueError(
                f"'{label}' is there twice; label the entries, as 'label: {{type: {label}, ...}}'"
            )
        axis[label] = None if label == NONE else entry
    return axis


def _listed(value: Any) -> Any:
    """One defense stands for a list of one, and none for an empty list."""
    if isinstance(value, dict):
        return {label: _chain(entry) for label, entry in value.items()}
    return value


def _chain(entry: Any) -> Any:
    return [] if entry is None else entry if isinstance(entry, list) else [entry]


def _counted(value: Any) -> Any:
    """``{first: 10, count: 3}`` stands for ``[10, 11, 12]``."""
    if isinstance(value, dict) and value.keys() <= {"first", "count"}:
        first, count = value.get("first", 0), value.get("count")
        if type(first) is not int or type(count) is not int or not 1 <= count <= MAX_EPISODES:
            raise ValueError(f"seeds are a list, or a 'first' and a 'count' of 1 to {MAX_EPISODES}")
        return list(range(first, first + count))
    return value


class Matrix(Strict):
    """What is combined with what; each axis a list of names, or options by a label of one's own.

    Attributes:
        assistants: who drives.
        attacks: ``none`` is a drive without.
        defenses: each one or several, applied in the order written; ``none`` is a drive without.
        seeds: a list, or a ``first`` and a ``count``.
    """

    assistants: (
        Annotated[
            dict[Label, Annotated[Options, Slot("assistants")]],
            Field(min_length=1),
            BeforeValidator(_labelled),
        ]
        | None
    ) = None
    attacks: (
        Annotated[
            dict[Label, Annotated[Options, Slot("attacks")] | None],
            Field(min_length=1),
            BeforeValidator(_labelled),
        ]
        | None
    ) = None
    defenses: (
        Annotated[
            dict[
                Label,
                Annotated[
                    tuple[Annotated[Options, Slot("defenses")], ...], Field(strict=False, max_length=20)
                ],
            ],
            Field(min_length=1),
            BeforeValidator(_listed),
            BeforeValidator(_labelled),
        ]
        | None
    ) = None
    seeds: (
        Annotated[tuple[Seed, ...], Field(strict=False, min_length=1), BeforeValidator(_counted)] | None
    ) = None


def _varying(value: Any) -> Any:
    """One that is written down combines something."""
    if value == {}:
        raise ValueError(f"it is empty; give one of {', '.join(Matrix.model_fields)}, or leave it out")
    return value


class Uniform(Strict):
    """Equally likely between two ends."""

    distribution: Literal["uniform"]
    low: Bound
    high: Bound

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self


class Normal(Strict):
    """Gaussian, cut off at ``min`` and ``max``."""

    distribution: Literal["normal"]
    mean: Bound
    standard_deviation: Annotated[float, Field(gt=0.0, le=1e9)]
    min: Bound | None = None
    max: Bound | None = None

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        low = float("-inf") if self.min is None else self.min
        high = float("inf") if self.max is None else self.max
        if (
            low >= high
            or not low - 3 * self.standard_deviation < self.mean < high + 3 * self.standard_deviation
        ):
            raise ValueError(f"mean {self.mean:g} lies too far from what min and max leave")
        return self


class Choice(Strict):
    """One of some values, all equally likely."""

    distribution: Literal["choice"]
    of: Annotated[tuple[Any, ...], Field(strict=False, min_length=1, max_length=1000)]


Distribution = Annotated[Uniform | Normal | Choice, Field(discriminator="distribution")]


class Parameters(Strict):
    """Fields of the scenario that are drawn at random. Every combination of the matrix gets the same draws.

    Attributes:
        seed: of the draws.
        count: how many samples; each draws every field once.
        fields: a distribution by field (``ego.speed_mps``).
    """

    seed: Seed = 0
    count: Annotated[int, Field(ge=1, le=MAX_EPISODES)]
    fields: Annotated[dict[FieldName, Distribution], Field(min_length=1)]


class Where(Strict):
    """Which episodes: each a name or a pattern (``benign/*``); one that is not given means all."""

    scenario: str = "*"
    assistant: str = "*"
    attack: str = "*"
    defense: str = "*"


class Gate(Strict):
    """A bound on a figure of many episodes. One that is not met fails the batch (exit code 1).

    Attributes:
        metric: of each episode.
        statistic: what becomes of them: ``rate`` is the share of episodes in which the metric is not 0, or is above or
            below a value.
        above: see ``rate``. below: see ``rate``.
        where: of which episodes; at least one must be meant.
        confidence: if given, not the figure itself is judged but the end of its two-sided interval that is nearer to
            failing: the upper end against ``max``, the lower against ``min``.
    """

    metric: str
    statistic: Literal["rate", "mean", "median", "p95", "p99", "min", "max"]
    above: Bound | None = None
    below: Bound | None = None
    where: Where = Where()
    confidence: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    max: Bound | None = None
    min: Bound | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        plugin("metrics", self.metric)
        if self.max is None and self.min is None:
            raise ValueError("a gate needs a 'max' or a 'min'")
        if self.max is not None and self.min is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}: no figure could meet this")
        if self.statistic != "rate" and (self.above is not None or self.below is not None):
            raise ValueError("'above' and 'below' say what a rate counts; the statistic is another")
        if self.above is not None and self.below is not None:
            raise ValueError("a rate counts what is above a value or what is below one, not both")
        if self.confidence is not None and self.statistic in EXTREMES:
            raise ValueError(f"there is no confidence interval of a {self.statistic}; leave 'confidence' out")
        return self

    def __str__(self) -> str:
        counted = f" > {self.above:g}" if self.above is not None else ""
        counted = f" < {self.below:g}" if self.below is not None else counted
        of = ", ".join(f"{name} {value}" for name, value in self.where.model_dump().items() if value != "*")
        bounds = [f">= {self.min:g}"] if self.min is not None else []
        bounds += [f"<= {self.max:g}"] if self.max is not None else []
        sure = f" ({self.confidence:.0%} confidence)" if self.confidence is not None else ""
        return f"{self.statistic} of {self.metric}{counted} [{of or 'all'}] {' and '.join(bounds)}{sure}"


class Suite(Strict):
    """Scenarios, what they are combined with, and what must hold of the results.

    Attributes:
        scenarios: files (beside the suite), packaged scenarios, or groups of them.
        overrides: values that take the place of what the scenario files say, by field (``ego.speed_mps: 20``).
    """

    schema_version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[\w.-]{1,100}$")]
    description: Annotated[str, Field(max_length=2000)] = ""
    scenarios: Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=10_000)]
    overrides: dict[FieldName, Any] = Field(default_factory=dict)
    matrix: Annotated[Matrix, BeforeValidator(_varying)] = Matrix()
    parameters: Parameters | None = None
    gates: Annotated[tuple[Gate, ...], Field(strict=False, max_length=1000)] = ()
    limits: Limits = Limits()
