"""The driver as an openpilot network drives as the driver does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from lkas.driver import DriverAssistant, load_driver  # noqa: E402
from lkas.export import EXPORTABLE, OpenpilotDriver, export_driver  # noqa: E402
from lkas.layouts import LAYOUTS  # noqa: E402
from lkas.network import DriverNet  # noqa: E402
from lkas.outputs import parse  # noqa: E402
from lkas.perception import Assistant  # noqa: E402
from lkas.zoo.supercombo import Supercombo  # noqa: E402
from lkas.zoo.supercombo_inputs import INPUTS, Meaning  # noqa: E402
from simulator.camera import CAMERAS  # noqa: E402
from simulator.embedded import EmbeddedWorld, Start  # noqa: E402
from simulator.roads.layout import LaneLayout  # noqa: E402
from simulator.roads.segments import Arc, Clothoid, Line, build_road  # noqa: E402
from simulator.scene import Scene  # noqa: E402
from simulator.world import InvalidInput  # noqa: E402

VERSIONS = ("0.7.3", "0.9.6")
"""The oldest that can be written and the newest: a recurrent state, a buffer of features."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The shipped driver in two layouts."""
    folder = tmp_path_factory.mktemp("exported")
    return {
        version: export_driver(load_driver(), version, folder / f"{version}.onnx") for version in VERSIONS
    }


def drive(assistant: Assistant, steps: int) -> np.ndarray:
    """Places of the rear axle, ``(steps, 2)``: into a bend, from beside the middle of the lane."""
    segments = [Line(40.0), Clothoid(60.0, 0.0, 1 / 400), Arc(160.0, 400.0)]
    scene = Scene(build_road("bend", segments, LaneLayout.one_way()))
    cameras = [CAMERAS[name] for name in assistant.cameras]
    world = EmbeddedWorld([scene], Start(offset_m=0.3, speed_mps=20.0), cameras=cameras)
    assistant.reset(1)
    seen, places = world.reset(0), []
    for _ in range(steps):
        with torch.no_grad():
            seen = world.step(assistant(seen).command)
        places.append((float(seen.state.x_m), float(seen.state.y_m)))
    world.close()
    return np.array(places)


@pytest.mark.parametrize("version", VERSIONS)
def test_two_seconds_on_the_same_way(version: str, files: dict[str, Path]) -> None:
    way = drive(Supercombo(files[version]), 40)
    np.testing.assert_allclose(way, drive(DriverAssistant(load_driver()), 40), rtol=0, atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_ten_seconds_on_the_same_way(version: str, files: dict[str, Path]) -> None:
    way = drive(Supercombo(files[version]), 200)
    np.testing.assert_allclose(way, drive(DriverAssistant(load_driver()), 200), rtol=0, atol=0.01)


@pytest.mark.parametrize("version", VERSIONS)
def test_runtime_and_pytorch_agree(version: str, files: dict[str, Path], generator: torch.Generator) -> None:
    assistant = Supercombo(files[version])
    assert assistant.layout is LAYOUTS[version]
    shown = [torch.rand(2, *port.shape, generator=generator) for port in assistant.inputs]
    one, other = (assistant._compute(shown, differentiable) for differentiable in (False, True))
    assert float((one - other).abs().max() / one.abs().max()) < 1e-4


@pytest.mark.parametrize("version", VERSIONS)
def test_the_file_says_what_it_is(version: str, files: dict[str, Path]) -> None:
    graph = onnx.load(files[version]).graph
    shapes = {
        value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
        for value in graph.input
    }
    assert shapes == {port.name: (1, *port.shape) for port in INPUTS[version]}
    assert list(files[version].parent.glob("*.part")) == []


@pytest.mark.parametrize("version", EXPORTABLE)
def test_every_layout_says_what_the_driver_says(version: str, generator: torch.Generator) -> None:
    network = DriverNet()
    frames = 255 * torch.rand(1, 12, 128, 256, generator=generator)
    hidden = torch.rand(1, network.hidden_size, generator=generator)
    with torch.no_grad():
        output, after = network(frames, hidden)
        inputs = []
        for port in INPUTS[version]:
            value = torch.rand(1, *port.shape, generator=generator)
            if port.meaning is Meaning.FRAMES:
                value = (frames - 128) / 128 if version == "0.7.3" else frames
            elif port.meaning is Meaning.STATE:
                value[:, : network.hidden_size] = hidden
            elif port.meaning is Meaning.FEATURES:
                value[:, -1, : network.hidden_size] = hidden
            inputs.append(value)
        said = parse(OpenpilotDriver(network, version)(*inputs), version)
    torch.testing.assert_close(said.features[:, : network.hidden_size], after)
    # points at every metre are too few near the car for the random path of an untrained network
    error_m = 0.03 if version == "0.7.3" else 1e-4
    torch.testing.assert_close(said.perception.path_y_m, output[:, :33], rtol=0, atol=error_m)


@pytest.mark.parametrize("version", ["0.7", "2.0"])
def test_layouts_that_cannot_be_written_are_refused(version: str) -> None:
    with pytest.raises(InvalidInput, match=rf"layout {version}: .* give one of 0\.7\.3"):
        OpenpilotDriver(DriverNet(), version)


def test_a_place_that_cannot_be_written_is_invalid_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="there is no folder"):
        export_driver(DriverNet(), "0.8.2", tmp_path / "no/driver.onnx")
    with pytest.raises(InvalidInput, match="this is a folder"):
        export_driver(DriverNet(), "0.8.2", tmp_path)
