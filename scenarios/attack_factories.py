"""How the built-in attacks are made from what a scenario says. Imported when one is first used."""

from __future__ import annotations

from pathlib import Path

from attacks.dirty_road_patch import DirtyRoadPatch
from attacks.perturbation import RoadPatch
from attacks.random_dirt import RandomDirt
from attacks.saved_patch import SavedPatch
from attacks.threat import BUDGETS, RoadPatchThreat
from scenarios.builtin_attacks import (
    DirtyRoadOptions,
    RandomDirtOptions,
    RoadPatchOptions,
    SavedPatchOptions,
)

BUDGET_FIELDS = ("darker", "brighter", "ceiling", "area_share")


def threat_of(options: RoadPatchOptions) -> RoadPatchThreat:
    """What the options allow."""
    names = ("length_m", "width_m", "cell_m", "ahead_m", "lateral_m", "keep_marks", "shades", "blur_m")
    given = {name: getattr(options, name) for name in (*names, "road_brightness")}
    budget = BUDGETS.get(options.budget) or {name: getattr(options, name) for name in BUDGET_FIELDS}
    return RoadPatchThreat(**given, **budget)


def random_dirt(options: RandomDirtOptions) -> tuple[RandomDirt, RoadPatchThreat]:
    """The control beside every attack."""
    return RandomDirt(rms_brightness=options.rms_brightness), threat_of(options)


def dirty_road(options: DirtyRoadOptions) -> tuple[DirtyRoadPatch, RoadPatchThreat]:
    """The dirty road patch."""
    names = DirtyRoadPatch.__dataclass_fields__.keys() & DirtyRoadOptions.model_fields.keys()
    return DirtyRoadPatch(**{name: getattr(options, name) for name in names}), threat_of(options)


def saved_patch(options: SavedPatchOptions) -> tuple[SavedPatch, RoadPatchThreat]:
    """A patch from a folder."""
    patch = RoadPatch.load(Path(options.path))
    lateral_m = patch.d_m + options.across_m
    threat = RoadPatchThreat(
        length_m=patch.length_m, width_m=patch.width_m, ahead_m=options.ahead_m, lateral_m=lateral_m
    )
    return SavedPatch(patch, patch.s_m + options.along_m, lateral_m), threat
