"""Recordings survive the disk unchanged, are equal to the byte, and a damaged file is bad input, not a traceback."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from simulator.recording import HEADER, Channel, ImageChannel, Recorder, Recording, encode_jpeg
from simulator.world import InvalidInput


def make(seed: int = 0, steps: int = 20) -> Recording:
    generator = torch.Generator().manual_seed(seed)
    recorder = Recorder()
    for step in range(steps):
        time_s = step * 0.05
        recorder.add(
            time_s, "state/speed_mps", torch.rand(2, generator=generator, dtype=torch.float64), "m/s"
        )
        recorder.add(time_s, "truth/collided", torch.zeros(2, dtype=torch.bool), "bool")
        recorder.add(time_s, "perception/path_y_m", torch.rand(2, 33, generator=generator), "m")
        if step % 4 == 0:
            frames = torch.randint(0, 256, (2, 16, 32, 3), generator=generator, dtype=torch.uint8)
            recorder.add_frames(time_s, "frames/model", frames)
    road = {"road/x_m": Channel(np.arange(5.0), "m")}
    return recorder.recording(1, road, {"scenario": "test", "seed": seed})


def test_round_trip(tmp_path: Path) -> None:
    recording = make()
    recording.save(tmp_path / "a.zip")
    loaded = Recording.load(tmp_path / "a.zip")
    assert loaded.meta == {"scenario": "test", "seed": 0}
    assert loaded.channels.keys() == recording.channels.keys()
    for name, channel in recording.channels.items():
        assert loaded[name].dtype == channel.values.dtype
        assert loaded.channels[name].unit == channel.unit
        np.testing.assert_array_equal(loaded[name], channel.values)
        np.testing.assert_array_equal(loaded.channels[name].time_s, channel.time_s)
    assert loaded.images["frames/model"].jpegs == recording.images["frames/model"].jpegs
    assert loaded.duration_s == pytest.approx(0.95)
    assert "road/x_m" in loaded
    assert "road/y_m" not in loaded


def test_equal_recordings_are_equal_files_and_other_ones_are_not(tmp_path: Path) -> None:
    make().save(tmp_path / "a.zip")
    Recording.load(tmp_path / "a.zip").save(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes() == make().to_bytes()
    assert make(1).to_bytes() != make().to_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def test_a_recording_ends_where_it_is_told() -> None:
    recorder = Recorder()
    for step in range(10):
        recorder.add(float(step), "state/x_m", torch.tensor([step * 1.0]), "m")
    recording = recorder.recording(0, {}, {}, end_s=3.0)
    np.testing.assert_array_equal(recording["state/x_m"], [0, 1, 2, 3])


def test_frames_look_like_what_was_recorded() -> None:
    ramp = torch.linspace(0, 255, 64).round().to(torch.uint8)
    frame = torch.stack([ramp.expand(32, 64), ramp.flip(0).expand(32, 64), torch.full((32, 64), 90)], dim=-1)
    images = ImageChannel((encode_jpeg(frame.to(torch.uint8), 90),), np.zeros(1))
    assert np.abs(images[0].astype(int) - frame.numpy().astype(int)).max() < 25
    with pytest.raises(TypeError, match="uint8"):
        encode_jpeg(frame.float(), 90)


def test_twenty_seconds_stay_under_ten_megabytes() -> None:
    """With frames of road-like content: smooth, with grain."""
    generator = torch.Generator().manual_seed(0)
    shade = torch.linspace(60, 140, 256)[:, None, None]
    grain = 8 * torch.randn(1, 256, 512, 3, generator=generator)
    frame = (shade + grain).clamp(0, 255).to(torch.uint8)
    assert 400 * len(encode_jpeg(frame[0], 85)) < 40e6  # pure noise is the worst case a codec can meet
    smooth = torch.nn.functional.avg_pool2d(grain.permute(0, 3, 1, 2), 5, 1, 2).permute(0, 2, 3, 1)
    assert 400 * len(encode_jpeg((shade + smooth)[0].clamp(0, 255).to(torch.uint8), 85)) < 10e6


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_bad_input(tmp_path: Path, kept: float) -> None:
    data = make().to_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: int(kept * len(data))])
    with pytest.raises(InvalidInput, match=r"cut\.zip"):
        Recording.load(tmp_path / "cut.zip")


def test_altered_bytes_are_noticed(tmp_path: Path) -> None:
    data = bytearray(make().to_bytes())
    middle = data.index(b"\xff\xd8\xff")  # inside the images, which are stored as they are
    data[middle + 40] ^= 0xFF
    (tmp_path / "bad.zip").write_bytes(bytes(data))
    with pytest.raises(InvalidInput, match=r"bad.zip.*CRC"):
        Recording.load(tmp_path / "bad.zip")


def rewrite(path: Path, name: str, data: bytes | None) -> None:
    """Replace or remove one entry of a saved recording."""
    with zipfile.ZipFile(path) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    entries.pop(name, None)
    if data is not None:
        entries[name] = data
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)


class Exploit:
    """Unpickling this would raise from within."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("a recording executed code",))


def pickled() -> bytes:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (20,), }"
    header += b" " * (63 - (len(header) + 10) % 64 + 0) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + pickle.dumps(Exploit())


def huge() -> bytes:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }"
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (HEADER, None),
        (HEADER, b"not json"),
        (HEADER, b"[]"),
        (HEADER, json.dumps({"format_version": 99}).encode()),
        (HEADER, json.dumps({"format_version": 1, "meta": {}, "channels": {"a": 3}, "images": {}}).encode()),
        ("state/speed_mps.npy", None),
        ("state/speed_mps.npy", b"\x93NUMPY"),
        ("state/speed_mps.npy", pickled()),
        ("state/speed_mps.npy", huge()),
        ("frames/model.jpegs", b"\xff\xd8"),
    ],
)
def test_damaged_entries_are_bad_input(tmp_path: Path, name: str, data: bytes | None) -> None:
    path = tmp_path / "damaged.zip"
    make().save(path)
    rewrite(path, name, data)
    with pytest.raises(InvalidInput, match=r"damaged\.zip"):
        Recording.load(path)


def test_a_missing_file_and_a_text_are_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such recording"):
        Recording.load(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(InvalidInput, match=r"text\.zip"):
        Recording.load(tmp_path / "text.zip")


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    make(0).save(path)
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        make(1).save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zip"]


def test_channels_check_what_they_are_given() -> None:
    with pytest.raises(ValueError, match="time stamps"):
        Channel(np.zeros(3), "m", np.zeros(2))
    with pytest.raises(ValueError, match="unit"):
        Channel(np.zeros(3), "")
    with pytest.raises(TypeError, match="numbers"):
        Channel(np.array(["a"]), "1")
