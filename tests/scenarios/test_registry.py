"""The registry finds what is installed, says what there is, and names a missing extra."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest

from scenarios import registry
from scenarios.registry import GROUPS, Options, Plugin, plugin, plugins
from simulator.world import InfrastructureError, InvalidInput, MissingExtra


class ShakyOptions(Options):
    type: Literal["shaky"]
    amount_m: float = 0.5


SHAKY = Plugin("shaky", "Shakes", "tests_shaky_module:thing", ShakyOptions, extra="shaking")


def test_every_builtin_loads() -> None:
    for group in GROUPS:
        for name, found in plugins(group).items():
            assert found.name == name
            assert callable(found.load())


def test_unknown_names_list_what_there_is() -> None:
    with pytest.raises(
        InvalidInput, match=r"no world named 'embeded' \(did you mean 'embedded'\?\); there are: .*embedded"
    ):
        plugin("worlds", "embeded")


def test_no_plugins_is_said() -> None:
    with pytest.raises(InvalidInput, match="there are: none"):
        registry.find("x", {}, "attack")


@pytest.mark.parametrize(
    ("name", "listed"), [("a/x", "a/one, a/two"), ("x", "a/[*], b/[*], lone"), ("c/x", "a/[*], b/[*], lone")]
)
def test_of_names_in_groups_those_nearby_are_listed(name: str, listed: str) -> None:
    known = dict.fromkeys(("a/one", "a/two", "b/one", "lone"))
    with pytest.raises(InvalidInput, match=f"there are: {listed}$"):
        registry.find(name, known, "thing")


def test_a_missing_dependency_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tests_shaky_module.py").write_text("import tests_no_such_dependency\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingExtra, match=r"needs tests_no_such_dependency.*dirtyroad\[shaking\]"):
        SHAKY.load()


@pytest.mark.parametrize("factory", ["tests_no_such_module:thing", "scenarios.no_such_module:thing"])
def test_a_plugin_that_is_not_there_is_no_missing_dependency(factory: str) -> None:
    with pytest.raises(InfrastructureError, match=r"there is no module .*no_such_module"):
        Plugin("lost", "Gone", factory, ShakyOptions, extra="shaking").load()


class Entry:
    """An entry point of a third party."""

    def __init__(self, name: str, value: str, target: object) -> None:
        self.name, self.value, self.target = name, value, target

    def load(self) -> object:
        return self.target


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            [Entry("shaky", "a:SHAKY", SHAKY), Entry("shaky", "b:SHAKY", SHAKY)],
            "registered twice, by a:SHAKY and b:SHAKY",
        ),
        ([Entry("wobbly", "a:SHAKY", SHAKY)], "no Plugin of that name"),
        ([Entry("shaky", "a:SHAKY", object())], "no Plugin of that name"),
    ],
)
def test_faulty_registrations_are_reported_to_who_names_them(
    monkeypatch: pytest.MonkeyPatch, entries: list[Entry], message: str
) -> None:
    sound = Entry("sound", "c:SOUND", replace(SHAKY, name="sound"))
    monkeypatch.setattr(registry, "entry_points", lambda group: [*entries, sound])
    monkeypatch.setattr(registry, "plugins", plugins.__wrapped__)
    assert list(registry.plugins("worlds")) == ["sound"]
    assert plugin("worlds", "sound") is sound.target
    with pytest.raises(InvalidInput, match=message):
        plugin("worlds", entries[0].name)


class Exploding(Entry):
    """A module that cannot be imported."""

    dist = SimpleNamespace(name="strangers-package")

    def load(self) -> object:
        raise ZeroDivisionError("boom")


def test_a_broken_package_is_named_and_harms_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [Exploding("wobbly", "w:WOBBLY", None), Entry("shaky", "a:SHAKY", SHAKY)]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)
    monkeypatch.setattr(registry, "plugins", plugins.__wrapped__)
    assert plugin("worlds", "shaky") is SHAKY
    named = (
        r"dirtyroad.worlds: wobbly = w:WOBBLY of package strangers-package cannot be loaded \(ZeroDiv.*boom"
    )
    with pytest.raises(InvalidInput, match=named):
        plugin("worlds", "wobbly")


def test_a_third_partys_plugin_is_an_equal_citizen(monkeypatch: pytest.MonkeyPatch) -> None:
    from scenarios.schema import Scenario

    known = {**plugins("assistants"), "shaky": SHAKY}
    monkeypatch.setattr(registry, "plugins", lambda group: known if group == "assistants" else {})
    options = registry.Slot("assistants").validate({"type": "shaky", "amount_m": 0.25})
    assert options == ShakyOptions(type="shaky", amount_m=0.25)
    schema = Scenario.model_json_schema()
    assert "amount_m" in str(schema["properties"]["assistant"])
