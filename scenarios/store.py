"""Store: results and shared artifacts in folders named by the hash of what they are made from.

A folder is filled under a temporary name beside its place, ``_complete`` is written last, and the whole is
renamed. So a reader sees a complete folder or none, whatever was killed when. What a dead writer left is never
taken for a result.

A run's folder holds ``scenario.yaml`` (fully resolved), ``metrics.json`` (figures and verdict, reproducible to
the byte), ``recording.zip``, ``timing.json`` (what depends on the machine), ``environment.json`` and
``_complete``.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from simulator.errors import InfrastructureError, InvalidInput

COMPLETE = "_complete"
PACKAGES = ("dirtyroad", "torch", "numpy", "opencv-python-headless", "carla", "pydantic")


def content_hash(content: Any) -> str:
    """SHA-256 of anything JSON can hold, the same for equal contents whatever the order of their keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file, or of all that is in a folder."""
    if path.is_dir():
        inside = sorted(entry for entry in path.rglob("*") if entry.is_file())
        return content_hash([[str(entry.relative_to(path)), file_hash(entry)] for entry in inside])
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Write sorted, indented JSON; NaN is refused because JSON has none."""
    path.write_text(json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def replace_json(path: Path, content: Any) -> None:
    """Write JSON in one step: whoever looks sees the old file or the new one.

    Raises:
        InfrastructureError: the disk is full, or the place cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_json(temporary, content)
        _sync(temporary)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InfrastructureError(f"{path}: cannot be written ({error})") from error


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        InvalidInput: the file is missing or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: cannot be read ({error})") from error


@dataclass(frozen=True)
class Store:
    """A folder of runs and artifacts.

    Attributes:
        root: created when first written to.
    """

    root: Path

    def prepare(self) -> None:
        """Make the folder, and see whether it can be written to: before the work, not after it.

        Raises:
            InvalidInput: it cannot.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise InvalidInput(
                f"{self.root}: cannot be written to ({error.strerror}); name another folder"
            ) from error

    def place(self, label: str, digest: str, kind: str = "") -> Path:
        """Where the run (or artifact of that kind) with that label, for people, and that hash is, or would be."""
        safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in label).strip(".")[
            :80
        ]
        return self.root / kind / f"{safe}-{digest[:16]}"

    def find(self, place: Path) -> Path | None:
        """``place`` if it is there and complete."""
        return place if (place / COMPLETE).is_file() else None

    @contextmanager
    def writing(self, place: Path) -> Iterator[Path]:
        """A fresh folder to fill, which becomes ``place`` when the block ends without an exception.

        A complete folder that is there already is replaced, so that a repeated run shows its newest result.

        Raises:
            InfrastructureError: the disk is full, or the place cannot be written.
        """
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}.{os.getpid()}."))
        except OSError as error:
            raise InfrastructureError(f"{place}: cannot be written ({error})") from error
        try:
            yield folder
            (folder / COMPLETE).touch()
            for entry in folder.iterdir():
                _sync(entry)
            _sync(folder)
            folder.chmod(0o755)
            _replace(folder, place)
            _sync(place.parent)
        except OSError as error:
            raise InfrastructureError(f"{place}: cannot be written ({error})") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def artifact(self, kind: str, label: str, key: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
        """The folder of an artifact that depends on ``key`` alone, built by ``build(folder)`` unless it is there.

        Of several processes that want the same at once, one builds and the others wait. The lock belongs to the
        process that holds it: if that is killed, the next one builds.
        """
        place = self.place(label, content_hash(dict(key)), f"artifacts/{kind}")
        if self.find(place) is None:
            with self.lock(f"artifacts/{kind}/.{place.name}.lock"):
                if self.find(place) is None:
                    with self.writing(place) as folder:
                        build(folder)
                        write_json(folder / "key.json", dict(key))
        return place

    @contextmanager
    def lock(self, name: str, wait: bool = True) -> Iterator[None]:
        """Keep others who ask for the same lock waiting, or with ``wait=False`` turn them away.

        The system frees the lock of a process that has died, however it died; the empty file stays.

        Raises:
            InfrastructureError: the file cannot be written, or another holds the lock and ``wait`` is False.
        """
        path = self.root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held = FileLock(path, timeout=-1 if wait else 0)
            held.acquire()
        except Timeout:
            raise InfrastructureError(f"{self.root}: another process is at work here") from None
        except OSError as error:
            raise InfrastructureError(f"{path}: cannot be locked ({error})") from error
        try:
            yield
        finally:
            held.release()

    def sweep(self) -> None:
        """Remove what killed writers left; nobody else may be writing."""
        for place in (self.root, *self.root.glob("artifacts/*")):
            for folder in place.glob(".*-????????????????.*.*"):
                shutil.rmtree(folder, ignore_errors=True)

    def runs(self) -> list[Path]:
        """All complete runs, by name."""
        return sorted(marker.parent for marker in self.root.glob(f"[!.]*/{COMPLETE}"))


def _replace(folder: Path, place: Path) -> None:
    """Put ``folder`` where ``place`` is; an old one steps aside, because only an empty one can be renamed onto."""
    while True:
        try:
            folder.rename(place)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            aside = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}.old."))
            try:
                place.rename(aside / "old")
            except FileNotFoundError:
                pass  # another writer moved it aside in the meantime
            finally:
                shutil.rmtree(aside, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def environment() -> dict[str, Any]:
    """Versions and machine, for ``environment.json``."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    return {
        "command": sys.argv,
        "machine": platform.machine(),
        "packages": packages,
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
    }
