"""Plots and thumbnails of a report, as data that stands inside the page."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

import cv2
import numpy as np

from scenarios.metrics import time_to_lane_departure
from scenarios.report_data import Results, Row
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
    """For every road its name and a plot: the worst drive of every attack and defense, over the straightened lane."""
    drives: dict[str, dict[tuple[str, str, str], Row]] = {}
    for row in results.worst():
        key = (row.labels.assistant, *row.group)
        drives.setdefault(row.labels.scenario, {}).setdefault(key, row)
    order = dict.fromkeys(row.labels.scenario for row in results.rows)
    return [(name, _road(list(drives[name].values()))) for name in order if name in drives][:MAX_ROADS]


def _road(rows: Sequence[Row]) -> str:
    figure = Figure(figsize=(8.0, 2.6), layout="constrained")
    axes = figure.subplots()
    colours = colormaps["tab10"]
    for index, row in enumerate(rows):
        recording = row.recording()
        s_m, offset_m = recording["truth/s_m"], recording["truth/offset_m"]
        if index == 0:
            for border in ("truth/lane_left_m", "truth/lane_right_m"):
                axes.plot(s_m, recording[border], color="black", linewidth=1.5)
        if "patch/place_m" in recording and index == 0:
            begin_m, middle_m, length_m, width_m = recording["patch/place_m"]
            axes.fill_between(
                [begin_m, begin_m + length_m],
                middle_m - 0.5 * width_m,
                middle_m + 0.5 * width_m,
                color="0.85",
                label="patch",
            )
        label = ", ".join((row.labels.assistant, f"attack {row.group[0]}", f"defense {row.group[1]}"))
        axes.plot(s_m, offset_m, color=colours(index % 10), label=label)
    axes.set_xlabel("along the lane [m]")
    axes.set_ylabel("to the left [m]")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return _png(figure)


def departures(results: Results) -> str:
    """Share of the drives that are still in their lane, over time, for every attack and defense."""
    figure = Figure(figsize=(8.0, 3.0), layout="constrained")
    axes = figure.subplots()
    last_s = 0.0
    lines = []
    for group in results.groups:
        times = [row.figure("time_to_lane_departure") for row in results.of(group)]
        left = sorted(time for time in times if time is not None)
        if left:
            lines.append((group, left))
            last_s = max([last_s, *(time for time in left if math.isfinite(time))])
    for (attack, defense), left in lines:
        finite = [time for time in left if math.isfinite(time)]
        share = 1.0 - np.arange(len(finite) + 1) / len(left)
        axes.step(
            [0.0, *finite, 1.05 * max(last_s, 1.0)],
            [*share, share[-1]],
            where="post",
            label=f"attack {attack}, defense {defense} ({len(left)})",
        )
    axes.set_xlabel("time [s]")
    axes.set_ylabel("share still in lane")
    axes.set_ylim(-0.03, 1.03)
    if lines:
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
