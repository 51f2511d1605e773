"""What a scenario file may name: worlds, assistants, attacks, defenses, tasks and metrics, found through entry points.

A package adds to a group in its ``pyproject.toml``, the built-in ones do it in the same way::

    [project.entry-points."dirtyroad.assistants"]
    my_driver = "my_package.plugin:MY_DRIVER"

The object named there is a `Plugin`: a name, a sentence, the options that a scenario file may give, and *where*
the implementation is. The implementation is imported when it is first used, so listing costs nothing and a
missing optional dependency harms nobody who does not need it.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from simulator.errors import InfrastructureError, InvalidInput, MissingExtra

GROUPS = ("worlds", "assistants", "attacks", "defenses", "tasks", "metrics")


class Strict(BaseModel):
    """Base of everything read from a file: no unknown keys, no guessing of types, no NaN, nothing changed later."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=()
    )


class Options(Strict):
    """What a scenario file may say about a plugin, beside its ``type``.

    Attributes:
        files: fields that name files or folders of the user's, dotted where they are nested. Relative ones are looked
            for like maps, and a result depends on their content and not on where they lie.
    """

    files: ClassVar[tuple[str, ...]] = ()

    type: str

    def fingerprint(self) -> str:
        """Hash of the files that the options name, so that a result is not taken for that of another content."""
        return ""


class WorldOptions(Options):
    """What every world lets a scenario file say.

    Attributes:
        latency_s: time between a frame and the command that is based on it, in whole steps of the vehicle (10 ms).
        takes_plant: whether it can move the car by another model than its own.
    """

    takes_plant: ClassVar[bool] = False

    latency_s: Annotated[float, Field(ge=0.0, le=1.0, multiple_of=0.01)] = 0.0

    @property
    def rehearsed(self) -> WorldOptions:
        """The world in which attacks on drives in this one are made; it must keep gradients."""
        return self


@dataclass(frozen=True)
class Plugin:
    """An entry of the registry.

    Attributes:
        name: what a scenario file writes after ``type:``.
        summary: one sentence for ``dirtyroad list``.
        factory: ``module:function``. What it is called with and what it gives back depends on the group:

            - worlds: ``(options, scenarios.factories.Setting) -> simulator.world.World``
            - attacks: ``(options) -> (attack, threat)``, see `scenarios.plugins.rehearsals.run_attack`
            - assistants: ``(options, VehicleParameters, latency_s) -> lkas.perception.Assistant``
            - defenses: ``(options) -> defenses.defense.Defense``
            - tasks: ``(options) -> defenses.task.Task``
            - metrics: ``(recording) -> scenarios.metrics.MetricValue``
        options: the pydantic model of its options; a world's is made of `WorldOptions`.
        extra: the extra of ``pip install dirtyroad[extra]`` that it needs, if any.
        max_batch: how many scenarios one world can step together (worlds only).
        reads_truth: whether it drives from ``observation.truth`` (assistants only).
        rehearsed: whether it drives the victim to find out what harms it, so that its result is kept (attacks only).
        resource: what a worker of a cluster must offer to run it, such as ``carla`` (worlds only).
        course: ``module:function``, ``(options, EgoSpec) -> scenarios.courses.Course``, of a world that brings its own
            road, so that a scenario has none to choose (worlds only).
    """

    name: str
    summary: str
    factory: str
    options: type[Options] = Options
    extra: str | None = None
    max_batch: int = 1
    reads_truth: bool = False
    rehearsed: bool = False
    resource: str = ""
    course: str | None = None

    def load(self) -> Callable[..., Any]:
        """Import the implementation.

        Raises:
            MissingExtra: something it needs is not installed.
        """
        return self._import(self.factory)

    def load_course(self) -> Callable[..., Any] | None:
        """Import what tells the road of a world that brings its own; None for any other.

        Raises:
            MissingExtra: something it needs is not installed.
        """
        return None if self.course is None else self._import(self.course)

    def _import(self, target: str) -> Callable[..., Any]:
        module, _, attribute = target.partition(":")
        try:
            implementation: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            if error.name is not None and error.name.split(".")[0] == module.split(".")[0]:
                raise InfrastructureError(f"plugin {self.name}: there is no module {error.name}") from error
            remedy = f"pip install 'dirtyroad[{self.extra}]'" if self.extra else f"install {error.name}"
            raise MissingExtra(f"{self.name} needs {error.name}, which is not installed: {remedy}") from error
        except (ImportError, AttributeError) as error:
            raise InfrastructureError(f"plugin {self.name}: {target} cannot be imported ({error})") from error
        return implementation


@cache
def plugins(group: str) -> dict[str, Plugin]:
    """All sound plugins of a group that are installed, by name, in alphabetical order."""
    return _registered(group)[0]


def faults(group: str) -> dict[str, str]:
    """What is wrong with the plugins of a group that cannot be used, by name."""
    return _registered(group)[1]


def _registered(group: str) -> tuple[dict[str, Plugin], dict[str, str]]:
    """Sound plugins, and the faults of the others, which harm nobody who does not name them."""
    found: dict[str, Plugin] = {}
    wrong: dict[str, str] = {}
    values: dict[str, str] = {}
    for entry in sorted(
        entry_points(group=f"dirtyroad.{group}"), key=lambda entry: (entry.name, entry.value)
    ):
        name, distribution = entry.name, getattr(entry, "dist", None)
        package = f" of package {distribution.name}" if distribution else ""
        where = f"entry point dirtyroad.{group}: {name} = {entry.value}{package}"
        if values.setdefault(name, entry.value) != entry.value:
            wrong[name] = (
                f"entry point dirtyroad.{group}: {name} is registered twice, by {values[name]} and {entry.value}"
                f"{package}; remove one of the two packages"
            )
            continue
        try:
            plugin = entry.load()
        except (Exception, SystemExit) as error:  # a stranger's module may do anything
            wrong[name] = (
                f"{where} cannot be loaded ({type(error).__name__}: {error}); mend or remove the package"
            )
            continue
        if isinstance(plugin, Plugin) and plugin.name == name:
            found[name] = plugin
        else:
            wrong[name] = f"{where} is no Plugin of that name; mend or remove the package"
    return {name: plugin for name, plugin in found.items() if name not in wrong}, wrong


def plugin(group: str, name: str) -> Plugin:
    """The plugin of that name.

    Raises:
        InvalidInput: there is none; the message lists those there are. Or there is one that cannot be used.
    """
    known = plugins(group)
    if name not in known and name in (wrong := faults(group)):
        raise InvalidInput(wrong[name])
    found: Plugin = find(name, known, group[:-1])
    return found


def find(name: str, known: dict[str, Any], what: str) -> Any:
    """``known[name]``, or a message that says what there is and what was probably meant.

    Of names in groups (``benign/...``) it lists those of the group that was named, or all groups.
    """
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    group = name.partition("/")[0] + "/"
    listed = {other for other in known if other.startswith(group)}
    listed = listed or {
        start + "/*" if rest else start for start, _, rest in (k.partition("/") for k in known)
    }
    raise InvalidInput(f"no {what} named '{name}'{hint}; there are: {', '.join(sorted(listed)) or 'none'}")


@dataclass(frozen=True)
class Slot:
    """Annotation of a scenario's field that holds the options of some plugin of a group.

    ``world: Annotated[Options, Slot("worlds")]`` accepts a mapping whose ``type`` names an installed world, and
    checks the rest against that world's own options; a plain name stands for ``{type: name}``.
    """

    group: str

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.validate, serialization=core_schema.plain_serializer_function_ser_schema(Options.model_dump)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        known = plugins(self.group)
        options = [handler(plugin.options.__pydantic_core_schema__) for plugin in known.values()]
        return {"anyOf": [{"enum": list(known)}, *options]}

    def validate(self, value: object) -> Options:
        """Options of whichever plugin ``value`` names."""
        if isinstance(value, Options):
            return value
        if isinstance(value, str):
            value = {"type": value}
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            raise ValueError(
                f"expected a name or a mapping with a 'type', one of: {', '.join(plugins(self.group))}"
            )
        return plugin(self.group, value["type"]).options.model_validate(value)
