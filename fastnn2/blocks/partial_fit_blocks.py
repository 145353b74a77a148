"""partial_fit_blocks: the estimators' partial_fit over blocks, one of which is read while another is trained on."""

import contextlib
import dataclasses
import math
import os
import pathlib
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import unique_labels

from fastnn2.blocks.block_progress import BlockProgress
from fastnn2.blocks.labelled_blocks import Block, LabelledBlocks
from fastnn2.blocks.open_blocks import open_blocks
from fastnn2.blocks.partial_fit_checkpoints import BlockCheckpoints, Position, Start
from fastnn2.blocks.read_ahead import ReadAhead
from fastnn2.estimators.mlp import MLPClassifier, MLPRegressor
from fastnn2.estimators.partial_fit_state import check_before_training, drawing_from, raising_interrupts
from fastnn2.functional import checks
from fastnn2.functional.observed import as_checkpoint

Array = np.ndarray[Any, Any]
Estimator = TypeVar("Estimator", MLPClassifier, MLPRegressor)


def partial_fit_blocks(
    estimator: Estimator,
    blocks: Any,
    epochs: int = 1,
    *,
    shuffle: bool = True,
    random_state: Any = None,
    classes: Any = None,
    target: Any = None,
    weight: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    resume: bool = False,
    progress: bool | None = None,
) -> Estimator:
    """Train an estimator on samples that need not fit in memory, by its ``partial_fit`` on one block after the other.

    It is a loop of ``partial_fit`` (see the notes), bit for bit. Another thread reads the next block meanwhile.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Of fastnn2, with the solver "sgd" or "adam". One that is fitted goes on from what it has.
    blocks : tuple, sequence, iterable, str or Path
        Samples are rows, and y is what the estimator takes: labels, numbers to predict, or several for a sample.

        - A tuple (X, y) or (X, y, sample_weight) of arrays, memory maps or paths of .npy files: blocks are 65,536 rows
          each, the last one fewer.
        - The path of a Parquet file, or of a folder of them, with `target`: blocks are 65,536 rows of a file each, the
          last one of each file fewer.
        - A sequence, which has a length and gives ``blocks[i]``, of tuples (X, y) or (X, y, sample_weight).
        - Anything else that yields such tuples each time it is iterated over, with ``shuffle=False``.

        Members of the tuples of a sequence or an iterable may be all that ``partial_fit`` takes, also sparse matrices
        and data frames. A block without rows is skipped. A tuple whose first member is such a tuple is a sequence of
        blocks.
    epochs : int
        How many times to train on all blocks; at least 1.
    shuffle : bool
        Whether each epoch takes the blocks in another order. Rows inside a block are shuffled by ``partial_fit``, as
        the estimator's own `shuffle` says.
    random_state : int, RandomState or None
        Source of the orders of blocks. None takes NumPy's global random state, as scikit-learn does.
    classes : array_like (n_classes,), optional
        All classes, for a classifier that has none yet. Without them a first pass over y finds them: it reads y alone
        from files, and whole blocks from a sequence or an iterable.
    target : str or list of str, optional
        The columns of y in Parquet files.
    weight : str, optional
        The column of the weights in Parquet files. All others are features.
    checkpoint : str or Path, optional
        A file for the state of the run, which is written between blocks while training goes on, and at the end, also
        after Ctrl-C and errors. Where these come amid a block, it has a state between two blocks, of at most about a
        second before that block. It is never half written. One run at a time has the file. A file of another run (other
        parameters, `shuffle`, `random_state`, `classes` or data) is refused. Data are known by their shapes, dtypes and
        some rows: up to 1,024 of all rows of a tuple of arrays, of the first and the last block of Parquet files and
        sequences, of the first block of iterables.
    checkpoint_seconds : float
        The least time from one checkpoint to the next.
    resume : bool
        Whether to go on from `checkpoint`, where there is such a file. The estimator, fitted or not, gets the state of
        the file, and ends as that of a run that was never stopped, bit for bit; so do instances of RandomState.
        `epochs` counts all epochs of the run, and may grow. With ``random_state=None``, of the estimator or of the
        orders, the run goes on with a generator of its own.
    progress : bool, optional
        Whether to show a progress bar of the rows; None shows one on a terminal if training takes over a second.

    Returns
    -------
    MLPClassifier or MLPRegressor
        The estimator. Its ``loss_curve_`` has one more entry for each block of each epoch.

    Raises
    ------
    TypeError, ValueError
        An argument or a block is invalid; the message says which block, and in which file it is. What was trained
        before stays in the estimator.
    KeyboardInterrupt
        Ctrl-C was pressed. The estimator has what was trained until then, as after Ctrl-C in ``partial_fit``.

    See Also
    --------
    fit_blocks : Gradient descent over all samples, as :func:`fit`.

    Notes
    -----
    The same, with blocks that can be indexed::

        orders = sklearn.utils.check_random_state(random_state)
        for epoch in range(epochs):
            for i in orders.permutation(len(blocks)) if shuffle else range(len(blocks)):
                X, y, sample_weight = blocks[i]
                estimator.partial_fit(X, y, sample_weight=sample_weight, classes=classes)

    (A regressor takes no `classes`.) The state of Adam and of momentum is kept from block to block. With an integer as
    the estimator's `random_state`, ``partial_fit`` begins with the same random numbers each time, so that blocks of
    equal length have their rows in the same order. What ``fit`` counts in epochs, ``partial_fit`` counts in calls,
    which are blocks: ``learning_rate="adaptive"`` compares the losses of blocks.

    Numbers of a tuple of arrays or files in the other byte order are converted to that of the machine first. An
    iterable is iterated over in another thread. Parquet files are read by slices: where their row groups are much
    larger than 65,536 rows, each is decoded several times in an epoch.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import fastnn2
    >>> from sklearn.datasets import make_moons
    >>> X, y = make_moons(2000, noise=0.2, random_state=0)
    >>> folder = tempfile.mkdtemp()
    >>> files = os.path.join(folder, "X.npy"), os.path.join(folder, "y.npy")
    >>> np.save(files[0], X), np.save(files[1], y)
    (None, None)
    >>> model = fastnn2.MLPClassifier(random_state=0, batch_size=20)
    >>> fastnn2.partial_fit_blocks(model, files, 50, random_state=0).score(X, y) > 0.95
    True

    Blocks of one's own, which a sequence makes when they are asked for:

    >>> class Blocks:
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, i):
    ...         return X[500 * i : 500 * (i + 1)], y[500 * i : 500 * (i + 1)]
    >>> model = fastnn2.MLPClassifier(random_state=0, batch_size=20)
    >>> model = fastnn2.partial_fit_blocks(model, Blocks(), 50, random_state=0, classes=[0, 1])
    >>> len(model.loss_curve_)
    200
    """
    _check_estimator(estimator)
    epochs = checks.as_integer(epochs, "epochs", 1, 10**15)
    if not isinstance(shuffle, bool | np.bool_):
        raise TypeError(f"shuffle is {shuffle!r}; expected True or False")
    if not (progress is None or isinstance(progress, bool)):
        raise ValueError(f"progress is {progress!r}; expected True, False or None")
    if classes is not None and not is_classifier(estimator):
        raise TypeError(f"classes is given, and the estimator is {type(estimator).__name__}; leave them out")
    check_random_state(random_state)
    wanted = as_checkpoint(checkpoint, checkpoint_seconds, resume)
    opened = open_blocks(blocks, target, weight)
    if shuffle and not opened.has_any_order:
        raise ValueError(
            f"shuffle is True, and the blocks of {type(blocks).__name__} come in one order only; pass a sequence (with "
            "__len__ and __getitem__) or files, or shuffle=False"
        )
    run_on_blocks(estimator, opened, epochs, bool(shuffle), random_state, classes, wanted, progress)
    return estimator


def run_on_blocks(
    estimator: Any,
    blocks: LabelledBlocks,
    epochs: int,
    shuffle: bool,
    random_state: Any,
    classes: Any,
    checkpoint: tuple[pathlib.Path, float, bool] | None,
    progress: bool | None,
    epoch_ended: Callable[[int], bool] | None = None,
) -> None:
    """Train as :func:`partial_fit_blocks` does, with checked arguments.

    Parameters
    ----------
    checkpoint : tuple or None
        The file, the seconds between two checkpoints, and whether to go on from it.
    epoch_ended : callable, optional
        Called with the number of epochs that are done, also where a run goes on from the end of one; the estimator has
        their state. It returns whether to go on. No checkpoint of the next epoch is written before it returns.
    """
    saver = None if checkpoint is None else BlockCheckpoints(*checkpoint)
    with saver or contextlib.nullcontext(), raising_interrupts(estimator):
        start = Start(Position(), check_random_state(random_state))
        if saver is not None:
            start = saver.begin(estimator, blocks, epochs, shuffle, random_state, classes)
        with drawing_from(estimator, start.of_model), BlockProgress(progress) as bar:
            run = _Run(estimator, blocks, epochs, saver, bar, epoch_ended)
            if is_classifier(estimator):
                run.classes = classes
                if classes is None and not hasattr(estimator, "classes_"):
                    run.classes = _find_classes(blocks)
            run.go_on(start, shuffle)


def _check_estimator(estimator: Any) -> None:
    """Raise TypeError or ValueError if an estimator cannot be trained block by block."""
    if not isinstance(estimator, MLPClassifier | MLPRegressor):
        remedy = ""
        if hasattr(estimator, "steps"):
            remedy = (
                ". Pass the last step of the Pipeline as estimator, and transform the rows where the blocks are made, "
                "in a sequence or an iterable that gives (transformer.transform(X), y)"
            )
        raise TypeError(
            f"estimator is {type(estimator).__name__}; expected fastnn2's MLPClassifier or MLPRegressor{remedy}"
        )
    check_before_training(estimator)


def _find_classes(blocks: LabelledBlocks) -> Array:
    """Return the classes of all blocks, which a first pass finds."""
    found: Array | None = None
    with ReadAhead(blocks.targets()) as reader:
        for index, y in reader:
            try:
                labels = unique_labels(y)
                found = labels if found is None else unique_labels(found, labels)
            except Exception as error:
                _raise_with_place(error, f"the classes of {blocks.where(index)}{_not_finite(blocks, index, y=y)}")
    if found is None:
        raise _empty()
    return found


def _empty() -> ValueError:
    return ValueError("blocks has no rows; expected at least one")


def _not_finite(blocks: LabelledBlocks, index: int, **members: Any) -> str:
    """Return words on the first row that is not finite of the first member of a block that has one; else none."""
    for name, values in members.items():
        if isinstance(values, np.ndarray) and values.ndim in (1, 2) and values.dtype.kind == "f":
            are_finite = np.isfinite(values.reshape(len(values), math.prod(values.shape[1:]))).all(axis=1)
            if not are_finite.all():
                return f" ({blocks.where_row(index, int(are_finite.argmin()), name)} is not finite)"
    return ""


def _raise_with_place(error: Exception, place: str) -> NoReturn:
    """Raise an error with the place where it came from: in the message of a ValueError, or else as a note."""
    if type(error) is ValueError:
        raise ValueError(f"{place}: {error}") from error
    error.add_note(f"in {place}")
    raise error


class _Run:
    """Training on all blocks, epoch by epoch."""

    def __init__(
        self,
        estimator: Any,
        blocks: LabelledBlocks,
        epochs: int,
        saver: BlockCheckpoints | None,
        bar: BlockProgress,
        epoch_ended: Callable[[int], bool] | None,
    ) -> None:
        self._estimator, self._blocks, self._epochs, self._saver, self._bar = estimator, blocks, epochs, saver, bar
        self._epoch_ended = epoch_ended
        self.classes: Any = None
        self._position = Position()
        self._is_at_position = True  # False from the beginning of a change to its end, as Ctrl-C may come in between

    def go_on(self, start: Start, shuffle: bool) -> None:
        """Train from a position to the end of the last epoch."""
        self._position = start.position
        self._bar.start(self._rows_before(start.position))
        has_trained = start.position.epoch > 0 or start.position.done > 0
        try:
            while self._position.epoch < self._epochs:
                if shuffle and self._position.order is None:
                    self._is_at_position = False
                    assert self._blocks.count is not None
                    order = start.generator.permutation(self._blocks.count)
                    self._position = dataclasses.replace(self._position, order=order)
                    self._is_at_position = True
                has_trained |= self._train_epoch()
                if not has_trained:
                    raise _empty()
                self._position = Position(self._position.epoch + 1)
                if self._epoch_ended is not None and not self._epoch_ended(self._position.epoch):
                    break
        except BaseException:
            self._write_last()
            raise
        self._write_last()

    def _train_epoch(self) -> bool:
        """Train on the blocks of an epoch that are left; return whether there was one with rows."""
        has_trained = False
        with ReadAhead(self._blocks.read(self._position.order, self._position.done)) as reader:
            for index, block in reader:
                next_position = dataclasses.replace(self._position, done=self._position.done + 1)
                if block.rows == 0:
                    self._position = next_position
                    continue
                self._is_at_position = False
                self._train(index, block)
                self._position = next_position
                self._is_at_position = has_trained = True
                if self._saver is not None:
                    self._saver.block_ended(self._estimator, self._position)
                sizes = self._blocks.sizes
                total = None if sizes is None else self._epochs * sum(sizes)
                self._bar.add(block.rows, self._estimator.loss_, total)
        return has_trained

    def _train(self, index: int, block: Block) -> None:
        """Call ``partial_fit`` with one block."""
        options = {} if self.classes is None else {"classes": self.classes}
        try:
            self._estimator.partial_fit(block.X, block.y, sample_weight=block.weights, **options)
        except Exception as error:
            _raise_with_place(error, self._place_of(index, block))

    def _place_of(self, index: int, block: Block) -> str:
        """Return where an error comes from: the block, and the first row that is not finite, if there is one."""
        fault = _not_finite(self._blocks, index, X=block.X, y=block.y, sample_weight=block.weights)
        return f"{self._blocks.where(index)}, in epoch {self._position.epoch + 1}{fault}"

    def _write_last(self) -> None:
        """Write the state of the last block that is done; where a block was not ended, that which was kept last."""
        if self._saver is None or not hasattr(self._estimator, "_optimizer"):
            return
        if self._is_at_position:
            self._saver.keep(self._estimator, self._position)
        self._saver.write()

    def _rows_before(self, position: Position) -> int:
        """Return how many rows were trained on before a position, as far as it is known."""
        sizes = self._blocks.sizes
        if sizes is None:
            return 0
        done = range(position.done) if position.order is None else position.order[: position.done].tolist()
        return position.epoch * sum(sizes) + sum(sizes[index] for index in done)
