"""``dirtyroad train``: make the networks that are shipped, or others in their manner."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scenarios.commands import selection
from scenarios.output import print_json, progress_bar
from scenarios.registry import plugin
from simulator.errors import InvalidInput


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a network",
        description="Train a network in the embedded world from nothing. The defaults give what is shipped.",
    )
    kinds = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    _add_lane_keeping(kinds)
    _add_small_driver(kinds)
    _add_autoencoder(kinds)
    _add_task(kinds)


def _add_lane_keeping(kinds: Any) -> None:
    parser = kinds.add_parser(
        "lane_keeping",
        help="the driver",
        description="Train the lane-keeping network. A run that was interrupted goes on from its last checkpoint.",
    )
    parser.add_argument("--name", default="standard", help="of the driver (default: standard)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (default: 0)")
    parser.add_argument(
        "--dirt",
        type=float,
        metavar="UNITS",
        help="how much brighter or darker than the road a stretch of dirt may be, 0 to 1 (default: 0.2)",
    )
    parser.add_argument("--steps", type=int, metavar="K", help="steps of the optimiser (default: 8000)")
    parser.add_argument(
        "--begin-from", metavar="WEIGHTS", help="another driver's name or file (default: learn from nothing)"
    )
    parser.add_argument(
        "--filters",
        type=int,
        nargs=5,
        metavar="K",
        help="width of the network's stem and of its four stages (default: 16 32 48 64 96)",
    )
    parser.add_argument("--hidden-size", type=int, metavar="K", help="of its memory (default: 256)")
    parser.add_argument(
        "--learning-rate", type=float, metavar="R", help="of AdamW, at its highest (default: 0.002)"
    )
    parser.add_argument("--minutes", type=float, metavar="M", help="stop after so long, if not done before")
    parser.add_argument(
        "--workers", type=int, default=2, metavar="K", help="processes that render (default: 2)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("weights"), metavar="DIR", help="gets weights, card and checkpoint"
    )
    parser.set_defaults(execute=train_lane_keeping)


def _add_small_driver(kinds: Any) -> None:
    parser = kinds.add_parser(
        "small_driver",
        help="a small driver of which something can be proved",
        description="Train the small driver of `dirtyroad certify driver --driver small` on the road of a scenario: "
        "interval bounds over the pixels that a patch can touch are in its loss.",
    )
    parser.add_argument("scenario", metavar="FILE|NAME", help="whose road and light it learns")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (default: 0)")
    parser.add_argument("--episodes", type=int, metavar="N", help="stretches that are rendered (default: 27)")
    parser.add_argument("--epochs", type=int, metavar="N", help="over all frames (default: 20)")
    parser.add_argument(
        "--radius", type=float, metavar="R", help="of pixels, in steps of brightness of 255 (default: 4)"
    )
    parser.add_argument(
        "--weight",
        type=float,
        metavar="W",
        help="of the bounds in the loss, 0 for ordinary training (default: 0.02)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("weights"), metavar="DIR", help="gets weights and card"
    )
    parser.set_defaults(execute=train_small)


def _add_autoencoder(kinds: Any) -> None:
    parser = kinds.add_parser(
        "autoencoder",
        help="the denoiser of the defense 'autoencoder'",
        description="Train the denoising autoencoder on frames of random places.",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (default: 0)")
    parser.add_argument("--steps", type=int, metavar="K", help="steps of the optimiser (default: 1200)")
    parser.add_argument(
        "--noise", type=float, metavar="UNITS", help="that is to be taken away (default: 0.1)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("weights"), metavar="DIR", help="gets weights and card"
    )
    parser.set_defaults(execute=train_autoencoder)


def _add_task(kinds: Any) -> None:
    parser = kinds.add_parser(
        "task",
        help="the network of a task that a package brings",
        description="Train the network of a task (`dirtyroad list tasks`), and judge it on samples of its own.",
    )
    parser.add_argument("name", help="of the task")
    selection.add_options(parser, "task")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (default: 0)")
    parser.add_argument("--steps", type=int, default=500, metavar="K", help="of Adam (default: 500)")
    parser.add_argument(
        "--learning-rate", type=float, default=1e-3, metavar="R", help="of Adam (default: 0.001)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("weights"), metavar="DIR", help="gets weights and card"
    )
    parser.add_argument("--json", action="store_true", help="print the card")
    parser.set_defaults(execute=train_task)


def train_lane_keeping(arguments: argparse.Namespace) -> int:
    """Train a driver; returns the exit code."""
    from dataclasses import replace

    from lkas.training import Recipe, train

    selection.check_numbers(
        arguments,
        seed=(0, selection.LARGEST_SEED),
        dirt=(0, 1),
        hidden_size=(1, 4096),
        steps=(1, 10**7),
        learning_rate=(1e-9, 10),
        minutes=(0.1, 10**5),
        workers=(0, 64),
    )
    if not arguments.name.replace("_", "").replace("-", "").isalnum():
        raise InvalidInput(f"--name {arguments.name}: give letters, digits, '-' and '_'")
    recipe = Recipe(arguments.name, arguments.seed)
    if arguments.dirt is not None:
        recipe = replace(recipe, episode=replace(recipe.episode, dirt=arguments.dirt))
    if arguments.filters is not None:
        if not all(1 <= width <= 1024 for width in arguments.filters):
            raise InvalidInput(
                f"--filters {' '.join(map(str, arguments.filters))}: give numbers from 1 to 1024"
            )
        recipe = replace(recipe, filters=tuple(arguments.filters))
    names = "begin_from", "hidden_size", "steps", "learning_rate"
    given = {name: getattr(arguments, name) for name in names}
    recipe = replace(recipe, **{name: value for name, value in given.items() if value is not None})
    weights = train(recipe, arguments.out, arguments.minutes, arguments.workers)
    print(f"trained: {weights}; drive with --set 'assistant={{type: lane_keeping, weights: {weights}}}'")
    return 0


def train_small(arguments: argparse.Namespace) -> int:
    """Train a small driver; returns the exit code."""
    from defenses.bounds import keep_freed_memory
    from defenses.driver_bounds.small_training import SmallRecipe, save_small_driver, train_small_driver
    from scenarios.build import scene_of
    from scenarios.files import load, locate

    selection.check_numbers(
        arguments,
        seed=(0, selection.LARGEST_SEED),
        episodes=(1, 10**5),
        epochs=(1, 10**5),
        radius=(0, 255),
        weight=(0, 10**3),
    )
    names = ("seed", "episodes", "epochs", "radius", "weight")
    given = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    if "radius" in given:
        given["radius"] /= 255
    recipe = SmallRecipe(arguments.scenario, **given)
    paths = locate(arguments.scenario)
    if len(paths) != 1:
        raise InvalidInput(f"{arguments.scenario}: means {len(paths)} scenarios; name one")
    scene = scene_of(load(paths[0]))
    keep_freed_memory()
    with progress_bar("training the small driver", recipe.episodes + recipe.epochs) as advance:
        network, report = train_small_driver(recipe, scene, advance)
    weights = save_small_driver(network, recipe, report, arguments.out)
    print(f"trained: {weights}; prove with 'dirtyroad certify driver SCENARIO --driver {weights}'")
    return 0


def train_autoencoder(arguments: argparse.Namespace) -> int:
    """Train a denoiser; returns the exit code."""
    from defenses.input_transformations.autoencoder_training import DenoiserRecipe, train_denoiser

    selection.check_numbers(arguments, seed=(0, selection.LARGEST_SEED), steps=(1, 10**7), noise=(0.001, 1))
    given = {name: getattr(arguments, name) for name in ("seed", "steps", "noise")}
    recipe = DenoiserRecipe(**{name: value for name, value in given.items() if value is not None})
    weights = train_denoiser(recipe, arguments.out)
    print(f"trained: {weights}; drive with --set 'defenses=[{{type: autoencoder, weights: {weights}}}]'")
    return 0


def train_task(arguments: argparse.Namespace) -> int:
    """Train the network of a task; returns the exit code."""
    from safetensors.torch import save_file

    from defenses import task as tasks
    from scenarios.store import write_json

    selection.check_numbers(
        arguments, seed=(0, selection.LARGEST_SEED), steps=(1, 10**7), learning_rate=(1e-9, 10)
    )
    options = selection.parse_options("tasks", arguments.name, arguments.overrides)
    task: tasks.Task = plugin("tasks", arguments.name).load()(options)
    recipe = tasks.TaskRecipe(arguments.seed, arguments.steps, arguments.learning_rate)
    with progress_bar(f"training {arguments.name}", recipe.steps) as advance:
        network = tasks.train_task(task, recipe, advance)
    weights = arguments.out / f"{arguments.name}.safetensors"
    card = {
        "task": options.model_dump(mode="json"),
        "recipe": asdict(recipe),
        "quality": tasks.mean_quality(task, network, recipe.seed),
    }
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        save_file(network.state_dict(), weights)
        write_json(weights.with_suffix(".json"), card)
    except OSError as error:
        raise InvalidInput(f"--out {arguments.out}: cannot be written ({error})") from error
    if arguments.json:
        print_json(card)
    else:
        print(f"trained: {weights}; quality on new samples {card['quality']:.3g}")
    return 0
