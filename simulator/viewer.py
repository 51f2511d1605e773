"""Viewer: a recording in Rerun: what the camera saw and the driver believed, the road from above, and plots.

Every call of Rerun's stands here, for its names change often. Nothing is served by this process: a recording goes
into a file, which a viewer opens.

Convention: ``world`` is the road's frame (ISO 8855, x and y in metres, z up), ``world/car`` that of the rear axle.
Times are seconds of the simulation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator import sketch
from simulator.camera import CAMERAS
from simulator.recording import Recording
from simulator.roads.ahead import CAMERA_FOOT_M
from simulator.world import InvalidInput, MissingExtra

try:
    import rerun as rr
    import rerun.blueprint as rrb
except ModuleNotFoundError as error:
    raise MissingExtra(
        f"the viewer needs {error.name}, which is not installed: pip install 'dirtyroad[viewer]'"
    ) from error

Array = NDArray[Any]
Color = tuple[int, int, int]

TIMELINE = "time"
TRAIL_POINTS = 80
SHOWN_CAMERAS = ("frames/wide", "frames/model")
"""Whose picture is shown, the first that was recorded."""

DRIVEN: Color = (232, 92, 80)
CLEAN: Color = (90, 160, 240)
BELIEVED: Color = (40, 214, 170)
LINES: Color = (255, 196, 64)
PATCH: Color = (255, 80, 220)
LIMIT: Color = (150, 150, 150)
ASPHALT: Color = (72, 72, 72)
PAINT: Color = (226, 226, 226)
MARK_WIDTH_M = 0.12
CAR_HEIGHT_M = 1.4


def blueprint(camera: bool) -> rrb.Blueprint:
    """How the viewer opens: the camera and the road from above side by side, plots below."""
    above = rrb.Spatial3DView(
        name="from above",
        origin="/world/car",
        contents="/world/**",
        line_grid=False,
        eye_controls=rrb.EyeControls3D(
            position=(18.0, 0.0, 55.0), look_target=(18.01, 0.0, 0.0), eye_up=(1.0, 0.0, 0.0)
        ),
    )
    views = [rrb.Spatial2DView(name="camera", origin="/camera"), above] if camera else [above]
    plots = [
        rrb.TimeSeriesView(name=title, origin=f"/plots/{name}")
        for name, title in (
            ("offset", "offset from the lane's middle [m]"),
            ("steering", "steering wheel [rad]"),
            ("lanes", "probability of the lane lines"),
        )
    ]
    return rrb.Blueprint(
        rrb.Vertical(rrb.Horizontal(*views), rrb.Horizontal(*plots), row_shares=[3, 2]),
        rrb.TimePanel(timeline=TIMELINE, state="collapsed"),
        rrb.SelectionPanel(state="hidden"),
        rrb.BlueprintPanel(state="hidden"),
    )


def save(recording: Recording, path: Path, car_width_m: float) -> None:
    """Write a recording as a file of the viewer's (``.rrd``).

    Args:
        recording: of one drive.
        path: the file.
        car_width_m: of the car whose wheels must stay in the lane.

    Raises:
        InvalidInput: the file cannot be written.
    """
    stream = rr.RecordingStream("dirtyroad")
    stream.send_recording_name(f"{recording.meta['scenario']}, seed {recording.meta['seed']}")
    try:
        stream.save(
            path, default_blueprint=blueprint(any(name in recording.images for name in SHOWN_CAMERAS))
        )
    except (OSError, RuntimeError) as error:
        raise InvalidInput(f"{path}: cannot be written ({error})") from error
    _still(stream, recording)
    _moving(stream, recording)
    _plots(stream, recording, car_width_m)
    stream.flush()
    stream.disconnect()


def _still(stream: rr.RecordingStream, recording: Recording) -> None:
    """Road, patch, and the shapes of the cars. The patch's brightness is relative to the road's."""
    stream.log("world/road/asphalt", _mesh(sketch.asphalt(recording), 0.0, np.array([ASPHALT])), static=True)
    painted = [_raised(strip, 0.03) for strip in sketch.marks(recording)]
    marks = rr.LineStrips3D(painted, colors=[PAINT], radii=[0.5 * MARK_WIDTH_M])
    stream.log("world/road/marks", marks, static=True)
    patch = sketch.patch(recording)
    if patch is not None:
        grey = np.clip(ASPHALT[0] + 255.0 * recording["patch/brightness"].ravel(), 0, 255).astype(np.uint8)
        stream.log("world/patch", _mesh(patch, 0.02, np.repeat(grey[:, None], 3, 1)), static=True)
    length_m, width_m, behind_m = (
        float(recording.meta[name]) for name in ("length_m", "width_m", "rear_overhang_m")
    )
    for entity, color in (("world/car", DRIVEN), ("world/clean_car", CLEAN)):
        if entity == "world/car" or "benign/offset_m" in recording:
            body = rr.Boxes3D(
                centers=[(0.5 * length_m - behind_m, 0.0, 0.5 * CAR_HEIGHT_M)],
                sizes=[(length_m, width_m, CAR_HEIGHT_M)],
                colors=[color],
            )
            stream.log(f"{entity}/body", body, static=True)


def _moving(stream: rr.RecordingStream, recording: Recording) -> None:
    """Cars, their ways so far, what the camera saw and what the driver believed."""
    clean, outline = sketch.clean_way(recording), sketch.patch_outline(recording)
    camera = next((name for name in SHOWN_CAMERAS if name in recording.images), None)
    driven = np.stack([recording[f"state/{name}"] for name in ("x_m", "y_m", "yaw_rad")], 1)
    times = recording.channels["state/x_m"].time_s
    assert times is not None
    for index, time_s in enumerate(times):
        stream.set_time(TIMELINE, duration=float(time_s))
        x_m, y_m, yaw_rad = map(float, driven[index])
        stream.log("world/car", _placed(x_m, y_m, yaw_rad))
        _trail(stream, "world/driven", driven[: index + 1], DRIVEN)
        if clean is not None and index < len(clean):
            stream.log("world/clean_car", _placed(*map(float, clean[index])))
            _trail(stream, "world/clean", clean[: index + 1], CLEAN)
        if index < len(recording["perception/path_y_m"]):
            belief = sketch.believed(recording, index)
            _above(stream, belief)
            if camera is not None:
                _sight(stream, recording, index, camera, belief)
                if outline is not None:
                    border = sketch.in_foot_frame(outline, (x_m, y_m, yaw_rad))
                    seen = sketch.in_picture(CAMERAS[camera.removeprefix("frames/")], border)
                    stream.log("camera/patch", rr.LineStrips2D([seen], colors=[PATCH], radii=[1.5]))


def _above(stream: rr.RecordingStream, belief: sketch.Belief) -> None:
    """The believed path and lane lines on the road, seen from above."""
    foot = np.array([CAMERA_FOOT_M, 0.0])
    path = rr.LineStrips3D([_raised(belief.path + foot, 0.05)], colors=[BELIEVED], radii=[0.1])
    stream.log("world/car/path", path)
    lanes = [_raised(lane + foot, 0.04) for lane in belief.lanes]
    stream.log("world/car/lanes", rr.LineStrips3D(lanes, colors=_faded(belief), radii=[0.06]))


def _sight(
    stream: rr.RecordingStream, recording: Recording, index: int, name: str, belief: sketch.Belief
) -> None:
    """The camera's picture, with the believed path and lane lines over it."""
    jpeg = recording.images[name].jpegs[index]
    stream.log("camera/image", rr.EncodedImage(contents=jpeg, media_type="image/jpeg"))
    camera = CAMERAS[name.removeprefix("frames/")]
    path = sketch.in_picture(camera, belief.path)
    stream.log("camera/path", rr.LineStrips2D([path], colors=[BELIEVED], radii=[2.0]))
    lanes = [sketch.in_picture(camera, lane) for lane in belief.lanes]
    stream.log("camera/lanes", rr.LineStrips2D(lanes, colors=_faded(belief), radii=[1.5]))


def _plots(stream: rr.RecordingStream, recording: Recording, car_width_m: float) -> None:
    """Offset, steering and lane probabilities, with their thresholds, and the instant of departure."""
    offset_m, prob = recording["truth/offset_m"], recording["perception/lane_prob"]
    left_m = recording["truth/lane_left_m"] - 0.5 * car_width_m
    right_m = recording["truth/lane_right_m"] + 0.5 * car_width_m
    lines: list[tuple[str, str, Array, Color]] = [
        ("offset/driven", "truth/offset_m", offset_m, DRIVEN),
        ("offset/left_limit", "truth/offset_m", left_m, LIMIT),
        ("offset/right_limit", "truth/offset_m", right_m, LIMIT),
        ("steering/wheel", "state/steering_rad", recording["state/steering_rad"], DRIVEN),
        ("steering/wanted", "command/steering_rad", recording["command/steering_rad"], CLEAN),
        ("lanes/left", "perception/lane_prob", prob[:, 1], LINES),
        ("lanes/right", "perception/lane_prob", prob[:, 2], BELIEVED),
        ("lanes/threshold", "perception/lane_prob", np.full(len(prob), 0.5), LIMIT),
    ]
    if "benign/offset_m" in recording:
        lines.append(("offset/clean", "benign/offset_m", recording["benign/offset_m"], CLEAN))
    for name, clock, values, color in lines:
        style = rr.SeriesLines(colors=[color], names=[name.partition("/")[2].replace("_", " ")])
        _column(stream, f"plots/{name}", style, recording.channels[clock].time_s, values)
    over = (offset_m > left_m) | (offset_m < right_m)
    if over.any():
        first = slice(int(np.argmax(over)), int(np.argmax(over)) + 1)
        times = recording.channels["truth/offset_m"].time_s
        assert times is not None
        point = rr.SeriesPoints(colors=[PATCH], names=["departure"], markers=["diamond"], marker_sizes=[8.0])
        _column(stream, "plots/offset/departure", point, times[first], offset_m[first])


def _column(
    stream: rr.RecordingStream,
    entity: str,
    style: rr.SeriesLines | rr.SeriesPoints,
    time_s: Array | None,
    values: Array,
) -> None:
    assert time_s is not None
    stream.log(entity, style, static=True)
    stream.send_columns(
        entity,
        indexes=[rr.TimeColumn(TIMELINE, duration=np.asarray(time_s, np.float64))],
        columns=rr.Scalars.columns(scalars=np.asarray(values, np.float64)),
    )


def _placed(x_m: float, y_m: float, yaw_rad: float) -> rr.Transform3D:
    rotation = rr.RotationAxisAngle(axis=(0.0, 0.0, 1.0), radians=yaw_rad)
    return rr.Transform3D(translation=(x_m, y_m, 0.0), rotation=rotation)


def _trail(stream: rr.RecordingStream, entity: str, way: Array, color: Color) -> None:
    """The way so far, in few points."""
    picked = np.unique(np.linspace(0, len(way) - 1, min(len(way), TRAIL_POINTS)).astype(int))
    stream.log(entity, rr.LineStrips3D([_raised(way[picked, :2], 0.06)], colors=[color], radii=[0.08]))


def _faded(belief: sketch.Belief) -> list[tuple[int, int, int, int]]:
    """Colours of lane lines, the fainter the less probable."""
    return [(*LINES, round(255 * min(max(prob, 0.0), 1.0))) for prob in belief.probabilities]


def _mesh(surface: sketch.Surface, z_m: float, colors: Array) -> rr.Mesh3D:
    return rr.Mesh3D(
        vertex_positions=_raised(surface.points, z_m),
        triangle_indices=surface.triangles,
        vertex_colors=np.broadcast_to(colors, (len(surface.points), 3)).astype(np.uint8),
    )


def _raised(points: Array, z_m: float) -> Array:
    """``(K, 3)`` float32, so far above the road that nothing flickers."""
    return np.column_stack([points, np.full(len(points), z_m)]).astype(np.float32)
