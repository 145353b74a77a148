"""The commands and their options."""

import argparse
import pathlib

from fastnn2._version import __version__
from fastnn2.commands import arguments
from fastnn2.commands.arguments import Help, Parser
from fastnn2.commands.table_parser import add_table_commands


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="fastnn2", description="Two-layer neural networks trained on the CPU as fast as the CPU allows."
    )
    parser.add_argument("--version", action="version", version=f"fastnn2 {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)

    add_table_commands(commands)
    moons = commands.add_parser(
        "moons",
        help="train on scikit-learn's moons, print costs and times, save a picture",
        formatter_class=Help,
        description="Train on scikit-learn's make_moons, print costs, accuracy and times, and save a picture.",
    )
    moons.add_argument("--samples", type=arguments.samples, default=500, metavar="N", help="number of samples")
    moons.add_argument(
        "--iterations", type=arguments.iterations, default=5000, metavar="N", help="number of iterations"
    )
    _add_training(moons, "moons.png")
    moons.add_argument(
        "--published",
        action="store_true",
        help="repeat the run whose first cost the tutorial prints and show both costs; overrides the other options",
    )
    moons.add_argument(
        "--compare", action="store_true", help="also run the NumPy reference and show how its time and results differ"
    )
    moons.set_defaults(run=_moons, parser=moons)

    scale = commands.add_parser(
        "scale",
        help="train on 1,000, 10,000, … moons and show how the time grows",
        formatter_class=Help,
        description="Train on 1,000, 10,000, … samples of make_moons, print a table, and save a picture.",
    )
    scale.add_argument(
        "--max-samples",
        type=arguments.max_samples,
        default=10_000_000,
        metavar="N",
        help="the largest number of samples, up to 1e8, or 1e9 with --out-of-core",
    )
    scale.add_argument(
        "--iterations",
        type=arguments.iterations,
        metavar="N",
        help="number of iterations at every size (default: fewer for larger sizes)",
    )
    _add_training(scale, "scale.png")
    scale.add_argument(
        "--compare",
        action="store_true",
        help="also time the NumPy reference, as long as it is quick and fits in memory",
    )
    scale.add_argument(
        "--out-of-core",
        metavar="FOLDER",
        help="also train on files in this folder, of which only a part is in memory at a time; they are written to an "
        "empty folder (24 bytes a sample in float64, and a ninth more for the smaller sizes), stay there, and are used "
        "again",
    )
    scale.add_argument(
        "--memory-limit",
        type=arguments.memory_limit,
        metavar="SIZE",
        help="the most memory for samples from files, in bytes or as 500MB or 2GiB (default: half of what is free)",
    )
    scale.add_argument("--json", type=pathlib.Path, metavar="FILE", help="save the table as JSON")
    scale.set_defaults(run=_scale, parser=scale)

    info = commands.add_parser("info", help="show versions, processor, cores and compiled kernels")
    info.set_defaults(run=_info, parser=info)

    warmup = commands.add_parser("warmup", help="compile all kernels and store them")
    warmup.add_argument(
        "--cpu", metavar="LEVEL", help="compile for other processors: x86-64, x86-64-v2, x86-64-v3 or x86-64-v4"
    )
    warmup.set_defaults(run=_warmup, parser=warmup)
    return parser


def _add_training(parser: argparse.ArgumentParser, picture_name: str) -> None:
    """Add the options that the training commands share."""
    parser.add_argument(
        "--noise", type=arguments.noise, default=0.2, metavar="X", help="standard deviation of the noise"
    )
    parser.add_argument("--hidden", type=arguments.hidden, default=5, metavar="N", help="number of hidden units")
    parser.add_argument(
        "--learning-rate", type=arguments.learning_rate, default=0.3, metavar="X", help="step size of gradient descent"
    )
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64", help="dtype of the computation")
    parser.add_argument(
        "--threads", type=arguments.threads, metavar="N", help="maximum number of threads (default: as many as pay off)"
    )
    parser.add_argument(
        "--seed", type=arguments.seed, default=3, metavar="N", help="seed of the initial weights and the samples"
    )
    picture = parser.add_mutually_exclusive_group()
    picture.add_argument(
        "--plot", type=pathlib.Path, metavar="FILE", help=f"file for the picture (default: {picture_name})"
    )
    picture.add_argument("--no-plot", action="store_true", help="save no picture")


def _moons(options: argparse.Namespace) -> int:
    from fastnn2.commands import moons

    return moons.run(options)


def _scale(options: argparse.Namespace) -> int:
    from fastnn2.commands import scale

    return scale.run(options)


def _info(options: argparse.Namespace) -> int:
    from fastnn2.commands import info

    return info.show()


def _warmup(options: argparse.Namespace) -> int:
    from fastnn2.commands import info

    return info.warm_up(options.cpu)
