"""Plots and thumbnails of a report, as data that stands inside the page."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping

import cv2
import numpy as np

from scenarios.metrics import time_to_lane_departure
from scenarios.reports.data import Results, Row
from simulator.errors import MissingExtra
from simulator.recording import Recording
from simulator.sketch import shown_camera

try:
    from matplotlib import colormaps
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise MissingExtra(
        f"plots need {error.name}, which is not installed: pip install 'dirtyroad[report]'"
    ) from error

THUMBNAIL_WIDTH = 320
MAX_ROADS = 12


def trajectories(results: Results) -> list[tuple[str, str]]:
    """For every road its name and a plot: the worst drive of every combination, over the straightened lane."""
    worst: dict[tuple[str, str], Row] = {}
    for row in results.worst():
        worst.setdefault((row.labels.scenario, combination(row)), row)
    roads = dict.fromkeys(row.labels.scenario for row in results.rows)
    known = dict.fromkeys(combination(row) for group in results.groups for row in results.of(group))
    colours = {name: colormaps["tab10"](index % 10) for index, name in enumerate(known)}
    drives = {road: {name: worst[road, name] for name in known if (road, name) in worst} for road in roads}
    return [(road, _road(rows, colours)) for road, rows in drives.items() if rows][:MAX_ROADS]


def combination(row: Row) -> str:
    """Who drove, under which attack, with which defense."""
    attack, defense = row.group
    return f"{row.labels.assistant}, attack {attack}, defense {defense}"


def _road(rows: Mapping[str, Row], colours: Mapping[str, tuple[float, ...]]) -> str:
    figure = Figure(figsize=(8.0, 2.6), layout="constrained")
    axes = figure.subplots()
    recordings = {name: row.recording() for name, row in rows.items()}
    longest = max(recordings.values(), key=lambda one: float(one["truth/s_m"][-1]))
    for border in ("truth/lane_left_m", "truth/lane_right_m"):
        axes.plot(longest["truth/s_m"], longest[border], color="black", linewidth=1.5)
    attacked = next((one for one in recordings.values() if "patch/place_m" in one), None)
    if attacked is not None:
        begin_m, middle_m, length_m, width_m = attacked["patch/place_m"]
        axes.fill_between(
            [begin_m, begin_m + length_m],
            middle_m - 0.5 * width_m,
            middle_m + 0.5 * width_m,
            color="0.85",
            label="patch",
        )
    for name, recording in recordings.items():
        axes.plot(recording["truth/s_m"], recording["truth/offset_m"], color=colours[name], label=name)
    axes.set_xlabel("along the lane [m]")
    axes.set_ylabel("to the left [m]")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return _png(figure)


def departures(results: Results) -> str:
    """Share of the drives still in their lane, over time, for every attack and defense; empty if none left it."""
    drives = {
        group: [
            time for row in results.of(group) if (time := row.figure("time_to_lane_departure")) is not None
        ]
        for group in results.groups
    }
    last_s = max((time for times in drives.values() for time in times if math.isfinite(time)), default=None)
    if last_s is None:
        return ""
    figure = Figure(figsize=(8.0, 3.0), layout="constrained")
    axes = figure.subplots()
    for (attack, defense), times in drives.items():
        if not times:
            continue
        left = sorted(time for time in times if math.isfinite(time))
        share = 1.0 - np.arange(len(left) + 1) / len(times)
        axes.step(
            [0.0, *left, 1.05 * max(last_s, 1.0)],
            [*share, share[-1]],
            where="post",
            label=f"attack {attack}, defense {defense} ({len(times)})",
        )
    axes.set_xlabel("time [s]")
    axes.set_ylabel("share still in lane")
    axes.set_ylim(-0.03, 1.03)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return _png(figure)


def thumbnail(recording: Recording) -> str:
    """What the camera saw when the car left its lane, or was furthest off the middle; empty without pictures."""
    camera = shown_camera(recording)
    if camera is None or not len(recording.images[f"frames/{camera}"]):
        return ""
    images = recording.images[f"frames/{camera}"]
    moment_s = time_to_lane_departure(recording).value
    if not math.isfinite(moment_s):
        offset = recording.channels["truth/offset_m"]
        assert offset.time_s is not None
        moment_s = float(offset.time_s[np.argmax(np.abs(offset.values))])
    image = images[int(np.argmin(np.abs(images.time_s - moment_s)))]
    height = round(image.shape[0] * THUMBNAIL_WIDTH / image.shape[1])
    small = cv2.resize(image[..., ::-1], (THUMBNAIL_WIDTH, height), interpolation=cv2.INTER_AREA)
    jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
