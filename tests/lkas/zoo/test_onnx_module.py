"""PyTorch computes what onnxruntime computes, operation by operation and network by network."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from lkas.zoo.onnx_module import OPERATIONS, OnnxModule  # noqa: E402
from simulator.world import InvalidInput  # noqa: E402

IMAGE = (2, 4, 7, 9)


@dataclass(frozen=True)
class Case:
    """One operation: inputs are shapes of random tensors, or constant arrays."""

    operation: str
    inputs: list[Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1
    opset: int = 18

    def __str__(self) -> str:
        words = "-".join(f"{name}={value}" for name, value in self.attributes.items())
        return f"{self.operation}-{words or 'plain'}-{self.opset}"


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


UNARY = [
    "Abs",
    "Ceil",
    "Cos",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
]
UNARY += [
    "IsNaN",
    "Neg",
    "Reciprocal",
    "Relu",
    "Round",
    "Sigmoid",
    "Sign",
    "Sin",
    "Softmax",
    "Softplus",
    "Tanh",
]
UNARY += ["Flatten", "GlobalAveragePool", "GlobalMaxPool", "Shape", "Transpose", "Dropout", "IsInf"]
BINARY = ["Add", "Div", "Max", "Mean", "Min", "Mul", "PRelu", "Sub", "Sum", "Greater", "Less"]
BINARY += ["Equal", "GreaterOrEqual", "LessOrEqual"]
CONVOLUTION = {"kernel_shape": [3, 3], "strides": [2, 1]}

CASES = [
    *(Case(name, [IMAGE]) for name in UNARY),
    *(Case(name, [IMAGE, (4, 1, 9)]) for name in BINARY),
    Case("Gelu", [IMAGE], opset=20),
    Case("Elu", [IMAGE], {"alpha": 0.3}),
    Case("Softmax", [IMAGE], {"axis": 1}),
    Case("Softmax", [IMAGE], {"axis": 2}, opset=11),
    Case("Clip", [IMAGE, np.float32(-0.5), np.float32(0.2)]),
    Case("Clip", [IMAGE, None, np.float32(0.2)]),
    Case("Clip", [IMAGE], {"min": -0.1, "max": 0.1}, opset=6),
    Case("Pow", [IMAGE, np.float32(2.0)]),
    Case("Sqrt", [np.array([0.0, 2.0], np.float32)]),
    Case("Log", [np.array([0.5, 2.0], np.float32)]),
    Case("Div", [ints(7, -7), ints(2, 2)]),
    Case("Mod", [ints(7, -7), ints(3, 3)]),
    Case("And", [np.array([True, False]), np.array([True, True])]),
    Case("Or", [np.array([True, False]), np.array([False, False])]),
    Case("Not", [np.array([True, False])]),
    Case("Where", [np.array([True, False]), (2,), (2,)]),
    Case("Cast", [IMAGE], {"to": TensorProto.INT64}),
    Case("ArgMax", [IMAGE], {"axis": 2, "keepdims": 0}),
    Case("ArgMin", [IMAGE], {"axis": -1}),
    *(
        Case(f"Reduce{kind}", [IMAGE], {"axes": [1, -1]}, opset=11)
        for kind in ("L2", "Max", "Mean", "Min", "Prod")
    ),
    Case("ReduceSum", [IMAGE, ints(2)], {"keepdims": 0}),
    Case("ReduceSum", [IMAGE], {"noop_with_empty_axes": 1}),
    Case("ReduceMean", [IMAGE]),
    Case("Concat", [IMAGE, IMAGE], {"axis": -2}),
    Case("Split", [IMAGE, ints(1, 3)], {"axis": 1}, outputs=2),
    Case("Split", [IMAGE], {"axis": 1}, outputs=2, opset=11),
    Case("Slice", [IMAGE, ints(1, -1), ints(100, -8), ints(2, 3), ints(2, -2)]),
    Case("Slice", [IMAGE], {"starts": [1], "ends": [-1], "axes": [3]}, opset=9),
    Case("Reshape", [IMAGE, ints(0, -1, 9)]),
    Case("Squeeze", [(1, 3, 1), ints(2)]),
    Case("Squeeze", [(1, 3, 1)]),
    Case("Unsqueeze", [(3,), ints(0, -1)]),
    Case("Unsqueeze", [(3,)], {"axes": [1]}, opset=11),
    Case("Transpose", [IMAGE], {"perm": [0, 2, 3, 1]}),
    Case("Gather", [IMAGE, ints(0, -1)], {"axis": 1}),
    Case("GatherElements", [(2, 3), np.array([[0, -1, 1]], np.int64)], {"axis": 0}),
    Case("Pad", [IMAGE, ints(0, 0, 1, 2, 0, 0, 3, 0), np.float32(0.7)]),
    Case("Pad", [IMAGE, ints(0, 0, 1, 2, 0, 0, 3, 0)], {"mode": "reflect"}),
    Case("Pad", [IMAGE, ints(0, 0, 1, 2, 0, 0, 3, 0)], {"mode": "edge"}),
    Case("Expand", [(4, 1), ints(2, 1, 3)]),
    Case("Tile", [(2, 3), ints(2, 2)]),
    Case("Shape", [IMAGE], {"start": 1, "end": 3}),
    Case("ConstantOfShape", [ints(2, 3)], {"value": numpy_helper.from_array(np.array([0.5], np.float32))}),
    Case("Range", [np.int64(1), np.int64(8), np.int64(3)]),
    Case("Conv", [IMAGE, (6, 2, 3, 3), (6,)], {**CONVOLUTION, "group": 2, "pads": [1, 1, 1, 1]}),
    Case("Conv", [IMAGE, (6, 4, 3, 3)], {**CONVOLUTION, "pads": [0, 1, 1, 0], "dilations": [2, 1]}),
    Case("Conv", [IMAGE, (6, 4, 3, 3)], {**CONVOLUTION, "auto_pad": "SAME_UPPER"}),
    Case("Conv", [IMAGE, (6, 4, 3, 3)], {**CONVOLUTION, "auto_pad": "SAME_LOWER"}),
    Case("Conv", [(2, 4, 9), (3, 4, 3)], {"kernel_shape": [3]}),
    Case("ConvTranspose", [IMAGE, (4, 3, 2, 2), (3,)], {"strides": [2, 2], "pads": [0, 1, 1, 0]}),
    Case("MaxPool", [IMAGE], {**CONVOLUTION, "pads": [1, 0, 1, 1]}),
    Case("AveragePool", [IMAGE], {**CONVOLUTION, "pads": [1, 1, 1, 0]}),
    Case("AveragePool", [IMAGE], {**CONVOLUTION, "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    Case("Gemm", [(3, 2), (4, 3), (4,)], {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}),
    Case("MatMul", [(2, 3, 4), (4, 5)]),
    Case("Einsum", [(2, 3), (3, 4)], {"equation": "ij,jk->ki"}),
    Case("BatchNormalization", [IMAGE, (4,), (4,), (4,), np.array([1, 2, 3, 4], np.float32)]),
    Case("LayerNormalization", [IMAGE, (9,), (9,)]),
    Case("InstanceNormalization", [IMAGE, (4,), (4,)]),
    *(
        Case(
            "Resize",
            [IMAGE, None, np.array([1, 1, 2, 1.5], np.float32)],
            {"mode": mode, "coordinate_transformation_mode": places},
        )
        for mode in ("nearest", "linear")
        for places in ("half_pixel", "asymmetric", "align_corners")
    ),
    Case("Resize", [IMAGE, None, None, ints(2, 4, 4, 5)], {"mode": "linear"}),
    Case("Upsample", [IMAGE, np.array([1, 1, 2, 2], np.float32)], {"mode": "nearest"}, opset=9),
]


def write(path: Path, case: Case) -> tuple[Path, list[np.ndarray]]:
    """A model of this one operation, and something to show it."""
    rng = np.random.default_rng(0)
    names, shown, constants, inputs = [], [], [], []
    for index, value in enumerate(case.inputs):
        name = "" if value is None else f"x.{index}"
        names.append(name)
        if isinstance(value, tuple):
            shown.append(rng.normal(size=value).astype(np.float32))
            inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value))
        elif value is not None:
            constants.append(numpy_helper.from_array(np.asarray(value), name))
    outputs = [f"y{index}" for index in range(case.outputs)]
    node = helper.make_node(case.operation, names, outputs, **case.attributes)
    graph = helper.make_graph(
        [node], "case", inputs, [onnx.ValueInfoProto(name=name) for name in outputs], constants
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", case.opset)], ir_version=8)
    onnx.save(model, path)
    return path, shown


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_the_runtime(case: Case, tmp_path: Path) -> None:
    path, shown = write(tmp_path / "case.onnx", case)
    module = OnnxModule(path)
    found = module(*(torch.from_numpy(value) for value in shown))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected = session.run(None, dict(zip(module.input_names, shown, strict=True)))
    assert len(found) == case.outputs
    for one, other in zip(found, expected, strict=True):
        assert one.numpy().shape == other.shape
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-5, atol=1e-6)


def test_every_operation_is_tried() -> None:
    assert {case.operation for case in CASES} == set(OPERATIONS)


def test_a_strange_operation_is_named(tmp_path: Path) -> None:
    path, _ = write(tmp_path / "strange.onnx", Case("Det", [(2, 2)]))
    with pytest.raises(InvalidInput, match=r"strange\.onnx: Det \(node 'Det 0'\) cannot be converted"):
        OnnxModule(path)


def test_a_strange_attribute_is_named(tmp_path: Path) -> None:
    path, shown = write(
        tmp_path / "cubic.onnx",
        Case("Resize", [IMAGE, None, np.array([1, 1, 2, 2], np.float32)], {"mode": "cubic"}),
    )
    with pytest.raises(
        InvalidInput, match="Resize with mode = cubic is not converted; accepted: nearest, linear"
    ):
        OnnxModule(path)(torch.from_numpy(shown[0]))


@pytest.mark.parametrize("content", [None, b"", b"not a model"])
def test_what_is_no_model_is_invalid_input(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "nothing.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"nothing\.onnx"):
        OnnxModule(path)


def test_gradients_are_those_of_the_function(tmp_path: Path) -> None:
    path, _ = write(
        tmp_path / "conv.onnx", Case("Conv", [(1, 2, 4, 4), (3, 2, 3, 3)], {"kernel_shape": [3, 3]})
    )
    module = OnnxModule(path).double()
    x = torch.rand(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(3, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *inputs: module(*inputs)[0], (x, weight))


def test_weights_are_parameters_by_their_names(tmp_path: Path) -> None:
    weight = np.ones((3, 2, 1, 1), np.float32)
    path, _ = write(tmp_path / "conv.onnx", Case("Conv", [(1, 2, 4, 4), weight]))
    module = OnnxModule(path)
    assert list(dict(module.named_parameters())) == ["x/1"]
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_a_real_network_agrees_with_the_runtime(data: Path) -> None:
    """TinyPhysics, a transformer of lateral dynamics."""
    path = data / "tinyphysics/tinyphysics.onnx"
    rng = np.random.default_rng(0)
    shown = {
        "states": rng.normal(size=(1, 20, 4)).astype(np.float32),
        "tokens": rng.integers(0, 1024, size=(1, 20)),
    }
    module = OnnxModule(path)
    assert set(module.input_names) == set(shown)
    (expected,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, shown)
    (found,) = module(*(torch.from_numpy(shown[name]) for name in module.input_names))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-4)
