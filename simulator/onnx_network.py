"""Networks in ONNX files, computed by onnxruntime: the extra ``openpilot``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulator.errors import InvalidInput, MissingExtra

LOG_ERRORS_ONLY = 3


def open_network(path: str | Path) -> Any:
    """An ``onnxruntime.InferenceSession`` on one thread.

    Args:
        path: of the file.

    Raises:
        InvalidInput: there is no such file, or it is no network.
        MissingExtra: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"{path}: ONNX files need {error.name}, which is not installed: pip install 'dirtyroad[openpilot]'"
        ) from error
    if not Path(path).is_file():
        raise InvalidInput(f"{path}: no such file; give the path of an ONNX network")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = LOG_ERRORS_ONLY
    # one thread: sums are then the same on every machine, and closed loops are short of work for two
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no base class; all mean: not a network
        raise InvalidInput(f"{path}: this is no readable ONNX network ({error})") from error
