"""Instructions to a driver, in words: six intents, made from phrases whose words have synonyms.

Everyday words come often and their synonyms rarely, so that an ordinary classifier learns little about the latter: the
gap that a word substitution attacks.
"""

from __future__ import annotations

import torch

INTENTS = ("keep_lane", "change_left", "change_right", "slow_down", "speed_up", "stop")

SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("please", "kindly"),
    ("now", "immediately", "promptly"),
    ("car", "vehicle", "automobile"),
    ("road", "street", "carriageway"),
    ("driver", "chauffeur"),
    ("stay", "remain", "continue"),
    ("lane", "track"),
    ("this", "our"),
    ("move", "change", "shift", "switch"),
    ("left", "leftmost", "nearside"),
    ("right", "rightmost", "offside"),
    ("slow", "brake", "decelerate"),
    ("gently", "softly", "smoothly"),
    ("accelerate", "hurry", "quicken"),
    ("briskly", "swiftly", "rapidly"),
    ("stop", "halt", "park"),
    ("here", "there"),
    ("clear", "empty", "free"),
    ("wet", "slippery", "icy"),
    ("children", "pedestrians", "people"),
    ("crossing", "walking"),
    ("late", "delayed"),
)
"""Words of a group may stand for each other; the first is the everyday one."""

_ORDERS = {
    "keep_lane": ("stay in this lane", "stay on the road in this lane"),
    "change_left": ("move to the left lane", "move left"),
    "change_right": ("move to the right lane", "move right"),
    "slow_down": ("slow the car gently", "slow gently"),
    "speed_up": ("accelerate the car briskly", "accelerate briskly"),
    "stop": ("stop the car here", "stop here"),
}
_OPENINGS = ("", "please", "driver please", "now")
_REASONS = (
    "",
    "as the road is clear",
    "as the road is wet",
    "for children are crossing",
    "for we are late",
    "behind the car on the left",
    "behind the car on the right",
)
EVERYDAY = 0.9
"""How often the everyday word of a group is taken."""


def instructions(count: int, generator: torch.Generator) -> tuple[list[list[str]], list[int]]:
    """Random sentences and their intents.

    Args:
        count: how many.
        generator: draws them.

    Returns:
        Words of every sentence, and places in ``INTENTS``.
    """
    groups = {group[0]: group for group in SYNONYMS}
    sentences, labels = [], []
    for _ in range(count):
        label = _draw(len(INTENTS), generator)
        orders = _ORDERS[INTENTS[label]]
        parts = [
            _OPENINGS[_draw(len(_OPENINGS), generator)],
            orders[_draw(len(orders), generator)],
            _REASONS[_draw(len(_REASONS), generator)],
        ]
        sentences.append([_said(word, groups, generator) for word in " ".join(parts).split()])
        labels.append(label)
    return sentences, labels


def _draw(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))


def _said(word: str, groups: dict[str, tuple[str, ...]], generator: torch.Generator) -> str:
    group = groups.get(word, (word,))
    if len(group) == 1 or float(torch.rand((), generator=generator)) < EVERYDAY:
        return word
    return group[1 + _draw(len(group) - 1, generator)]
