"""Mini-batch training against the NumPy reference, over activations, losses, optimizers, shapes and threads."""

import _thread
import contextlib
import itertools
import threading
import time

import numpy as np
import pytest
from data import DTYPES, PATIENCE, assert_close, assert_ended, assert_same_bits, fail_before_kernel
from mini_batch_data import (
    ACTIVATIONS,
    LOSSES,
    OPTIMIZERS,
    SHAPES,
    as_dict,
    as_flat,
    assert_near,
    make_trainer,
    orders_and_rates,
    problem,
    reference_run,
)
from scipy.sparse import csr_array

from fastnn2 import reference_mlp
from fastnn2.engine import inference, layout, mini_batch
from fastnn2.kernels.shared import choices, control_words, tuning


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("loss", LOSSES)
def test_epochs_equal_the_reference(loss, shape, weighted, dtype):
    number = SHAPES.index(shape) + list(LOSSES).index(loss)
    activation = list(ACTIVATIONS)[number % 4]
    optimizer = list(OPTIMIZERS)[number % 3]
    shuffle = number % 2 == 0
    trainer = make_trainer(shape, activation, loss, dtype, weighted, **OPTIMIZERS[optimizer])
    orders, rates = orders_and_rates(shape, trainer.n_batches, 3, shuffle)
    losses, interrupted = trainer.run(rates, orders)
    assert not interrupted
    expected_losses, expected = reference_run(
        shape, activation, loss, dtype, weighted, 0.1, optimizer, orders, rates, 3
    )
    assert_near(losses, expected_losses, dtype, "losses")
    assert_near(trainer.params, expected, dtype, "parameters")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_with_every_loss_and_optimizer(activation, loss, dtype):
    shape = (9, 6, 3, 75, 40)
    for optimizer, options in OPTIMIZERS.items():
        trainer = make_trainer(shape, activation, loss, dtype, **options)
        orders, rates = orders_and_rates(shape, trainer.n_batches, 2, True)
        losses, _ = trainer.run(rates, orders)
        expected_losses, expected = reference_run(
            shape, activation, loss, dtype, True, 0.1, optimizer, orders, rates, 2
        )
        assert_near(losses, expected_losses, dtype, (optimizer, "losses"))
        assert_near(trainer.params, expected, dtype, (optimizer, "parameters"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_equals_the_reference_and_changes_no_parameter(loss, dtype):
    for shape in SHAPES:
        shape = (*shape[:4], shape[3])  # one batch of all samples
        d, h, o, n, _ = shape
        trainer = make_trainer(shape, "tanh", loss, dtype, optimizer=choices.GRADIENT)
        before = trainer.params.copy()
        for _ in range(2):  # the second run uses the tiles kept from the first
            losses, _ = trainer.run(np.zeros(1))
            X, Y, params, weights = (array.astype(float) for array in problem(d, h, o, n, loss, dtype))
            expected_loss, gradients = reference_mlp.loss_and_gradient(
                X.T, Y.T, as_dict(params, d, h, o), "tanh", loss, alpha=0.1, sample_weight=weights
            )
            expected = as_flat({name[1:]: value for name, value in gradients.items()})
            assert_near(losses, np.array([expected_loss]), dtype, shape)
            assert_near(trainer.first_moments, expected, dtype, shape)
            assert_same_bits(trainer.params, before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(30, 100, 1, 450, 450), (5, 7, 11, 3000, 3000), (2, 5, 1, 90, 90)], ids=str)
def test_persistent_workers_do_not_change_a_bit_of_gradients(shape, dtype):
    loss, factors = "cross_entropy" if shape[2] > 1 else "log_loss", np.random.RandomState(0).standard_normal(4)

    def gradients(n_threads, factors_by_team):
        found, teams = [], []
        trainer = make_trainer(shape, "relu", loss, dtype, optimizer=choices.GRADIENT, n_threads=n_threads)
        start = trainer.params.copy()
        for factors_of_team in factors_by_team:
            with trainer.persistent_workers():
                for factor in factors_of_team:
                    trainer.params = start * factor
                    losses, interrupted = trainer.run(np.zeros(1))
                    assert not interrupted
                    found += [losses, trainer.first_moments]
                    teams.append(trainer._waiting[0])
            assert trainer._waiting is None
        assert teams[0] is teams[1]
        return tuple(found)

    expected = gradients(1, [factors])
    for n_threads, factors_by_team in ((2, [factors]), (3, [factors]), (7, [factors[:2], factors[2:]])):
        assert_same_bits(gradients(n_threads, factors_by_team), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "poisson", "cross_entropy"])
def test_loss_of_many_equal_outputs_stays_accurate(loss, dtype):
    # Terms that are equal are all rounded in the same direction.
    n, o, z = 5, 1000, np.log(0.3 if loss == "poisson" else 3 / 7)
    params = np.concatenate([np.zeros(2 + o), np.full(o, z)]).astype(dtype)  # every output is its bias
    Y = np.zeros((n, o), dtype=dtype)
    if loss == "cross_entropy":  # all classes but the first are equal, and the right class is one of them
        params[2 + o], Y[:, 5] = 0.0, 1.0
    network = mini_batch.Network(1, 1, o, choices.TANH, LOSSES[loss])
    rows = mini_batch.SampleMatrix(np.zeros((n, 1)), dtype)
    trainer = mini_batch.MiniBatchTrainer(
        network, rows, Y, None, params, alpha=0.0, batch=n, optimizer=choices.GRADIENT, n_threads=1
    )
    z = params[2 + o :].astype(float)
    expected = {
        "log_loss": np.log1p(np.exp(z)).sum(),
        "squared_error": np.square(z).mean() / 2,
        "poisson": np.exp(z).sum(),
        "cross_entropy": np.log(np.exp(z - z[5]).sum()),
    }[loss]
    assert_close(trainer.run(np.zeros(1))[0][0], expected, expected, dtype)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("d", [29, 31])
def test_samples_with_another_number_of_features_raise(d, sparse):
    X = np.ones((4, d))
    rows = mini_batch.SampleMatrix(csr_array(X) if sparse else X, np.float64)
    network = mini_batch.Network(30, 2, 1, choices.TANH, choices.LOG_LOSS)
    params = np.zeros(network.n_params)
    with pytest.raises(ValueError, match=f"X has {d} features, but the coefficients of the model are for 30"):
        inference.PreparedNetwork(network, params, np.float64).outputs(rows)
    with pytest.raises(ValueError, match=f"X has {d} features, but the coefficients of the model are for 30"):
        mini_batch.MiniBatchTrainer(
            network, rows, np.ones((4, 1)), None, params, alpha=0.0, batch=4, optimizer=choices.SGD
        )


@pytest.mark.parametrize("failing", [0, 1, 2])
@pytest.mark.parametrize("persistent_workers", [False, True], ids=["one run", "many runs"])
@pytest.mark.parametrize("batch", [3000, 100])
def test_error_before_the_kernel_ends_all_threads(batch, persistent_workers, failing, monkeypatch):
    """A mini-batch of 100 divides the hidden units among the threads, a larger one the samples."""
    trainer = make_trainer(
        (20, 200, 1, 3000, batch), "tanh", "log_loss", "float64", optimizer=choices.GRADIENT, n_threads=3
    )
    assert (trainer.parts > 1) == (batch == 100)
    trainer.run(np.zeros(trainer.n_batches))  # loads the kernel

    fail_before_kernel(failing, monkeypatch)
    before = _thread._count()
    with trainer.persistent_workers() if persistent_workers else contextlib.nullcontext():
        for _ in range(2):
            with pytest.raises(RuntimeError, match="no way into the kernel"):
                trainer.run(np.zeros(trainer.n_batches))
    assert_ended(before)


def test_params_order_maps_parameters_and_gradient():
    shape = (4, 6, 2, 50, 50)
    d, h, o, n, batch = shape
    X, Y, params, weights = problem(d, h, o, n, "log_loss", "float64")
    order = np.random.RandomState(2).permutation(len(params))
    network = mini_batch.Network(d, h, o, choices.TANH, choices.LOG_LOSS)
    found = []
    for params_order, own_params in ((None, params), (order, params[order])):
        trainer = mini_batch.MiniBatchTrainer(
            network, mini_batch.SampleMatrix(X, "float64"), Y, weights, own_params, alpha=0.1, batch=batch,
            optimizer=choices.GRADIENT, params_order=params_order,
        )  # fmt: skip
        assert_same_bits(trainer.params, own_params)
        found.append((trainer.run(np.zeros(1))[0], trainer.first_moments))
    assert_same_bits(found[1][0], found[0][0])
    assert_same_bits(found[1][1], found[0][1][order])


@pytest.mark.parametrize(("groups", "tile_groups", "expected"), [
    (1, 6, 1), (6, 6, 6), (7, 6, 7), (8, 6, 8), (9, 6, 5), (12, 6, 6), (13, 6, 7), (40, 30, 14), (100, 16, 15),
])  # fmt: skip
def test_tiles_of_a_chunk_have_even_sizes(groups, tile_groups, expected):
    assert tuning.even_tiles(groups, tile_groups) == expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    "shape", [(30, 100, 1, 450, 200), (30, 64, 3, 450, 200), (30, 25, 1, 450, 200), (5, 7, 11, 3000, 3000),
              (2, 5, 1, 900, 500)], ids=str,
)  # fmt: skip
def test_threads_and_split_runs_do_not_change_a_bit(shape, shuffle, dtype):
    def run(n_threads, parts):
        trainer = make_trainer(shape, "relu", "cross_entropy", dtype, n_threads=n_threads, **OPTIMIZERS["adam"])
        orders, rates = orders_and_rates(shape, trainer.n_batches, 4, shuffle)
        losses, first = [], 0
        for count in parts:
            part = None if orders is None else orders[first : first + count]
            losses.append(trainer.run(rates[first * trainer.n_batches :][: count * trainer.n_batches], part)[0])
            first += count
        return (
            np.concatenate(losses),
            trainer.params.copy(),
            trainer.first_moments.copy(),
            trainer.second_moments.copy(),
        )

    expected = run(1, [4])
    for n_threads, parts in ((2, [4]), (3, [4]), (4, [4]), (7, [1, 3]), (1, [1, 1, 1, 1]), (2, [2, 2])):
        assert_same_bits(run(n_threads, parts), expected)


def test_shapes_include_division_by_samples_and_by_units():
    parts = {shape: tuning.count_parts(shape[4], *shape[:3], "float64") for shape in SHAPES}
    assert set(parts.values()) > {1, 2}
    chunks = {tuning.count_chunks(shape[4], *shape[:3], "float64") for shape in SHAPES if parts[shape] == 1}
    assert chunks > {1}


@pytest.mark.parametrize("batch", [64, 200])
@pytest.mark.parametrize("h", [24, 25, 50, 64, 100, 101, 128, 1000])
def test_two_threads_get_equal_numbers_of_units(h, batch):
    parts = tuning.count_parts(batch, 30, h, 1, "float64")
    assert 2 <= parts <= tuning.MAX_PARTS
    assert parts % 2 == 0
    firsts = [tuning.first_unit(part, parts, h) for part in range(parts + 1)]
    assert min(np.diff(firsts)) > 0
    assert abs(h - 2 * firsts[parts // 2]) <= tuning.PART_UNITS + h % tuning.PART_UNITS


@pytest.mark.parametrize("parts", [1, 2, 4, 12, 16])
@pytest.mark.parametrize("h", [1, 5, 6, 7, 48, 100, 193])
def test_parts_cover_each_parameter_once(h, parts):
    network = mini_batch.Network(3, h, 2, choices.TANH, choices.LOG_LOSS)
    firsts = [tuning.first_unit(part, parts, h) for part in range(parts + 1)]
    assert (firsts[0], firsts[-1], firsts) == (0, h, sorted(firsts))
    stride = 1200
    positions = layout.param_positions(3, h, 2, parts, stride)
    assert len(positions) == len(set(positions.tolist())) == network.n_params
    if parts == 1:
        assert_same_bits(positions, np.arange(network.n_params))
    W1 = positions[: 3 * h].reshape(h, 3)
    for part, (first, last) in enumerate(itertools.pairwise(firsts)):
        assert_same_bits(W1[first:last].ravel(), part * stride + np.arange(3 * (last - first)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sparse_rows_give_the_bits_of_dense_rows(dtype):
    sparse = pytest.importorskip("scipy.sparse")
    shape = (12, 6, 2, 150, 64)
    d, h, o, n, batch = shape
    X, Y, params, weights = problem(d, h, o, n, "log_loss", dtype)
    X[np.random.RandomState(0).rand(n, d) < 0.7] = 0.0
    X[5] = 0.0  # an empty row
    network = mini_batch.Network(d, h, o, choices.TANH, choices.LOG_LOSS)
    results = []
    for rows in (X, sparse.csr_matrix(X), sparse.csc_matrix(X), sparse.csr_array(X)):
        trainer = mini_batch.MiniBatchTrainer(
            network,
            mini_batch.SampleMatrix(rows, dtype),
            Y,
            weights,
            params,
            alpha=0.1,
            batch=batch,
            **OPTIMIZERS["adam"],
        )
        for shuffle in (True, False):
            orders, rates = orders_and_rates(shape, trainer.n_batches, 2, shuffle)
            trainer.run(rates, orders)
        prepared = inference.PreparedNetwork(network, trainer.params, dtype)
        results.append((trainer.params.copy(), prepared.outputs(mini_batch.SampleMatrix(rows, dtype))[0]))
    for result in results[1:]:
        assert_same_bits(result, results[0])


@pytest.mark.parametrize("is_persistent", [True, False])
@pytest.mark.parametrize("is_short", [True, False])
def test_a_trainer_is_stopped_by_another_thread(is_short, is_persistent, monkeypatch):
    """The run ends after a mini-batch, and so do all that follow."""
    shape = (8, 13, 1, 200, 66)
    monkeypatch.setattr(mini_batch, "is_short_job", lambda *_: is_short)
    trainer = make_trainer(shape, "relu", "log_loss", "float64", n_threads=1, **OPTIMIZERS["adam"])
    rates = np.full(10_000_000, 1e-9)  # for minutes
    trainer.run(rates[: trainer.n_batches])  # compiled

    def is_under_way():  # more epochs are complete than the one of the run before
        arrays = trainer._last_run[1]
        return arrays is not None and arrays.control[control_words.COMPLETED] > 1

    def stop():
        deadline = time.monotonic() + PATIENCE
        while not is_under_way() and time.monotonic() < deadline:
            time.sleep(0.001)
        trainer.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with trainer.persistent_workers() if is_persistent else contextlib.nullcontext():
        losses, interrupted = trainer.run(rates)
        assert interrupted
        assert 1 < len(losses) < len(rates) // trainer.n_batches
        stopped = trainer.params
        assert trainer.run(rates)[1]
    assert_same_bits(trainer.params, stopped)
    stopper.join()
