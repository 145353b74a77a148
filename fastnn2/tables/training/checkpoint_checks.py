"""What can be known of a checkpoint before a table is read: whether it is that of the training that is asked for."""

from typing import Any

from fastnn2.blocks.partial_fit_checkpoints import KIND as IN_BLOCKS
from fastnn2.estimators.checkpoint_run import KIND as IN_MEMORY
from fastnn2.estimators.checkpoint_state import Recorded
from fastnn2.storage import checkpoint_file
from fastnn2.storage.lock import FileLock
from fastnn2.tables.training.best_file import SavedBest, best_path, options_of
from fastnn2.tables.training.network import settings_of
from fastnn2.tables.training.options import TrainingOptions

REMEDY = "remove it, or pass another --checkpoint"


def begun_in_blocks(options: TrainingOptions) -> bool | None:
    """Return whether the training to go on from goes in blocks; None where there is none.

    Raises
    ------
    ValueError
        The file of the checkpoint is in use, is something else, is that of another training, or is there and nothing
        asks to go on from it.
    """
    path = options.checkpoint
    if path is None:
        return None
    best = best_path(path)
    found = [each for each in (path, best) if each.exists()]
    if not found:
        return None
    _check_free(options)
    kinds = {}
    if path in found:
        kind, *recorded = checkpoint_file.read_with_kind(path, IN_BLOCKS, IN_MEMORY)
        kinds[path] = kind
    if best in found:
        recorded_best = SavedBest(path)
    if not options.resume:
        raise ValueError(
            f"there is a checkpoint {str(found[0])!r} already; pass --resume to go on from it, or {REMEDY}"
        )
    if path in found and kinds[path] == IN_MEMORY:
        fit = Recorded(path, *recorded)
        check_same(options, _differences(fit.parameters, settings_of(options)))
        _check_epochs(options, max(fit.parameters["max_iter"], fit.state["n_iter_"]))
        return False
    if best not in found:
        raise ValueError(f"the checkpoint {str(path)!r} lacks the file {best.name!r} beside it; {REMEDY}")
    check_same(options, recorded_best.differences(options_of(options)))
    _check_epochs(options, recorded_best.epochs)
    return True


def check_same(options: TrainingOptions, differences: str) -> None:
    """Raise ValueError if there are differences between a checkpoint's training and the one that is asked for."""
    if differences:
        raise ValueError(
            f"the checkpoint {str(options.checkpoint)!r} is of a training with {differences}; pass the same file and "
            f"options, or {REMEDY}"
        )


def _check_epochs(options: TrainingOptions, least: int) -> None:
    if options.max_iter < least:
        raise ValueError(
            f"the checkpoint {str(options.checkpoint)!r} has {least} epochs, and --max-iter is {options.max_iter}, "
            f"which may only grow; pass {least} or more, or {REMEDY}"
        )


def _check_free(options: TrainingOptions) -> None:
    """Raise ValueError if another run has the file now; it takes the lock again itself."""
    assert options.checkpoint is not None
    lock = FileLock(options.checkpoint)
    try:
        is_free = lock.acquire()
    except OSError:  # a folder that cannot be written
        is_free = True
    finally:
        lock.release()
    if not is_free:
        raise ValueError(
            f"another training writes the checkpoint {str(options.checkpoint)!r}; wait for its end, or choose another "
            "file"
        )


def _differences(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    names = [name for name in wanted if name not in ("max_iter", "n_threads") and found.get(name) != wanted[name]]
    return ", ".join(f"{name}={found.get(name)!r} (here {wanted[name]!r})" for name in names)
