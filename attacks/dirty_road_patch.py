"""The dirty road patch: a texture on the road that makes a lane-keeping assistant steer off it (Sato et al. 2021).

The attacker drives the victim's closed loop in rehearsal, follows the gradient from what the victim does in every
frame back to the cells of the patch, and repeats. See ``attacks.coupling`` for how the frames hang together and
``attacks.objectives`` for what is wanted of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from attacks.coupling import Coupling, Rollout, roll
from attacks.objectives import OBJECTIVES, SIGN, Direction, Goal
from attacks.perturbation import AttackResult
from attacks.rehearsal import Spread, Warm
from attacks.target import RoadTarget
from attacks.threat import RoadPatchThreat
from simulator.world import InvalidInput


@dataclass(frozen=True)
class DirtyRoadPatch:
    """Optimises a patch across consecutive frames, in closed loop.

    Attributes:
        direction: where the car shall go.
        coupling: which gradients are followed; ``staged`` is ``fixed_point`` on a few frames first and ever more,
            because what the first frames do decides where the others are seen from.
        objective: a name of ``attacks.objectives.OBJECTIVES``.
        iterations: of the optimiser, at most.
        frames: how many frames from time zero count.
        first_frames: of ``staged``: how many count at the start.
        restarts: initial patches that are tried for a fifth of the iterations each; the best one is gone on with.
        learning_rate: of Adam, as a share of what a cell may change.
        visibility_weight: weight of the mean square of the patch, relative to its bounds.
        truncation_frames: of ``unrolled``.
        variations: how many drives that differ by ``spread`` take turns with the nominal one.
        spread: by how much.
        done_at: mean loss over the drives at which the search ends early (``steering`` is the one objective with a
            least value, zero). At 0.4 a car leaves its lane within a frame or two of the time that bang-bang steering
            takes.
    """

    direction: Direction = "left"
    coupling: Coupling | Literal["staged"] = "staged"
    objective: str = "steering"
    iterations: int = 60
    frames: int = 20
    first_frames: int = 8
    restarts: int = 1
    learning_rate: float = 0.1
    visibility_weight: float = 0.0
    truncation_frames: int = 10
    variations: int = 3
    spread: Spread = field(default_factory=lambda: Spread(0.05, 0.002, 0.05, 0.15, 0.15, 0.05))
    done_at: float = 0.4

    def __post_init__(self) -> None:
        if self.objective == "deviation" and self.coupling != "unrolled":
            others = ", ".join(sorted(set(OBJECTIVES) - {"deviation"}))
            raise InvalidInput(
                f"attack.objective: 'deviation' has no gradient where poses are held fixed (coupling: "
                f"{self.coupling}); choose coupling: unrolled, or one of {others}"
            )

    def run(self, target: RoadTarget, threat: RoadPatchThreat, generator: torch.Generator) -> AttackResult:
        """Optimise a patch.

        Args:
            target: the victim on its way to the place.
            threat: size of the patch, and how far brightness may change.
            generator: source of randomness.

        Raises:
            InvalidInput: the patch does not fit the road, nothing may change, or there is no victim.
        """
        threat.check(target)
        search = Search.begin(self, target, threat, generator)
        attempts = [search.attempt() for _ in range(self.restarts)]
        probe = 0 if self.restarts == 1 else max(1, self.iterations // 5)
        for attempt in attempts:
            search.improve(attempt, 0, probe)
        chosen = min(attempts, key=lambda attempt: attempt.best_score)
        search.improve(chosen, probe, self.iterations)
        return AttackResult(threat.patch(target, chosen.best), chosen.history)


@dataclass
class Attempt:
    """A patch on its way.

    Attributes:
        wish: ``(rows, columns)`` what is optimised; what of it can be printed is laid.
        optimiser: of the wish.
        best: the best patch that was laid.
        best_score: its mean loss over the drives.
        losses: last loss of every drive, at the number of frames that count now.
        history: one value an iteration.
    """

    wish: Tensor
    optimiser: torch.optim.Adam
    best: Tensor
    best_score: float
    losses: dict[int, float]
    history: dict[str, list[float]]


@dataclass(frozen=True)
class Search:
    """What stays the same over the iterations.

    Attributes:
        attack: the hyper-parameters.
        target: the victim.
        threat: what is allowed.
        bounds: of every cell.
        drives: at time zero: the nominal one, then the variations.
        benign_m: ``(T, N)`` offset from the lane of each drive on the clean road.
        generator: source of randomness.
    """

    attack: DirtyRoadPatch
    target: RoadTarget
    threat: RoadPatchThreat
    bounds: tuple[Tensor, Tensor]
    drives: list[Warm]
    benign_m: list[Tensor]
    generator: torch.Generator

    @classmethod
    def begin(
        cls, attack: DirtyRoadPatch, target: RoadTarget, threat: RoadPatchThreat, generator: torch.Generator
    ) -> Search:
        """Warm the drives up, and drive each on over the clean road."""
        rehearsal = target.require_rehearsal()
        drives = [rehearsal.warm(0)]
        for _ in range(attack.variations):
            seed = int(torch.randint(1, 10_000, (1,), generator=generator))
            drives.append(rehearsal.warm(seed, attack.spread.draw(rehearsal.world.size, generator)))
        with torch.no_grad():
            benign = [roll(rehearsal, drive, (), attack.frames).offset_m for drive in drives]
        return cls(attack, target, threat, threat.bounds(target), drives, benign, generator)

    def attempt(self) -> Attempt:
        """A random patch, at a quarter of what is allowed on the mean."""
        low, high = self.bounds
        share = torch.rand(low.shape, generator=self.generator)
        wish = (0.5 * (low + share * (high - low))).requires_grad_()
        # the range of a cell is the unit of its steps
        optimiser = torch.optim.Adam([wish], lr=self.attack.learning_rate * float((high - low).max()))
        history: dict[str, list[float]] = {"loss": [], "deviation_m": [], "frames": []}
        return Attempt(
            wish, optimiser, self.threat.printed(wish.detach(), self.bounds), math.inf, {}, history
        )

    def frames_at(self, iteration: int) -> int:
        """How many frames count: all, or when staged, more from iteration to iteration for the first 40 percent."""
        attack = self.attack
        if attack.coupling != "staged":
            return attack.frames
        share = min(1.0, iteration / max(1.0, 0.4 * attack.iterations))
        first = min(attack.first_frames, attack.frames)
        return round(first + share * (attack.frames - first))

    def improve(self, attempt: Attempt, first: int, last: int) -> None:
        """Iterations ``first`` to ``last``, or fewer where every drive asks for all the steering there is."""
        low, high = self.bounds
        for iteration in range(first, last):
            index, frames = iteration % len(self.drives), self.frames_at(iteration)
            if attempt.history["frames"] and attempt.history["frames"][-1] != frames:
                attempt.losses.clear()
                attempt.best_score = math.inf
            cells = self.threat.printed(attempt.wish, self.bounds)
            rollout, loss = self.drive(index, cells, frames)
            attempt.optimiser.zero_grad()
            if loss.requires_grad:
                loss.backward()
            self.note(attempt, index, cells.detach(), rollout, float(loss.detach()))
            self.target.progress(1)
            if (
                self.attack.objective == "steering"
                and frames == self.attack.frames
                and attempt.best_score < self.attack.done_at
            ):
                self.target.progress(last - iteration - 1)
                break
            if not loss.requires_grad:
                # a victim that sees no line any more is led nowhere: fade the patch until it does
                with torch.no_grad():
                    attempt.wish.mul_(0.5)
                continue
            attempt.optimiser.step()
            with torch.no_grad():
                attempt.wish.copy_(torch.maximum(torch.minimum(attempt.wish, high), low))

    def drive(self, index: int, cells: Tensor, frames: int) -> tuple[Rollout, Tensor]:
        """One of the drives over a patch, and its loss."""
        attack, warm = self.attack, self.drives[index]
        rehearsal = self.target.require_rehearsal()
        place = self.target.start_m + warm.along_m, self.threat.lateral_m + warm.across_m
        layer = self.threat.layer(cells, *place)
        coupling: Coupling = "unrolled" if attack.coupling == "unrolled" else "fixed_point"
        rollout = roll(rehearsal, warm, [layer], frames, coupling, attack.truncation_frames)
        loss = OBJECTIVES[attack.objective](rollout, Goal.of(attack.direction, rehearsal, warm))
        if attack.visibility_weight > 0:
            loss = loss + attack.visibility_weight * cells.square().mean()
        return rollout, loss

    def note(self, attempt: Attempt, index: int, cells: Tensor, rollout: Rollout, loss: float) -> None:
        """Keep the figures of an iteration, and the patch if it is the best so far."""
        frames = len(rollout.offset_m)
        moved = SIGN[self.attack.direction] * (rollout.offset_m[-1] - self.benign_m[index][frames - 1])
        for name, value in (
            ("loss", loss),
            ("deviation_m", float(moved.detach().mean())),
            ("frames", frames),
        ):
            attempt.history[name].append(value)
        attempt.losses[index] = loss
        score = sum(attempt.losses.values()) / len(attempt.losses)
        if len(attempt.losses) == len(self.drives) and score < attempt.best_score:
            attempt.best, attempt.best_score = cells, score
