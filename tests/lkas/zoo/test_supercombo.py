"""An openpilot network of any version is recognised, shown what it wants to see, and remembered for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from lkas.frames import pack_yuv  # noqa: E402
from lkas.layouts import LAYOUTS  # noqa: E402
from lkas.perception import Assistant  # noqa: E402
from lkas.zoo.supercombo import Supercombo  # noqa: E402
from lkas.zoo.supercombo_inputs import INPUTS, Meaning  # noqa: E402
from simulator.camera import CAMERAS  # noqa: E402
from simulator.world import GroundTruth, InvalidInput, Observation, VehicleState  # noqa: E402

WEIGHT = 1e-3


def write(
    path: Path,
    version: str,
    kind: int = TensorProto.FLOAT,
    without: str = "",
    size: int | None = None,
    left_open: str = "",
) -> Path:
    """A network that adds up all that it is shown, each input times its place, and says so in every output.

    The sum also becomes its feature vector, so that what it is shown later depends on it.
    """
    ports = [port for port in INPUTS[version] if port.name != without]
    nodes, terms, constants = [], [], []
    for place, port in enumerate(ports, 1):
        factor = np.array(WEIGHT * place / np.prod(port.shape), np.float32)
        constants.append(numpy_helper.from_array(factor, f"factor{place}"))
        nodes += [
            helper.make_node("Cast", [port.name], [f"single{place}"], to=TensorProto.FLOAT),
            helper.make_node("ReduceSum", [f"single{place}"], [f"sum{place}"], keepdims=0),
            helper.make_node("Mul", [f"sum{place}", f"factor{place}"], [f"term{place}"]),
        ]
        terms.append(f"term{place}")
    length = LAYOUTS[version].size if size is None else size
    constants.append(numpy_helper.from_array(np.array([1, length], np.int64), "shape"))
    nodes += [
        helper.make_node("Sum", terms, ["total"]),
        helper.make_node("Expand", ["total", "shape"], ["wide"]),
        helper.make_node("Cast", ["wide"], ["outputs"], to=kind),
    ]
    graph = helper.make_graph(
        nodes,
        "supercombo",
        [
            helper.make_tensor_value_info(
                port.name, kind, (1, "length" if port.name == left_open else port.shape[0], *port.shape[1:])
            )
            for port in ports
        ],
        [helper.make_tensor_value_info("outputs", kind, (1, length))],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def observe(frames: dict[str, Tensor], speed_mps: float = 20.0) -> Observation:
    size = len(frames["model"])
    zero = torch.zeros(size, dtype=torch.float64)
    state = VehicleState.at(zero, zero, zero, zero + speed_mps)
    nan = zero * float("nan")  # the truth must not matter
    truth = GroundTruth(*([nan] * 6), nan[:, None], nan[:, None, None], *([nan] * 4))
    return Observation(0.0, frames, state, truth)


def look(assistant: Supercombo, generator: torch.Generator, size: int = 2) -> Observation:
    return observe({name: torch.rand(size, 3, 256, 512, generator=generator) for name in assistant.cameras})


@pytest.mark.parametrize("version", list(LAYOUTS))
def test_every_version_is_recognised_and_driven(
    version: str, tmp_path: Path, generator: torch.Generator
) -> None:
    assistant = Supercombo(write(tmp_path / "supercombo.onnx", version))
    assert isinstance(assistant, Assistant)
    assert assistant.layout.version == version
    assert [port.meaning for port in assistant.inputs] == [port.meaning for port in INPUTS[version]]
    assert set(assistant.cameras) <= set(CAMERAS)
    assistant.reset(2)
    for _ in range(3):
        decision = assistant(look(assistant, generator))
        assert bool(decision.command.steering_rad.isfinite().all())
        assert bool(decision.perception.pose.isfinite().all())


@pytest.mark.parametrize("version", ["0.6.6", "0.8.2", "0.9.6"])
def test_it_is_shown_what_the_version_wants(version: str, tmp_path: Path, generator: torch.Generator) -> None:
    """The sum over all inputs, computed by hand, twice: the second time memory and the frame before count."""
    assistant = Supercombo(write(tmp_path / "supercombo.onnx", version))
    assistant.reset(1)
    before: dict[str, Tensor] = {}
    feature, history = 0.0, 0.0
    for _ in range(2):
        seen = look(assistant, generator, 1)
        now = {name: float(pack_yuv(frame).mean()) for name, frame in seen.frames.items()}
        first = before or now
        expected = 0.0
        for place, port in enumerate(INPUTS[version], 1):
            mean = {
                Meaning.FRAME: (now["model"] - 128) / 128,
                Meaning.FRAMES: (now["model"] + first["model"]) / 2,
                Meaning.WIDE_FRAMES: (now.get("big_model", 0) + first.get("big_model", 0)) / 2,
                Meaning.TRAFFIC: 0.5,
                Meaning.CAR: (20.0 + assistant.pilot.vehicle.predicted_delay_s) / 2,
                Meaning.STATE: feature,
                Meaning.FEATURES: feature / 99,
                Meaning.CURVATURES: history / 100,
            }.get(port.meaning, 0.0)
            expected += WEIGHT * place * mean
        said = assistant.see(seen)
        assert float(said.features[0, 0]) == pytest.approx(expected, rel=1e-4)
        before, feature, history = now, expected, expected


def test_bytes_go_through_the_runtime_as_floats_go_through_pytorch(
    tmp_path: Path, generator: torch.Generator
) -> None:
    assistant = Supercombo(write(tmp_path / "supercombo.onnx", "0.8.10"))
    bytes_ = (255 * torch.rand(2, 256, 512, 3, generator=generator)).round().to(torch.uint8)
    floats = bytes_.permute(0, 3, 1, 2).float() / 255
    said = []
    for frames in (bytes_, floats):
        assistant.reset(2)
        said.append(assistant.see(observe({"model": frames})).perception.path_y_m)
    torch.testing.assert_close(said[0], said[1], rtol=1e-4, atol=1e-6)


def test_gradients_reach_earlier_frames(tmp_path: Path, generator: torch.Generator) -> None:
    assistant = Supercombo(write(tmp_path / "supercombo.onnx", "0.8.2"))
    assistant.reset(1)
    frames = [torch.rand(1, 3, 256, 512, generator=generator, requires_grad=True) for _ in range(3)]
    for frame in frames:
        said = assistant.see(observe({"model": frame}))
    gradients = torch.autograd.grad(said.perception.path_y_m.sum(), frames)
    assert all(bool(gradient.any()) and bool(gradient.isfinite().all()) for gradient in gradients)


def test_half_precision_is_accepted(tmp_path: Path, generator: torch.Generator) -> None:
    single = Supercombo(write(tmp_path / "single.onnx", "0.9.6"))
    half = Supercombo(write(tmp_path / "half.onnx", "0.9.6", TensorProto.FLOAT16))
    said = []
    for assistant in (single, half):
        assistant.reset(1)
        frames = {name: torch.full((1, 256, 512, 3), 90, dtype=torch.uint8) for name in assistant.cameras}
        said.append(assistant.see(observe(frames)).perception.lane_y_m)
    torch.testing.assert_close(said[0], said[1], rtol=1e-2, atol=1e-3)


def test_reset_forgets(tmp_path: Path, generator: torch.Generator) -> None:
    assistant = Supercombo(write(tmp_path / "supercombo.onnx", "0.8.2"))
    seen = look(assistant, generator, 1)
    assistant.reset(1)
    first = assistant.see(seen).features
    assert not torch.equal(assistant.see(seen).features, first)
    assistant.reset(1)
    assert torch.equal(assistant.see(seen).features, first)


def test_the_golden_inputs_of_0_9_6_are_those_that_we_show(data: Path) -> None:
    folder = data / "supercombo_golden"
    for index, port in enumerate(INPUTS["0.9.6"]):
        golden = np.load(folder / f"inputs_in{index}.npy")
        assert golden.shape == (1, *port.shape)
        if port.meaning is Meaning.TRAFFIC:
            assert golden.tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(
    ("version", "changes", "message"),
    [
        (
            "0.8.2",
            {"without": "input_imgs"},
            r"no openpilot driving network: desire 8, .* -> 11327; accepted",
        ),
        ("0.8.2", {"without": "initial_state"}, "no openpilot driving network"),
        ("0.8.2", {"left_open": "desire"}, "no openpilot driving network: .* desire length,"),
        (
            "0.8.2",
            {"kind": TensorProto.UINT8},
            r"input_imgs is a tensor\(uint8\); accepted are tensor\(float\)",
        ),
        (
            "0.9.6",
            {"size": 6512},
            r"features_buffer 99x512 -> 6512; accepted are 0\.6\.6: input_imgs 6x128x256",
        ),
    ],
)
def test_other_networks_are_refused(
    version: str, changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=message):
        Supercombo(write(tmp_path / "other.onnx", version, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [None, b"no network"])
def test_what_is_no_network_is_invalid_input(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "supercombo.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"supercombo\.onnx"):
        Supercombo(path)
