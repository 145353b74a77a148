"""What a training on a table is asked for."""

import dataclasses
import pathlib

CLASSIFICATION, REGRESSION = "classification", "regression"


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """The options of ``fastnn2 train``, checked one by one.

    Attributes
    ----------
    target : str
        The column to predict.
    drop : tuple of str
        Columns to leave out.
    weight : str or None
        The column of the rows' weights.
    task : {CLASSIFICATION, REGRESSION} or None
        None finds it from the target.
    test_size : float
        The part of the rows that is held out, above 0 and below 1; not used with a test file.
    max_categories : int
        The most columns that a column of text becomes.
    early_stopping : bool or None
        None is True, but for classes in a small table.
    hidden, max_iter : int
    alpha, learning_rate : float
    batch_size : int or None
        None is scikit-learn's "auto".
    class_weight : {"balanced"} or None
    dtype : {"float64", "float32"}
    threads : int or None
    seed : int
        Of the split, the sample, the initial weights and the order of the rows.
    checkpoint : Path or None
    resume : bool
        Whether to go on from the checkpoint, where there is one.
    keep : bool
        Whether the model is to be saved.
    memory_limit : str or None
        The most memory that rows may take, as blocks/memory_limit has it.
    """

    target: str
    drop: tuple[str, ...] = ()
    weight: str | None = None
    task: str | None = None
    test_size: float = 0.2
    max_categories: int = 30
    early_stopping: bool | None = None
    hidden: int = 100
    alpha: float = 1e-4
    learning_rate: float = 1e-3
    max_iter: int = 200
    batch_size: int | None = None
    class_weight: str | None = None
    dtype: str = "float64"
    threads: int | None = None
    seed: int = 0
    checkpoint: pathlib.Path | None = None
    resume: bool = False
    keep: bool = False
    memory_limit: str | None = None

    @property
    def stops_early(self) -> bool:
        """Whether there is a validation part, once that is decided."""
        return bool(self.early_stopping)
