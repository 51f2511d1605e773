"""How the built-in attacks are made from what a scenario says. Imported when one is first used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from attacks.black_box import BlackBoxPatch
from attacks.dirty_road_patch import DirtyRoadPatch
from attacks.drawn_line import DrawnLine
from attacks.perturbation import RoadPatch
from attacks.random_dirt import RandomDirt
from attacks.saved_patch import SavedPatch
from attacks.single_frame import SingleFrame
from attacks.threat import BUDGETS, RoadPatchThreat
from scenarios.plugins.attacks import (
    BUDGET_FIELDS,
    BlackBoxOptions,
    DirtyRoadOptions,
    DrawnLineOptions,
    RandomDirtOptions,
    RoadPatchOptions,
    SavedPatchOptions,
    SingleFrameOptions,
)


def threat_of(options: RoadPatchOptions) -> RoadPatchThreat:
    """What the options allow."""
    names = ("length_m", "width_m", "cell_m", "ahead_m", "lateral_m", "keep_marks", "shades", "blur_m")
    given: dict[str, Any] = {name: getattr(options, name) for name in (*names, "road_brightness")}
    budget = BUDGETS.get(options.budget) or {name: getattr(options, name) for name in BUDGET_FIELDS}
    return RoadPatchThreat(**given | dict(budget))


def random_dirt(options: RandomDirtOptions) -> tuple[RandomDirt, RoadPatchThreat]:
    """The control beside every attack."""
    return RandomDirt(rms_brightness=options.rms_brightness), threat_of(options)


def dirty_road(options: DirtyRoadOptions) -> tuple[DirtyRoadPatch, RoadPatchThreat]:
    """The dirty road patch."""
    return DirtyRoadPatch(**_shared(DirtyRoadPatch, options)), threat_of(options)


def drawn_line(options: DrawnLineOptions) -> tuple[DrawnLine, RoadPatchThreat]:
    """The baseline that draws one line."""
    return DrawnLine(**_shared(DrawnLine, options)), threat_of(options)


def single_frame(options: SingleFrameOptions) -> tuple[SingleFrame, RoadPatchThreat]:
    """The baseline that looks at one frame."""
    return SingleFrame(**_shared(SingleFrame, options)), threat_of(options)


def black_box(options: BlackBoxOptions) -> tuple[BlackBoxPatch, RoadPatchThreat]:
    """The attack without gradients."""
    return BlackBoxPatch(**_shared(BlackBoxPatch, options)), threat_of(options)


def _shared(attack: Any, options: RoadPatchOptions) -> dict[str, Any]:
    """What the options say about the attack itself, by the names of its fields."""
    names = sorted(attack.__dataclass_fields__.keys() & type(options).model_fields.keys())
    return {name: getattr(options, name) for name in names}


def saved_patch(options: SavedPatchOptions) -> tuple[SavedPatch, RoadPatchThreat]:
    """A patch from a folder."""
    patch = RoadPatch.load(Path(options.path))
    lateral_m = patch.d_m + options.across_m
    threat = RoadPatchThreat(
        length_m=patch.length_m, width_m=patch.width_m, ahead_m=options.ahead_m, lateral_m=lateral_m
    )
    worn = replace(patch, cells=(1.0 - options.wear) * patch.cells)
    return SavedPatch(worn, patch.s_m + options.along_m, lateral_m), threat
