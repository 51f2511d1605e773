"""Scenario: one experiment, as a file states it. YAML, one scenario a file, nothing in it is guessed or ignored.

Units stand in the names of fields. Weather is in CARLA's words. What packages can add (worlds, assistants, attacks,
defenses) is named by ``type:`` and checked against the options of whoever registered that name.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from scenarios.registry import Options, Slot, Strict, WorldOptions, find, plugin
from scenarios.road_schema import OpenDriveRoad, RoadSpec
from simulator.weather import PRESETS as WEATHERS
from simulator.world import CAMERA_PERIOD_S, InvalidInput

Percent = Annotated[float, Field(ge=0.0, le=100.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
LARGEST_SEED = 2**32 - 1
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]


def _whole_periods(duration_s: float) -> float:
    periods = round(duration_s / CAMERA_PERIOD_S)
    if abs(duration_s - periods * CAMERA_PERIOD_S) > 1e-6:
        raise ValueError(
            f"must be a multiple of {CAMERA_PERIOD_S:g} s, the time between two frames, not {duration_s:g}; "
            f"the nearest is {max(periods, 1) * CAMERA_PERIOD_S:g}"
        )
    return duration_s


Duration = Annotated[float, Field(ge=CAMERA_PERIOD_S, le=600.0), AfterValidator(_whole_periods)]


class WeatherSpec(Strict):
    """A preset by CARLA's name and what is different from it, in the words of ``carla.WeatherParameters``.

    What each field does is said in `simulator.weather.Weather`.
    """

    preset: str = "ClearNoon"
    cloudiness: Percent | None = None
    precipitation: Percent | None = None
    precipitation_deposits: Percent | None = None
    wind_intensity: Percent | None = None
    sun_azimuth_angle: Annotated[float, Field(ge=0.0, le=360.0)] | None = None
    sun_altitude_angle: Annotated[float, Field(ge=-90.0, le=90.0)] | None = None
    fog_density: Percent | None = None
    fog_distance: Annotated[float, Field(ge=0.0, le=10_000.0)] | None = None
    wetness: Percent | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_stands_for_preset(cls, value: Any) -> Any:
        return {"preset": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _preset_exists(self) -> Self:
        find(self.preset, WEATHERS, "weather preset")
        return self


class SurfaceSpec(Strict):
    """How old, stained and shaded the road is; see `simulator.surface.style.SurfaceStyle`."""

    asphalt_brightness: Annotated[float, Field(ge=0.1, le=0.7)] = 0.40
    asphalt_warmth: Annotated[float, Field(ge=-0.05, le=0.08)] = 0.01
    grain: Annotated[float, Field(ge=0.0, le=0.2)] = 0.025
    patchiness: Annotated[float, Field(ge=0.0, le=0.2)] = 0.015
    lane_contrast: Annotated[float, Field(ge=0.0, le=0.2)] = 0.01
    tyre_tracks: Annotated[float, Field(ge=0.0, le=0.3)] = 0.03
    seams: Share = 0.3
    cracks: Share = 0.15
    stains: Share = 0.15
    mark_brightness: Annotated[float, Field(ge=0.1, le=1.0)] = 0.90
    mark_wear: Share = 0.1
    tree_shadows: Share = 0.0
    verge: Literal["grass", "dry_grass", "dirt", "concrete", "snow"] = "grass"
    skyline: Literal["trees", "hills", "city", "plain"] = "trees"


class TinyPhysicsSpec(Options):
    """TinyPhysics, a learned car of comma.ai, in place of a bicycle model; needs the extra ``openpilot``.

    Attributes:
        path: of ``tinyphysics.onnx``.
        sampled: draw every step from what the network thinks likely (with the scenario's seed), as its authors do,
            instead of taking the expectation.
    """

    files: ClassVar[tuple[str, ...]] = ("path",)

    type: Literal["tiny_physics"]
    path: Annotated[str, Field(min_length=1, max_length=4096)]
    sampled: bool = False


class EgoSpec(Strict):
    """The car that is driven: how fast it cruises, and how it starts relative to its lane.

    In a recorded place it starts relative to where the recorded car was, and has no speed of its own where that was
    recorded, too. It moves by a bicycle model unless there is a ``plant``; what assistants believe is ``vehicle``.
    """

    speed_mps: Annotated[float, Field(gt=0.0, le=60.0)] | None = None
    offset_m: Annotated[float, Field(ge=-2.0, le=2.0)] = 0.0
    heading_rad: Annotated[float, Field(ge=-0.5, le=0.5)] = 0.0
    vehicle: str = "openpilot_0_6"
    plant: TinyPhysicsSpec | None = None


class CarSpec(Strict):
    """Another car; it follows the ego lane at a constant lateral position, and may brake to a stand.

    Attributes:
        gap_m: at the start, from the ego car's front bumper to its rear one; negative if it starts behind.
        speed_mps: negative for an oncoming car.
        offset_m: lateral position of its middle, positive left of the ego lane's centre.
        braking_time_s: when it begins to brake; never, if not given.
        braking_mps2: how hard.
    """

    gap_m: Annotated[float, Field(ge=-200.0, le=2000.0)]
    speed_mps: Annotated[float, Field(ge=-60.0, le=60.0)]
    offset_m: Annotated[float, Field(ge=-50.0, le=50.0)] = 0.0
    braking_time_s: Annotated[float, Field(ge=0.0, le=600.0)] | None = None
    braking_mps2: Annotated[float, Field(gt=0.0, le=12.0)] = 6.0


class BarriersSpec(Strict):
    """Walls along the road, at lateral positions relative to the centre of the ego lane."""

    left_m: Annotated[float, Field(ge=1.0, le=100.0)] | None = None
    right_m: Annotated[float, Field(ge=-100.0, le=-1.0)] | None = None


class PersonSpec(Strict):
    """Who sits at the wheel, and steers along the lane once they have noticed that something is wrong.

    Attributes:
        notices: the ``attack`` at its time zero, as in the published evaluation, or the lane departure ``warning``.
        reaction_s: how long they then need: 2.5 s on the mean.
    """

    notices: Literal["attack", "warning"] = "attack"
    reaction_s: Annotated[float, Field(ge=0.0, le=60.0)] = 2.5


class SafetySpec(Strict):
    """What may step in beside the assistant; nothing does unless it is given.

    Attributes:
        emergency_braking: brake hard when the radar sees a collision coming.
        person: takes over.
    """

    emergency_braking: bool = False
    person: PersonSpec | None = None


class CameraSpec(Strict):
    """How the car's camera is really mounted and exposed.

    Assistants know nothing of it: they go on as if the camera were level, straight ahead and 1.22 m above the road,
    as their calibration has it. What differs from that is what the calibration is wrong about.

    Attributes:
        height_m: above the road.
        left_m: of the car's middle line.
        roll_rad: positive leans right.
        pitch_rad: positive looks down.
        yaw_rad: positive looks left.
        exposure: factor on the brightness of the pictures.
    """

    height_m: Annotated[float, Field(ge=0.2, le=5.0)] = 1.22
    left_m: Annotated[float, Field(ge=-2.0, le=2.0)] = 0.0
    roll_rad: Annotated[float, Field(ge=-0.5, le=0.5)] = 0.0
    pitch_rad: Annotated[float, Field(ge=-0.5, le=0.5)] = 0.0
    yaw_rad: Annotated[float, Field(ge=-0.5, le=0.5)] = 0.0
    exposure: Annotated[float, Field(ge=0.1, le=10.0)] = 1.0


class RecordSpec(Strict):
    """What the recording holds beside states, truth and predictions."""

    model_frames: bool = True
    wide_frames: bool = False
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 75


class Criterion(Strict):
    """A bound on a metric. One that is not met fails the run (exit code 1), unless it is optional."""

    metric: str
    max: Annotated[float, Field(ge=-1e9, le=1e9)] | None = None
    min: Annotated[float, Field(ge=-1e9, le=1e9)] | None = None
    optional: bool = False

    @model_validator(mode="after")
    def _bounds_a_metric_that_exists(self) -> Self:
        plugin("metrics", self.metric)
        if self.max is None and self.min is None:
            raise ValueError("a criterion needs a 'max' or a 'min'")
        if self.max is not None and self.min is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}: no value could meet this")
        return self


PLACE = ("road", "surface", "weather", "cars", "barriers", "camera")
"""Fields of a place that is made up and seen anew; a world that shows a recorded one leaves no room for them."""


class Scenario(Strict):
    """One run of one car: where, in what, driven by whom, judged by what."""

    schema_version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[\w./-]{1,100}$")] = "unnamed"
    description: Annotated[str, Field(max_length=2000)] = ""
    seed: Seed = 0
    duration_s: Duration
    on_road_end: Literal["refuse", "stop"] = "refuse"
    world: Annotated[WorldOptions, Slot("worlds")] = Field(default="embedded", validate_default=True)
    road: RoadSpec | None = None
    surface: SurfaceSpec = SurfaceSpec()
    weather: WeatherSpec = WeatherSpec()
    ego: EgoSpec = EgoSpec()
    cars: Annotated[tuple[CarSpec, ...], Field(strict=False, max_length=16)] = ()
    barriers: BarriersSpec = BarriersSpec()
    camera: CameraSpec = CameraSpec()
    assistant: Annotated[Options, Slot("assistants")] = Field(default="lane_keeping", validate_default=True)
    attack: Annotated[Options, Slot("attacks")] | None = None
    defenses: Annotated[
        tuple[Annotated[Options, Slot("defenses")], ...], Field(strict=False, max_length=20)
    ] = ()
    safety: SafetySpec = SafetySpec()
    record: RecordSpec = RecordSpec()
    criteria: Annotated[tuple[Criterion, ...], Field(strict=False, max_length=100)] = ()

    @property
    def steps(self) -> int:
        """How many camera periods it lasts."""
        return round(self.duration_s / CAMERA_PERIOD_S)

    def with_seed(self, seed: int) -> Self:
        """The same scenario with another seed.

        Raises:
            InvalidInput: the seed is none.
        """
        if not 0 <= seed <= LARGEST_SEED:
            raise InvalidInput(f"{self.name}: seed: give 0 to {LARGEST_SEED}, not {seed}")
        return self.model_copy(update={"seed": seed})

    @property
    def recorded(self) -> bool:
        """Whether the world shows a place of its own."""
        return plugin("worlds", self.world.type).course is not None

    @property
    def named_files(self) -> list[tuple[str, ...]]:
        """Where in the scenario files or folders of the user's are named."""
        road = [("road", "path")] if isinstance(self.road, OpenDriveRoad) else []
        plant = () if self.ego.plant is None else self.ego.plant.files
        world = [("world", *name.split(".")) for name in self.world.files]
        return road + world + [("ego", "plant", *name.split(".")) for name in plant]

    @model_serializer(mode="wrap")
    def _can_be_read_again(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what the world refuses to be told."""
        data: dict[str, Any] = write(self)
        return {name: value for name, value in data.items() if not (self.recorded and name in PLACE)}

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if self.recorded:
            taken = PydanticCustomError(
                "invalid_input",
                "world '{world}' shows a recorded place; leave this out",
                {"world": self.world.type},
            )
            faults = [
                InitErrorDetails(type=taken, loc=(name,), input=getattr(self, name))
                for name in PLACE
                if name in self.model_fields_set
            ]
        else:
            missing: list[tuple[str, ...]] = [("road",)] if self.road is None else []
            if self.ego.speed_mps is None:
                missing.append(("ego", "speed_mps") if "ego" in self.model_fields_set else ("ego",))
            faults = [InitErrorDetails(type="missing", loc=place, input=None) for place in missing]
        if faults:
            raise ValidationError.from_exception_data(type(self).__name__, faults)
        return self
