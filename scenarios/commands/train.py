"""``dirtyroad train``: make a driver."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from simulator.world import InvalidInput


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a driver",
        description="Train the lane-keeping network in the embedded world from nothing. The defaults give the shipped "
        "driver. A run that was interrupted goes on from its last checkpoint.",
    )
    parser.add_argument("what", choices=["lane_keeping"], help="what to train")
    parser.add_argument("--name", default="standard", help="of the driver (default: standard)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (default: 0)")
    parser.add_argument(
        "--dirt",
        type=float,
        metavar="UNITS",
        help="how much brighter or darker than the road the dirt may be that the driver sees, 0 to 0.5",
    )
    parser.add_argument("--steps", type=int, metavar="K", help="steps of the optimiser")
    parser.add_argument("--minutes", type=float, metavar="M", help="stop after so long, if not done before")
    parser.add_argument(
        "--workers", type=int, default=2, metavar="K", help="processes that render (default: 2)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("weights"), metavar="DIR", help="gets weights, card and checkpoint"
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from dataclasses import replace

    from lkas.training import Recipe, train

    bounds = {
        "seed": (0, 2**32 - 1),
        "dirt": (0, 0.5),
        "steps": (1, 10**7),
        "minutes": (0.1, 10**5),
        "workers": (0, 64),
    }
    for name, (low, high) in bounds.items():
        value = getattr(arguments, name)
        if value is not None and not low <= value <= high:
            raise InvalidInput(f"--{name} {value:g}: give a number from {low} to {high}")
    if not arguments.name.replace("_", "").replace("-", "").isalnum():
        raise InvalidInput(f"--name {arguments.name}: give letters, digits, '-' and '_'")
    recipe = Recipe(name=arguments.name, seed=arguments.seed)
    if arguments.dirt is not None:
        recipe = replace(recipe, episode=replace(recipe.episode, dirt=arguments.dirt))
    if arguments.steps is not None:
        recipe = replace(recipe, steps=arguments.steps)
    weights = train(recipe, arguments.out, arguments.minutes, arguments.workers)
    print(f"trained: {weights}; drive with --set 'assistant={{type: lane_keeping, weights: {weights}}}'")
    return 0
