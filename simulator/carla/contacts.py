"""What happens when things touch: they push each other apart, and lose the speed with which they met.

Everything is an upright box on the plane. Two boxes that overlap are moved apart along the shortest way, each by the
share of the other's mass; the part of their speeds with which they approach is evened out, as for bodies that do not
bounce. Tyres keep a car from sliding sideways: of what it gets, the part along its heading stays. Boxes do not turn
each other, and nobody is hurt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.carla.actors import Actor, Car, Walker, tuple_of, world_box_centre
from simulator.carla.poses import Vector

WALKER_KG = 80.0


@dataclass(frozen=True)
class Contact:
    """Two actors that touch.

    Attributes:
        one: an actor.
        other: another.
        impulse_ns: that ``one`` got, N s.
    """

    one: Actor
    other: Actor
    impulse_ns: Vector


@dataclass
class _Body:
    actor: Actor
    x: float
    y: float
    cos: float
    sin: float
    half_length: float
    half_width: float
    low: float
    high: float
    reach: float
    mass: float


def _body(actor: Actor) -> _Body:
    x, y, z = world_box_centre(actor)
    yaw = math.radians(actor.pose[4])
    length, width, height = actor.half_size_m
    if isinstance(actor, Car) and actor.physics_on:
        mass = actor.physics.mass_kg
    elif isinstance(actor, Walker):
        mass = WALKER_KG
    else:
        mass = math.inf
    return _Body(
        actor, x, y, math.cos(yaw), math.sin(yaw), length, width, z - height, z + height,
        math.hypot(length, width), mass,
    )  # fmt: skip


def _separation(a: _Body, b: _Body) -> tuple[float, float, float] | None:
    """How deep two boxes overlap and the direction from ``a`` to ``b`` along which least; None if they do not."""
    dx, dy = b.x - a.x, b.y - a.y
    best: tuple[float, float, float] | None = None
    for nx, ny in ((a.cos, a.sin), (-a.sin, a.cos), (b.cos, b.sin), (-b.sin, b.cos)):
        reach_a = a.half_length * abs(nx * a.cos + ny * a.sin) + a.half_width * abs(ny * a.cos - nx * a.sin)
        reach_b = b.half_length * abs(nx * b.cos + ny * b.sin) + b.half_width * abs(ny * b.cos - nx * b.sin)
        apart = nx * dx + ny * dy
        depth = reach_a + reach_b - abs(apart)
        if depth <= 0:
            return None
        if best is None or depth < best[0]:
            sign = 1.0 if apart >= 0 else -1.0
            best = depth, sign * nx, sign * ny
    return best


def touching(actor: Actor, others: Sequence[Actor]) -> bool:
    """Whether an actor's box overlaps that of any other."""
    body = _body(actor)
    return any(_near(body, other) and _separation(body, other) for other in map(_body, others))


def _near(a: _Body, b: _Body) -> bool:
    reach = a.reach + b.reach
    return (
        abs(a.x - b.x) < reach
        and abs(a.y - b.y) < reach
        and a.low < b.high
        and b.low < a.high
        and not (a.mass == math.inf and b.mass == math.inf)
    )


def resolve(actors: Sequence[Actor]) -> list[Contact]:
    """Push apart whatever overlaps, in place; in order of id, so that the same world does the same."""
    bodies = sorted(map(_body, actors), key=lambda body: (body.x - body.reach, body.actor.number))
    contacts = []
    for index, a in enumerate(bodies):
        for b in bodies[index + 1 :]:
            if b.x - b.reach > a.x + a.reach:
                break
            if not _near(a, b) or b.actor.number in (a.actor.parent, a.actor.number):
                continue
            overlap = _separation(a, b)
            if overlap is not None:
                contacts.append(_push(a, b, *overlap))
    return contacts


def _push(a: _Body, b: _Body, depth: float, nx: float, ny: float) -> Contact:
    inverse_a, inverse_b = 1 / a.mass, 1 / b.mass
    total = inverse_a + inverse_b
    _shift(a, -nx * depth * inverse_a / total, -ny * depth * inverse_a / total)
    _shift(b, nx * depth * inverse_b / total, ny * depth * inverse_b / total)
    (ax, ay, _), (bx, by, _) = a.actor.velocity, b.actor.velocity
    closing = (ax - bx) * nx + (ay - by) * ny
    impulse = max(closing, 0.0) / total
    if impulse > 0.0:
        _kick(a.actor, -nx * impulse * inverse_a, -ny * impulse * inverse_a)
        _kick(b.actor, nx * impulse * inverse_b, ny * impulse * inverse_b)
    return Contact(a.actor, b.actor, (-nx * impulse, -ny * impulse, 0.0))


def _shift(body: _Body, dx: float, dy: float) -> None:
    if body.mass == math.inf:
        return
    body.x, body.y = body.x + dx, body.y + dy
    x, y, z, pitch, yaw, roll = body.actor.pose
    body.actor.move_to((x + dx, y + dy, z, pitch, yaw, roll))


def _kick(actor: Actor, dx: float, dy: float) -> None:
    x, y, z = actor.velocity
    if isinstance(actor, Car):
        if actor.physics_on:
            actor.take_speed_of(tuple_of((x + dx, y + dy, z)))
    elif isinstance(actor, Walker):
        actor.velocity = (x + dx, y + dy, z)
