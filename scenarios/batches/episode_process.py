"""The process that runs episodes, one after another: ``python -m scenarios.batches.episode_process``.

It reads a request a line from standard input and writes an answer a line to what was its standard output; everything
else that is printed goes to standard error. When its input ends (whoever gave it work is gone), it ends at once.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

from scenarios.runner import run
from scenarios.schema import Scenario
from scenarios.store import Store
from simulator.errors import InfrastructureError, InvalidInput


def main() -> None:
    """Serve until the input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what plugins print is no answer
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin, requests), daemon=True).start()
    _say(answers, {"ready": True})
    while True:
        _say(answers, serve(json.loads(requests.get())))


def _listen(stream: TextIO, requests: queue.SimpleQueue[str]) -> None:
    """A thread of its own notices the end of the input even while an episode is running."""
    for line in stream:
        requests.put(line)
    os._exit(0)


def _say(stream: TextIO, message: Any) -> None:
    stream.write(json.dumps(message) + "\n")
    stream.flush()


def serve(request: dict[str, Any]) -> dict[str, Any]:
    """Run one episode into a store.

    Args:
        request: ``scenario``, as `scenarios.schema.Scenario` dumps it, and ``store``, a folder.

    Returns:
        ``kind``: ``done``; ``invalid`` for what no other attempt would change; ``infrastructure`` for what might go
        better next time; ``fault`` of dirtyroad or a plugin. With ``message``, ``detail`` and ``wall_s``.
    """
    began = time.perf_counter()
    message, detail = "", ""
    try:
        scenario = Scenario.model_validate(request["scenario"])
        store = Store(Path(request["store"]))
        (outcome,) = run([scenario], store=store)
        outcome.save(store)
        kind = "done"
    except InvalidInput as error:
        kind, message = "invalid", str(error)
    except (InfrastructureError, OSError, MemoryError) as error:
        kind, message, detail = "infrastructure", str(error) or type(error).__name__, traceback.format_exc()
    except Exception as error:
        kind, message, detail = "fault", f"{type(error).__name__}: {error}", traceback.format_exc()
    return {"kind": kind, "message": message, "detail": detail, "wall_s": time.perf_counter() - began}


if __name__ == "__main__":
    main()
