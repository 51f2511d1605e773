"""Recording: what happened in one run, as named, typed, time-stamped channels with units.

Metrics, reports and the viewer read this alone, so every figure can be computed again without the world.

The file is a zip archive of ``recording.json`` (names, units, kinds), one ``.npy`` array a channel, and one blob of
JPEGs an image channel. Nothing in it is executed when it is read (no pickle), and equal recordings are equal files:
entries are sorted and carry a fixed date.
"""

from __future__ import annotations

import bisect
import io
import itertools
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulator.world import InvalidInput

FORMAT_VERSION = 1
HEADER = "recording.json"
MAX_BYTES = 1 << 30
"""No entry of a file is unpacked beyond this: a recording of minutes is a hundredth of it."""

UNREADABLE = (
    *(OSError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error),
    *(KeyError, TypeError, ValueError, AttributeError),
)
"""What a damaged file makes the standard library and numpy raise."""

_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Channel:
    """One quantity over time.

    Attributes:
        values: ``(T, ...)`` bool, integer or float; without time stamps any shape, for what does not change.
        unit: SI, ``rad``, ``1`` for a ratio, ``bool``; never empty.
        time_s: ``(T,)`` float64 simulated time of each value, or None.
    """

    values: NDArray[Any]
    unit: str
    time_s: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if self.values.dtype.kind not in "biuf":
            raise TypeError(f"a channel holds numbers, not {self.values.dtype}")
        if not self.unit:
            raise ValueError("a channel states its unit ('1' for a ratio)")
        if self.time_s is not None and self.time_s.shape != self.values.shape[:1]:
            raise ValueError(f"{self.values.shape[:1]} values, but {self.time_s.shape} time stamps")


@dataclass(frozen=True)
class ImageChannel:
    """One camera over time, JPEG-encoded.

    Attributes:
        jpegs: one file's bytes an image.
        time_s: ``(T,)`` float64 simulated time of each.
    """

    jpegs: tuple[bytes, ...]
    time_s: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.time_s.shape != (len(self.jpegs),):
            raise ValueError(f"{len(self.jpegs)} images, but {self.time_s.shape} time stamps")

    def __len__(self) -> int:
        return len(self.jpegs)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """One image, ``(H, W, 3) uint8 RGB``."""
        image = cv2.imdecode(np.frombuffer(self.jpegs[index], np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise InvalidInput(f"image {index} of a recording is not a JPEG")
        return np.asarray(image[..., ::-1], np.uint8)


@dataclass(frozen=True)
class Recording:
    """One run of one world.

    Attributes:
        channels: by name, ``group/quantity_unit``, such as ``state/speed_mps``, ``truth/offset_m``.
        images: by name, such as ``frames/model``.
        meta: plain facts for people and reports (scenario, seed, vehicle), as JSON holds them.
    """

    channels: Mapping[str, Channel]
    images: Mapping[str, ImageChannel] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.channels

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The values of a channel."""
        return self.channels[name].values

    def __repr__(self) -> str:
        images = sum(len(channel) for channel in self.images.values())
        return f"Recording({len(self.channels)} channels, {images} images, {self.duration_s:g} s)"

    @property
    def duration_s(self) -> float:
        """Time of the last instant recorded."""
        clocks = [channel.time_s for channel in self.channels.values() if channel.time_s is not None]
        clocks += [images.time_s for images in self.images.values()]
        return max((float(time_s[-1]) for time_s in clocks if len(time_s)), default=0.0)

    def to_bytes(self) -> bytes:
        """The file; equal recordings give equal bytes."""
        header: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "meta": self.meta,
            "channels": {},
            "images": {},
        }
        entries: dict[str, tuple[bytes, int]] = {}
        clocks: dict[bytes, str] = {}

        def clock(time_s: NDArray[np.float64]) -> str:
            """Most channels share one clock: it is written once."""
            data = _npy(time_s)
            if data not in clocks:
                clocks[data] = f"clock/{len(clocks)}.npy"
                entries[clocks[data]] = data, zipfile.ZIP_DEFLATED
            return clocks[data]

        for name, channel in sorted(self.channels.items()):
            times = None if channel.time_s is None else clock(channel.time_s)
            header["channels"][name] = {"unit": channel.unit, "clock": times}
            entries[f"{name}.npy"] = _npy(channel.values), zipfile.ZIP_DEFLATED
        for name, images in sorted(self.images.items()):
            header["images"][name] = {
                "clock": clock(images.time_s),
                "bytes": [len(jpeg) for jpeg in images.jpegs],
            }
            entries[f"{name}.jpegs"] = b"".join(images.jpegs), zipfile.ZIP_STORED
        text = json.dumps(header, sort_keys=True, allow_nan=False, indent=1)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, (data, method) in sorted(
                {**entries, HEADER: (text.encode(), zipfile.ZIP_DEFLATED)}.items()
            ):
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.compress_type, entry.external_attr, entry.create_system = method, 0o644 << 16, 3
                archive.writestr(entry, data, compresslevel=6)
        return buffer.getvalue()

    def save(self, path: Path) -> None:
        """Write the file in one step: whoever looks sees the old file or the new one, never half of one."""
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.to_bytes())
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @classmethod
    def from_bytes(cls, data: bytes) -> Recording:
        """The inverse of `to_bytes`; damaged data raises one of ``UNREADABLE``."""
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return cls._read(archive)

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read a file.

        Raises:
            InvalidInput: it is missing, cut short, altered, or no recording at all.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                return cls._read(archive)
        except FileNotFoundError:
            raise InvalidInput(f"{path}: there is no such recording") from None
        except UNREADABLE as error:
            raise InvalidInput(f"{path}: this is no readable recording ({error})") from error

    @classmethod
    def _read(cls, archive: zipfile.ZipFile) -> Recording:
        header = json.loads(_entry(archive, HEADER))
        if header["format_version"] != FORMAT_VERSION:
            raise ValueError(
                f"format version {header['format_version']}, this program reads {FORMAT_VERSION}"
            )
        clocks: dict[str, NDArray[np.float64]] = {}

        def clock(name: str) -> NDArray[np.float64]:
            if name not in clocks:
                clocks[name] = _array(archive, name).astype(np.float64, copy=False)
            return clocks[name]

        channels = {
            name: Channel(
                _array(archive, f"{name}.npy"),
                entry["unit"],
                None if entry["clock"] is None else clock(entry["clock"]),
            )
            for name, entry in header["channels"].items()
        }
        images = {}
        for name, entry in header["images"].items():
            blob = _entry(archive, f"{name}.jpegs")
            ends = np.cumsum([0, *entry["bytes"]])
            if ends[-1] != len(blob) or min(entry["bytes"], default=0) < 0:
                raise ValueError(f"{name} has {len(blob)} bytes of images, not {ends[-1]}")
            jpegs = tuple(blob[start:end] for start, end in itertools.pairwise(ends))
            images[name] = ImageChannel(jpegs, clock(entry["clock"]))
        return cls(channels, images, header["meta"])


class Recorder:
    """Collects what N worlds do, instant by instant, and gives one Recording each."""

    def __init__(self, jpeg_quality: int = 75) -> None:
        self._jpeg_quality = jpeg_quality
        self._values: dict[str, list[NDArray[Any]]] = {}
        self._units: dict[str, str] = {}
        self._times: dict[str, list[float]] = {}
        self._jpegs: dict[str, list[list[bytes]]] = {}

    def add(self, time_s: float, name: str, values: Tensor, unit: str) -> None:
        """Note a ``(N, ...)`` tensor."""
        self._units.setdefault(name, unit)
        self._times.setdefault(name, []).append(time_s)
        self._values.setdefault(name, []).append(values.detach().cpu().numpy().copy())

    def add_frames(self, time_s: float, name: str, frames: Tensor) -> None:
        """Note ``(N, H, W, 3) uint8 RGB`` images."""
        self._times.setdefault(name, []).append(time_s)
        self._jpegs.setdefault(name, []).append([encode_jpeg(frame, self._jpeg_quality) for frame in frames])

    def recording(
        self,
        index: int,
        constants: Mapping[str, Channel],
        meta: Mapping[str, Any],
        end_s: float = float("inf"),
        begin_s: float = float("-inf"),
    ) -> Recording:
        """World ``index`` from ``begin_s`` to ``end_s``, both included, with what does not change over time."""
        parts = {
            name: part
            for name, times in self._times.items()
            if times[part := slice(bisect.bisect_left(times, begin_s), bisect.bisect_right(times, end_s))]
        }
        clocks = {name: np.array(self._times[name][part], np.float64) for name, part in parts.items()}
        channels = {
            name: Channel(
                np.stack([step[index] for step in steps[parts[name]]]), self._units[name], clocks[name]
            )
            for name, steps in self._values.items()
            if name in parts
        }
        images = {
            name: ImageChannel(tuple(step[index] for step in steps[parts[name]]), clocks[name])
            for name, steps in self._jpegs.items()
            if name in parts
        }
        return Recording({**channels, **constants}, images, meta)


def encode_jpeg(frame: Tensor, quality: int) -> bytes:
    """``(H, W, 3) uint8 RGB`` to a JPEG file; ``quality`` in 1..100."""
    if frame.dtype != torch.uint8 or frame.ndim != 3 or frame.shape[-1] != 3:
        raise TypeError(f"a frame is (H, W, 3) uint8, not {tuple(frame.shape)} {frame.dtype}")
    pixels = np.ascontiguousarray(frame.cpu().numpy()[..., ::-1])
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _npy(values: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(values.shape)
    np.lib.format.write_array(buffer, little, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _entry(archive: zipfile.ZipFile, name: str) -> bytes:
    size = archive.getinfo(name).file_size
    if size > MAX_BYTES:
        raise ValueError(f"{name} would unpack to {size} bytes")
    return archive.read(name)


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    data = io.BytesIO(_entry(archive, name))
    array: NDArray[Any] = np.lib.format.read_array(data, allow_pickle=False)
    return array
