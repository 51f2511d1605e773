"""The subjects of ``dirtyroad certify`` that are trained for it: readers of digits, classifiers of sentences."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.commands.selection import LARGEST_SEED, check_file, check_numbers
from scenarios.output import print_json, print_table, progress_bar

if TYPE_CHECKING:
    from scenarios.results.digits import Digits

COUNTS = {"samples": (1, math.inf), "judged": (1, math.inf), "seed": (0, LARGEST_SEED)}
"""What all of them count."""


def add_digits(subjects: Any) -> None:
    """Declare ``certify digits``."""
    parser = subjects.add_parser(
        "digits",
        help="train a small reader of digits so that much can be proved of it",
        description="Train a small network on MNIST twice, in the ordinary way and against growing changes of all "
        "pixels (CROWN-IBP with loss fusion). Judged on test pictures is what share of answers is right, what "
        "share stays right under projected gradient ascent, and what share is proved to stay right.",
    )
    _add_training(parser, "pixels", 0.1)
    parser.set_defaults(execute=execute_digits)


def add_landscape(subjects: Any) -> None:
    """Declare ``certify landscape``."""
    parser = subjects.add_parser(
        "landscape",
        help="train a small reader of digits so that its weights may move",
        description="Train a small network on MNIST twice, in the ordinary way and against growing changes of all "
        "weight matrices (CROWN-IBP with loss fusion). Judged on test pictures are the loss around the trained "
        "weights, as gradient ascent finds it within the radius and as it is proved, and what share of answers is "
        "right, also with weights of few bits.",
    )
    _add_training(parser, "each weight matrix (l2 norm)", 0.02)
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw the loss over the distance, as .png or .svg"
    )
    parser.set_defaults(execute=execute_landscape)


def _add_training(parser: argparse.ArgumentParser, moved: str, radius: float) -> None:
    """What both readers of digits are trained with."""
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="mnist.npz")
    parser.add_argument(
        "--radius", type=float, default=radius, metavar="R", help=f"of {moved} (default: {radius})"
    )
    parser.add_argument("--epochs", type=int, default=10, metavar="N", help="of training (default: 10)")
    parser.add_argument(
        "--samples", type=int, default=60000, metavar="N", help="pictures to train on (default: all)"
    )
    parser.add_argument(
        "--judged", type=int, default=1000, metavar="N", help="test pictures to judge on (default: 1000)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is drawn (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def _digits(arguments: argparse.Namespace) -> tuple[Digits, Digits]:
    """What to train on and what to judge on."""
    check_numbers(arguments, **COUNTS, radius=(1e-9, 1e9))
    from scenarios.results.digits import load_digits

    train, test = load_digits(arguments.data)
    return train.some(arguments.samples), test.some(arguments.judged)


def execute_digits(arguments: argparse.Namespace) -> int:
    """Train and judge; returns the exit code."""
    from defenses.bounds import keep_freed_memory
    from scenarios.results.certified_digits import against_pixels

    parts = _digits(arguments)
    keep_freed_memory()
    with progress_bar("training", 2 * arguments.epochs) as advance:
        found = against_pixels(*parts, arguments.radius, arguments.epochs, arguments.seed, advance)
    if arguments.json:
        print_json({"digits": [vars(row) for row in found]})
        return 0
    rows = [
        (r.training, f"{r.clean:.1%}", f"{r.attacked:.1%}", f"{r.certified:.1%}", f"{r.seconds:.0f}")
        for r in found
    ]
    columns = ("training", "right", "under attack", "proved right", "time [s]")
    print_table(f"digits against pixels within {arguments.radius:g}", columns, rows)
    return 0


def execute_landscape(arguments: argparse.Namespace) -> int:
    """Train, judge, draw; returns the exit code."""
    check_file("--plot", arguments.plot, ".png", ".svg")
    from defenses.bounds import keep_freed_memory
    from scenarios.results.flat_landscape import against_weights

    parts = _digits(arguments)
    keep_freed_memory()
    with progress_bar("training", 2 * arguments.epochs) as advance:
        found = against_weights(*parts, arguments.radius, arguments.epochs, arguments.seed, advance)
    if arguments.plot is not None:
        from scenarios.results.flat_landscape_plot import draw

        draw(found, arguments.plot)
    if arguments.json:
        print_json({"landscape": [{**asdict(row), "within": asdict(row.within)} for row in found]})
        return 0
    bits = list(found[0].rounded)
    columns = ("training", "right", *(f"{n} bits" for n in bits), "loss", "attacked", "proved", "time [s]")
    rows = [
        (
            row.training,
            f"{row.clean:.1%}",
            *(f"{row.rounded[n]:.1%}" for n in bits),
            f"{row.loss:.3f}",
            f"{row.within.attacked:.3f}",
            "nothing" if row.within.proved is None else f"{row.within.proved:.3g}",
            f"{row.seconds:.0f}",
        )
        for row in found
    ]
    print_table(f"digits with weight matrices moved by {arguments.radius:g}", columns, rows)
    return 0


def add_language(subjects: Any) -> None:
    """Declare ``certify language``."""
    parser = subjects.add_parser(
        "language",
        help="train a small classifier of sentences so that much can be proved of it",
        description="Train a small classifier of instructions to a driver, or of film reviews, twice: in the ordinary "
        "way, and against words replaced by synonyms (CROWN-IBP with loss fusion). Judged is what share of answers is "
        "right, what share stays right under random substitutions, and what share is proved to stay right.",
    )
    parser.add_argument("network", choices=["lstm", "transformer"], help="what reads")
    parser.add_argument(
        "--sst2", type=Path, metavar="DIR", help="read SST-2's train.tsv and dev.tsv in this folder instead"
    )
    parser.add_argument(
        "--budget", type=int, default=2, metavar="N", help="words of a sentence that change (default: 2)"
    )
    parser.add_argument(
        "--length", type=int, default=12, metavar="N", help="of a sentence, in words (default: 12)"
    )
    parser.add_argument("--epochs", type=int, default=10, metavar="N", help="of training (default: 10)")
    parser.add_argument(
        "--samples", type=int, default=2000, metavar="N", help="sentences to train on (default: 2000)"
    )
    parser.add_argument(
        "--judged", type=int, default=300, metavar="N", help="other sentences to judge on (default: 300)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is drawn (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(execute=execute_language)


def execute_language(arguments: argparse.Namespace) -> int:
    """Train and judge; returns the exit code."""
    check_numbers(arguments, **COUNTS, budget=(1, math.inf), length=(1, math.inf))
    from defenses.bounds import keep_freed_memory
    from scenarios.results.certified_language import against_substitution, orders, phrases

    if arguments.sst2 is None:
        corpus = orders(arguments.samples, arguments.judged, arguments.length, arguments.seed)
    else:
        corpus = phrases(arguments.sst2, arguments.samples, arguments.judged, arguments.length)
    keep_freed_memory()
    settings = arguments.network, arguments.budget, arguments.epochs, arguments.seed
    with progress_bar("training", 2 * arguments.epochs) as advance:
        found = against_substitution(corpus, *settings, advance)
    if arguments.json:
        print_json({"language": [vars(row) for row in found]})
        return 0
    rows = [
        (
            row.training,
            f"{row.clean:.1%}",
            f"{row.attacked:.1%}",
            f"{row.certified:.1%}",
            f"{row.seconds:.0f}",
        )
        for row in found
    ]
    columns = ("training", "right", "under substitutions tried", "proved right", "time [s]")
    print_table(f"{arguments.network} against {arguments.budget} substitutions", columns, rows)
    return 0
