"""What is complete stays complete, what is half written is never seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from scenarios.store import COMPLETE, Store, content_hash, environment, file_hash, read_json, write_json
from simulator.world import InfrastructureError, InvalidInput


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def entries(store: Store) -> list[str]:
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


def test_a_folder_is_complete_or_not_there(store: Store) -> None:
    place = store.place("benign/straight", "ab" * 32)
    assert place.name == "benign_straight-abababababababab"
    assert store.find(place) is None
    with store.writing(place) as folder:
        (folder / "a.txt").write_text("a")
        assert store.find(place) is None
        assert store.runs() == []
    assert store.find(place) == place
    assert store.runs() == [place]
    assert (place / "a.txt").read_text() == "a"


def test_a_failure_leaves_nothing(store: Store) -> None:
    place = store.place("x", "ab" * 32)

    def break_off() -> None:
        with store.writing(place) as folder:
            (folder / "a.txt").write_text("a")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        break_off()
    assert entries(store) == []
    assert store.find(place) is None


def test_a_new_result_replaces_the_old_one_and_a_failed_one_does_not(store: Store) -> None:
    place = store.place("x", "ab" * 32)
    for text in ("old", "new"):
        with store.writing(place) as folder:
            (folder / "a.txt").write_text(text)
    with pytest.raises(RuntimeError), store.writing(place):
        raise RuntimeError
    assert (place / "a.txt").read_text() == "new"
    assert entries(store) == [f"{place.name}/{COMPLETE}", f"{place.name}/a.txt"]


KILLED = """
import os, signal, sys
from pathlib import Path
from scenarios.store import Store
store = Store(Path(sys.argv[1]))
with store.writing(store.place("x", "ab" * 32)) as folder:
    (folder / "a.txt").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_leaves_nothing_that_counts(store: Store) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(store.root)], check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL
    place = store.place("x", "ab" * 32)
    assert store.find(place) is None
    assert store.runs() == []
    with store.writing(place) as folder:
        (folder / "a.txt").write_text("whole")
    assert store.runs() == [place]


def test_what_killed_writers_left_is_swept_away(store: Store) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(store.root)], check=False, timeout=300)
    with store.writing(store.place("y", "cd" * 32)), store.lock("artifacts/patches/.y.lock"):
        pass
    assert len(list(store.root.glob(".x-*"))) == 1
    store.sweep()
    assert entries(store) == ["artifacts/patches/.y.lock", f"y-{'cd' * 8}/{COMPLETE}"]


def test_an_incomplete_folder_at_the_place_is_replaced(store: Store) -> None:
    place = store.place("x", "ab" * 32)
    place.mkdir(parents=True)
    (place / "rubbish").touch()
    with store.writing(place):
        pass
    assert entries(store) == [f"{place.name}/{COMPLETE}"]


def test_many_writers_of_one_place(store: Store) -> None:
    place = store.place("x", "ab" * 32)
    faults: list[BaseException] = []

    def write(text: str) -> None:
        try:
            for _ in range(10):
                with store.writing(place) as folder:
                    (folder / "a.txt").write_text(text)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=write, args=(text,)) for text in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert store.find(place) == place
    assert [path.name for path in store.root.iterdir()] == [place.name]


def test_a_full_disk_is_an_infrastructure_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    place = store.place("x", "ab" * 32)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InfrastructureError, match="No space left"), store.writing(place) as folder:
            (folder / "a.txt").write_text("a")
    assert store.find(place) is None
    assert entries(store) == []


def test_an_unwritable_root_is_an_infrastructure_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file" / "inside")
    with (
        pytest.raises(InfrastructureError, match="cannot be written"),
        store.writing(store.place("x", "ab" * 32)),
    ):
        pass


def test_an_artifact_is_built_once(store: Store) -> None:
    built = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "patch.txt").write_text("patch")

    first = store.artifact("patches", "road", {"seed": 0, "size": [1, 2]}, build)
    again = store.artifact("patches", "road", {"size": [1, 2], "seed": 0}, build)
    other = store.artifact("patches", "road", {"size": [1, 2], "seed": 1}, build)
    assert first == again != other
    assert len(built) == 2
    assert read_json(first / "key.json") == {"seed": 0, "size": [1, 2]}
    assert store.runs() == []


def test_of_several_who_want_an_artifact_one_builds_it(store: Store) -> None:
    built = []

    def build(folder: Path) -> None:
        built.append(folder)
        time.sleep(0.1)

    def want() -> None:
        store.artifact("patches", "road", {"seed": 0}, build)

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


KILLED_BUILDER = """
import os, signal, sys
from pathlib import Path
from scenarios.store import Store
Store(Path(sys.argv[1])).artifact("patches", "road", {"seed": 0}, lambda folder: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_killed_builder_keeps_nobody_waiting(store: Store) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED_BUILDER, str(store.root)], check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL
    place = store.artifact("patches", "road", {"seed": 0}, lambda folder: (folder / "patch.txt").touch())
    assert (place / "patch.txt").is_file()


def test_who_does_not_want_to_wait_is_turned_away(store: Store) -> None:
    with (
        store.lock("lock"),
        pytest.raises(InfrastructureError, match="another process is at work"),
        store.lock("lock", wait=False),
    ):
        pass
    with store.lock("lock", wait=False):
        pass


def test_hashes_depend_on_content_alone(tmp_path: Path) -> None:
    assert content_hash({"a": 1, "b": [2.5, None]}) == content_hash({"b": [2.5, None], "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2})
    with pytest.raises(ValueError, match="JSON"):
        content_hash({"a": float("nan")})
    (tmp_path / "a").write_bytes(b"abc")
    assert file_hash(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_unreadable_json_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.json"):
        read_json(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"bad\.json"):
        read_json(tmp_path / "bad.json")


def test_the_environment_is_json(tmp_path: Path) -> None:
    write_json(tmp_path / "environment.json", environment())
    assert read_json(tmp_path / "environment.json")["packages"]["torch"]
