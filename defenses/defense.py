"""The contract of defenses in the closed loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from lkas.perception import Assistant


@runtime_checkable
class Defense(Protocol):
    """Makes an assistant that is harder to attack from one that is not.

    A defense is a frozen dataclass of its hyper-parameters. Defenses compose in the order in which a scenario writes
    them: the first one sees the frame first.
    """

    def protect(self, assistant: Assistant, seeds: Sequence[int]) -> Assistant:
        """The protected assistant.

        With float frames it keeps a graph from pixels to steering, which an adaptive attacker follows; where a part of
        it has no useful gradient, it says in its docstring what stands in.

        Args:
            assistant: to protect; not to be used by itself afterwards, for they share their memory.
            seeds: of all that is random in driving, one a world; world ``i`` has the ``i % len(seeds)``-th, so that
                what it sees does not depend on its company.
        """
