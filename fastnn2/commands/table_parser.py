"""The commands for files of one's own, and their options."""

import argparse
import pathlib
from typing import Any

from fastnn2.commands import arguments
from fastnn2.commands.arguments import Help

FILES = "CSV, TSV (both also .gz), Parquet, Arrow or npz"


def add_table_commands(commands: Any) -> None:
    """Add train, predict, show and export."""
    _add_train(commands)
    predict = commands.add_parser(
        "predict",
        help="predict for the rows of a file",
        formatter_class=Help,
        description="Predict for each row of a file, in batches: the file may be larger than memory.",
    )
    predict.add_argument("model", type=pathlib.Path, metavar="MODEL", help="a model of fastnn2 train")
    predict.add_argument("file", type=pathlib.Path, metavar="FILE", help=f"the rows: {FILES}")
    predict.add_argument(
        "--out",
        type=pathlib.Path,
        metavar="FILE",
        help="file for the predictions, .csv, .tsv or .parquet (default: print CSV)",
    )
    predict.add_argument("--proba", action="store_true", help="also write the probability of each class")
    predict.add_argument(
        "--keep", action="append", default=[], metavar="COLUMN", help="also write a column of FILE (may be repeated)"
    )
    predict.add_argument(
        "--threads", type=arguments.threads, metavar="N", help="maximum number of threads (default: as many as pay off)"
    )
    predict.set_defaults(run=_predict, parser=predict)

    show = commands.add_parser(
        "show",
        help="show what a model is, how it was trained and how good it was",
        description="Show what a model is: its columns and sizes, how it was trained, and how good it was.",
    )
    show.add_argument("model", type=pathlib.Path, metavar="MODEL", help="a file of fastnn2 train or of fastnn2.save")
    show.add_argument("--json", action="store_true", help="print it as JSON")
    show.set_defaults(run=_show, parser=show)

    export = commands.add_parser(
        "export",
        help="write a model as ONNX or as C",
        description="Write a model with its preparation of the columns as ONNX or as C, and print how to call it.",
    )
    export.add_argument("model", type=pathlib.Path, metavar="MODEL", help="a file of fastnn2 train or of fastnn2.save")
    form = export.add_mutually_exclusive_group(required=True)
    form.add_argument(
        "--onnx", type=pathlib.Path, metavar="FILE", help="write ONNX, which programs in many languages run"
    )
    form.add_argument(
        "--c", type=pathlib.Path, metavar="FILE", help="write one file of C99, if all columns are numbers"
    )
    export.set_defaults(run=_export, parser=export)


def _add_train(commands: Any) -> None:
    train = commands.add_parser(
        "train",
        help="train on a file, print how good the model is, save it",
        formatter_class=Help,
        usage="%(prog)s FILE --target COLUMN [--out MODEL] [option ...]",
        description="Train a network on the rows of a file to predict one of its columns, test it on rows that are "
        "held out, and save it. Numbers are standardised, text becomes categories, dates become numbers, and values "
        "may be missing.",
        epilog="Example: fastnn2 train houses.csv --target price --drop address --out houses.model --plot houses.png",
    )
    train.add_argument("file", type=pathlib.Path, metavar="FILE", help=f"the rows: {FILES}")
    train.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    train.add_argument(
        "--out", type=pathlib.Path, metavar="MODEL", help="file for the model (default: it is not saved)"
    )

    data = train.add_argument_group("rows and columns")
    data.add_argument(
        "--drop", action="append", default=[], metavar="COLUMN", help="leave out a column (may be repeated)"
    )
    data.add_argument("--weight", metavar="COLUMN", help="a column that says how much each row counts")
    data.add_argument(
        "--task",
        choices=("classification", "regression"),
        help="learn classes or numbers (default: classes, if the target is text, true or false, or at most 20 "
        "different integers)",
    )
    data.add_argument(
        "--test", type=pathlib.Path, metavar="FILE", help="a file of rows to test on; then no rows are held out"
    )
    data.add_argument(
        "--test-size",
        type=arguments.fraction,
        metavar="X",
        help="part of the rows to hold out for the test (default: 0.2)",
    )
    data.add_argument(
        "--max-categories",
        type=arguments.max_categories,
        default=30,
        metavar="N",
        help="the most inputs that a column of text becomes, one for each of its most frequent texts",
    )
    data.add_argument(
        "--memory-limit",
        type=arguments.memory_limit,
        metavar="SIZE",
        help="the most memory for rows, such as 500MB or 2GiB; a larger table is read again and again, in blocks "
        "(default: half of what is free)",
    )

    network = train.add_argument_group("network and training")
    network.add_argument("--hidden", type=arguments.hidden, default=100, metavar="N", help="number of hidden units")
    network.add_argument("--alpha", type=arguments.alpha, default=1e-4, metavar="X", help="strength of the L2 penalty")
    network.add_argument(
        "--learning-rate",
        type=arguments.learning_rate,
        default=1e-3,
        metavar="X",
        help="step size of the optimizer, Adam",
    )
    network.add_argument(
        "--max-iter", type=arguments.iterations, default=200, metavar="N", help="the most epochs: passes over the rows"
    )
    network.add_argument(
        "--batch-size", type=arguments.batch_size, metavar="N", help="rows of a step (default: 200, or all if fewer)"
    )
    network.add_argument(
        "--class-weight", choices=("balanced",), help="balanced: a rare class counts as much as a frequent one"
    )
    network.add_argument(
        "--early-stopping",
        action=argparse.BooleanOptionalAction,
        help="keep a tenth of the training rows for validation, and stop when the network gets no better on them; "
        "otherwise stop when the loss no longer falls (default: yes, except for classes in at most 10,000 rows)",
    )
    network.add_argument("--dtype", choices=("float64", "float32"), default="float64", help="dtype of the computation")
    network.add_argument(
        "--threads", type=arguments.threads, metavar="N", help="maximum number of threads (default: as many as pay off)"
    )
    network.add_argument(
        "--seed",
        type=arguments.seed,
        default=0,
        metavar="N",
        help="seed of the split, the weights and the order of rows",
    )
    network.add_argument(
        "--checkpoint",
        type=pathlib.Path,
        metavar="FILE",
        help="a file for the state of the training, from which --resume goes on",
    )
    network.add_argument("--resume", action="store_true", help="go on from the checkpoint, if there is one")

    output = train.add_argument_group("output")
    output.add_argument(
        "--plot",
        type=pathlib.Path,
        metavar="FILE",
        help="save a picture of the training and of the test (.png, .svg, .pdf or .jpg)",
    )
    output.add_argument("--json", action="store_true", help="print the summary as JSON, and nothing else")
    train.set_defaults(run=_train, parser=train)


def _train(options: argparse.Namespace) -> int:
    from fastnn2.commands import train

    return train.run(options)


def _predict(options: argparse.Namespace) -> int:
    from fastnn2.commands import predict

    return predict.run(options)


def _show(options: argparse.Namespace) -> int:
    from fastnn2.commands import show

    return show.run(options)


def _export(options: argparse.Namespace) -> int:
    from fastnn2.commands import export

    return export.run(options)
