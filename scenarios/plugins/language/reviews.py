"""Sentences of film reviews (SST-2) from files, and synonyms of words that are frequent in them."""

from __future__ import annotations

from pathlib import Path

from simulator.errors import InvalidInput

SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("film", "movie", "picture"),
    ("story", "tale", "plot"),
    ("good", "fine", "decent"),
    ("great", "superb", "excellent", "terrific"),
    ("bad", "poor", "lousy"),
    ("funny", "amusing", "humorous"),
    ("boring", "dull", "tedious"),
    ("smart", "clever", "intelligent"),
    ("stupid", "dumb", "silly"),
    ("touching", "moving", "affecting"),
    ("beautiful", "lovely", "gorgeous"),
    ("powerful", "forceful", "potent"),
    ("charming", "delightful", "enchanting"),
    ("fresh", "new", "original"),
    ("old", "stale", "tired"),
    ("characters", "figures", "roles"),
    ("performance", "acting", "portrayal"),
    ("director", "filmmaker"),
    ("love", "affection"),
    ("often", "frequently"),
    ("never", "hardly"),
    ("very", "really", "quite"),
    ("entertaining", "enjoyable", "pleasant"),
    ("worth", "deserving"),
    ("hard", "difficult"),
    ("big", "large", "huge"),
    ("small", "little", "tiny"),
)
"""Words of a group may stand for each other."""


def read_reviews(path: Path) -> tuple[list[list[str]], list[int]]:
    """Words of every sentence, and 1 for a friendly, 0 for an unfriendly one.

    Args:
        path: a ``.tsv`` file of SST-2: a header, then sentence, tab and label in every line.

    Raises:
        InvalidInput: it is something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: cannot be read ({error})") from error
    sentences, labels = [], []
    for number, line in enumerate(lines, start=2):
        text, tab, label = line.rpartition("\t")
        if not tab or label not in ("0", "1"):
            raise InvalidInput(f"{path}: line {number} is not a sentence, a tab and 0 or 1")
        sentences.append(text.lower().split())
        labels.append(int(label))
    if not sentences:
        raise InvalidInput(f"{path}: there are no sentences in it")
    return sentences, labels
