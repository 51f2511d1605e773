"""The built-in attacks on the road: names, options, and where the code is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from scenarios.registry import Options, Plugin, Slot
from scenarios.store import content_hash, file_hash
from simulator.world import InvalidInput

BUDGET_FIELDS = ("darker", "brighter", "ceiling", "area_share")
"""What a budget says."""


class PatchOptions(Options):
    """When and where a car meets anything that an attack puts on the road.

    Attributes:
        warm_up_s: how long the car drives before time zero.
        ahead_m: from the camera's foot at time zero to the near edge of the patch.
        appears: whether the road is clean until time zero, as in the published evaluation, or the patch lies there from
            the start and is approached.
    """

    warm_up_s: Annotated[float, Field(ge=0.0, le=60.0)] = 1.0
    ahead_m: Annotated[float, Field(ge=0.0, le=500.0)] = 7.0
    appears: Literal["at_time_zero", "from_start"] = "at_time_zero"


class RoadPatchOptions(PatchOptions):
    """Size, place and budget of a patch that is yet to be made.

    Attributes:
        length_m: of the patch, along the road.
        width_m: across.
        cell_m: size of its cells, at most.
        lateral_m: of its middle from the lane's centre, positive left.
        budget: a named one, see `attacks.threat.BUDGETS`; or ``custom``, given by the next four.
        darker: how far it may be darker than the road.
        brighter: how far it may be brighter.
        ceiling: the brightest that a cell may become.
        area_share: share of the cells that may be changed.
        keep_marks: whether lane marks stay visible.
        shades: steps of brightness that the printer has.
        blur_m: softness of the print.
        road_brightness: of the asphalt; what the scene says where it is not given.
    """

    length_m: Annotated[float, Field(ge=0.5, le=200.0)] = 37.8
    width_m: Annotated[float, Field(ge=0.2, le=20.0)] = 5.7
    cell_m: Annotated[float, Field(ge=0.02, le=1.0)] = 0.1
    lateral_m: Annotated[float, Field(ge=-20.0, le=20.0)] = 0.0
    budget: Literal["custom", "published", "paint"] = "custom"
    darker: Annotated[float, Field(ge=0.0, le=1.0)] = 0.2
    brighter: Annotated[float, Field(ge=0.0, le=1.0)] = 0.2
    ceiling: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    area_share: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    keep_marks: bool = True
    shades: Annotated[int, Field(ge=1, le=255)] = 255
    blur_m: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    road_brightness: Annotated[float, Field(ge=0.0, le=1.0)] | None = None

    @model_serializer(mode="wrap")
    def _without_what_the_budget_says(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        left_out = BUDGET_FIELDS if self.budget != "custom" else ()
        return {name: value for name, value in data.items() if name not in left_out}

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        given = sorted(self.model_fields_set.intersection(BUDGET_FIELDS))
        if self.budget != "custom" and given:
            raise ValueError(
                f"budget: {self.budget} has a {', '.join(given)} of its own; leave that out, or set budget: custom"
            )
        return self


class RandomDirtOptions(RoadPatchOptions):
    """Random dirt on the road.

    Attributes:
        rms_brightness: its root mean square, to compare it with another patch of this energy; as strong as its budget
            allows where not given.
    """

    type: Literal["random_dirt"]
    rms_brightness: Annotated[float, Field(gt=0.0, le=1.0)] | None = None


class DirectedPatchOptions(RoadPatchOptions):
    """A patch that is made against a victim, to steer it to one side.

    Attributes:
        budget: up to the brightness of the lane paint, unless said otherwise.
        direction: where the car shall go.
        adaptive: rehearse behind the scenario's defenses; else the attacker does not know of them.
        victim: the assistant that the attacker rehearses with, without defenses; the scenario's own where not given.
    """

    budget: Literal["custom", "published", "paint"] = "paint"
    direction: Literal["left", "right"] = "left"
    adaptive: bool = True
    victim: Annotated[Options, Slot("assistants")] | None = None

    def fingerprint(self) -> str:
        """That of the victim."""
        return "" if self.victim is None else self.victim.fingerprint()


class DirtyRoadOptions(DirectedPatchOptions):
    """A dirty road patch, optimised against the scenario's assistant.

    Attributes:
        coupling: how the frames hang together, see `attacks.coupling`.
        objective: see `attacks.objectives`.
        iterations: of the optimiser, at most.
        frames: how many frames from time zero count.
        restarts: initial patches that are tried.
        learning_rate: as a share of what a cell may change.
        visibility_weight: of the mean square of the patch.
        variations: drives beside the nominal one that the patch must do for.
    """

    type: Literal["dirty_road"]
    coupling: Literal["fixed_point", "unrolled", "staged"] = "staged"
    objective: Literal["steering", "lane_bending", "path_offset", "deviation"] = "steering"
    iterations: Annotated[int, Field(ge=1, le=100_000)] = 60
    frames: Annotated[int, Field(ge=2, le=200)] = 20
    restarts: Annotated[int, Field(ge=1, le=20)] = 1
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    visibility_weight: Annotated[float, Field(ge=0.0, le=1000.0)] = 0.0
    variations: Annotated[int, Field(ge=0, le=50)] = 3


class DrawnLineOptions(DirectedPatchOptions):
    """A straight white line across the patch, the worst one of a grid.

    Attributes:
        spacing_m: of the places where a line may begin and end.
        line_width_m: of the line.
        frames: over which steering is meant.
    """

    type: Literal["drawn_line"]
    spacing_m: Annotated[float, Field(ge=0.1, le=10.0)] = 1.0
    line_width_m: Annotated[float, Field(ge=0.01, le=2.0)] = 0.1
    frames: Annotated[int, Field(ge=1, le=200)] = 10

    @property
    def iterations(self) -> int:
        """How many lines are tried."""
        return int(self.width_m / self.spacing_m) ** 2


class SingleFrameOptions(DirectedPatchOptions):
    """A patch that is optimised for the first frame only.

    Attributes:
        iterations: of the optimiser.
        variations: poses beside the nominal one.
        learning_rate: as a share of what a cell may change.
    """

    type: Literal["single_frame"]
    iterations: Annotated[int, Field(ge=1, le=100_000)] = 200
    variations: Annotated[int, Field(ge=0, le=50)] = 8
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05


class BlackBoxOptions(DirectedPatchOptions):
    """A patch that is searched for by queries alone.

    Attributes:
        objective: see `attacks.objectives`.
        iterations: drives over a changed patch.
        frames: how many frames from time zero count.
    """

    type: Literal["black_box"]
    objective: Literal["steering", "lane_bending", "path_offset", "deviation"] = "steering"
    iterations: Annotated[int, Field(ge=1, le=100_000)] = 400
    frames: Annotated[int, Field(ge=2, le=200)] = 14


class SavedPatchOptions(PatchOptions):
    """A patch that was made before.

    Attributes:
        path: folder that holds its picture and placement.
        along_m: laid so much further along the road than it was made for.
        across_m: and so much to the left.
        wear: share of its contrast that is gone.
    """

    type: Literal["saved_patch"]
    path: Annotated[str, Field(min_length=1, max_length=4096)]
    along_m: Annotated[float, Field(ge=-100.0, le=100.0)] = 0.0
    across_m: Annotated[float, Field(ge=-20.0, le=20.0)] = 0.0
    wear: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0

    def fingerprint(self) -> str:
        """Hash of both files.

        Raises:
            InvalidInput: one of them is not there.
        """
        from attacks.perturbation import IMAGE, PLACEMENT

        files = [Path(self.path) / name for name in (IMAGE, PLACEMENT)]
        for file in files:
            if not file.is_file():
                raise InvalidInput(f"path: there is no file {file}; give the folder of a saved patch")
        return content_hash([file_hash(file) for file in files])


RANDOM_DIRT = Plugin(
    "random_dirt",
    "Random stains, blobs and noise: the control beside every attack",
    "scenarios.plugins.attack_factories:random_dirt",
    RandomDirtOptions,
)
DIRTY_ROAD = Plugin(
    "dirty_road",
    "Dirty road patch, optimised in closed loop against the scenario's assistant",
    "scenarios.plugins.attack_factories:dirty_road",
    DirtyRoadOptions,
    rehearsed=True,
)
DRAWN_LINE = Plugin(
    "drawn_line",
    "A straight white line, the worst one of a grid: a baseline",
    "scenarios.plugins.attack_factories:drawn_line",
    DrawnLineOptions,
    rehearsed=True,
)
SINGLE_FRAME = Plugin(
    "single_frame",
    "A patch optimised for the first frame only: a baseline",
    "scenarios.plugins.attack_factories:single_frame",
    SingleFrameOptions,
    rehearsed=True,
)
BLACK_BOX = Plugin(
    "black_box",
    "Dirty road patch by queries alone, for assistants without gradients",
    "scenarios.plugins.attack_factories:black_box",
    BlackBoxOptions,
    rehearsed=True,
)
SAVED_PATCH = Plugin(
    "saved_patch",
    "A road patch that was saved before",
    "scenarios.plugins.attack_factories:saved_patch",
    SavedPatchOptions,
)
