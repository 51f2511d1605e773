"""Plays the process that runs episodes: does what the name of the scenario says, and starts in no time."""

import json
import os
import signal
import sys
import time
from pathlib import Path

print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    play, folder = request["scenario"]["name"], Path(request["store"])
    with (folder / "calls").open("a") as calls:
        calls.write(f"{os.getpid()}\n")
    print(f"about to {play}", file=sys.stderr, flush=True)
    first = len((folder / "calls").read_text().split()) == 1
    if play == "crash" or (play == "crash_once" and first):
        os.kill(os.getpid(), signal.SIGKILL)
    if play == "exit":
        sys.exit(7)
    if play == "hang" or (play == "hang_once" and first):
        time.sleep(3600)
    kind = play if play in ("invalid", "infrastructure", "fault") else "done"
    answer = {"kind": kind, "message": f"it is {kind}", "detail": "more", "wall_s": 0.5}
    print(json.dumps(answer), flush=True)
