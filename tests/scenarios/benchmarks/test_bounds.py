"""The bench of bounds measures what it says, and names the networks that there are."""

from __future__ import annotations

import gc
import json

import pytest
import torch

from scenarios.benchmarks import bounds as bench_bounds
from scenarios.benchmarks.networks import SUBJECTS, Subject, make
from scenarios.cli import main
from simulator.errors import InvalidInput


def tiny() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))


def test_a_subject_is_the_same_every_time_and_leaves_the_global_generator_alone():
    state = torch.random.get_rng_state()
    first, x = make("mlp", 2)
    second, _ = make("mlp", 1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert x.shape == (2, 1, 28, 28)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_every_method_on_one_and_on_many_inputs(monkeypatch, capsys):
    monkeypatch.setitem(SUBJECTS, "tiny", Subject(tiny, (3,), 0.1))
    assert main(["bench", "bounds", "--network", "tiny", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["bounds"]
    assert [(one["batch"], one["method"]) for one in found] == [
        (batch, method) for batch in (1, 32) for method in bench_bounds.METHODS
    ]
    width = {(one["batch"], one["method"]): one["width"] for one in found}
    for batch in (1, 32):
        assert width[batch, "alpha-CROWN"] <= width[batch, "CROWN"] <= width[batch, "IBP"]
    assert all(one["seconds"] > 0 for one in found)


def test_the_table_names_what_was_measured(monkeypatch, capsys):
    monkeypatch.setitem(SUBJECTS, "tiny", Subject(tiny, (3,), 0.1))
    monkeypatch.setattr(bench_bounds, "METHODS", {"IBP": bench_bounds.METHODS["IBP"]})
    assert main(["bench", "bounds", "--network", "tiny"]) == 0
    shown = capsys.readouterr().out
    assert "tiny" in shown
    assert "mean width" in shown


def test_memory_is_the_rise_of_the_peak(monkeypatch):
    monkeypatch.setattr(bench_bounds, "ENOUGH_S", 0.0)
    found = bench_bounds.observe(lambda: torch.ones(2**27))
    assert found[2] is None or 400 < found[2] < 700  # 512 MiB, on systems that tell


def test_what_earlier_work_left_in_cycles_does_not_hide_the_rise(monkeypatch):
    monkeypatch.setattr(bench_bounds, "ENOUGH_S", 0.0)
    litter: list[object] = [torch.ones(2**27)]
    litter.append(litter)
    del litter

    def work():
        gc.collect()
        return torch.ones(2**27)

    found = bench_bounds.observe(work)
    assert found[2] is None or 400 < found[2] < 700


@pytest.mark.parametrize("arguments", [["bounds", "--network", "brain"], ["loop", "--network", "mlp"]])
def test_wrong_networks_are_refused(arguments, capsys):
    assert main(["bench", *arguments]) == 2
    assert "network" in capsys.readouterr().err


def test_unknown_subject_lists_the_known():
    with pytest.raises(InvalidInput, match="mlp, cnn"):
        make("brain", 1)
