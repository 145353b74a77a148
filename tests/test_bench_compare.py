"""``python -m bench --against``: what it concludes from pairs, and how it talks to the two sides. Nothing is timed."""

import contextlib
import itertools
import textwrap

import numpy as np
import pytest

from bench import __main__ as bench_command
from bench import environment, storage
from bench.compare import command, pairs, rows
from bench.compare.sides import Failure, Side, Worker

PLACES = np.random.default_rng(0).permutation(200) / 199 - 0.5
NARROW, WIDE = (1 + PLACES / 100).tolist(), (1 + PLACES).tolist()  # a percent in all, and a hundred


# Statistics


def test_median_and_interval_of_known_ratios():
    found = pairs.Estimate.of([1 + place / 1000 for place in np.random.default_rng(0).permutation(25)])
    assert (found.pairs, found.median) == (25, 1.012)
    # The eighth of 25 from both ends: P(8 <= Binomial(25, 1/2) <= 17) is 95.7 %, and 89.2 % one place further in.
    assert (found.low, found.high) == (1.007, 1.017)
    assert found.quartiles == (1.006, 1.018)


def test_too_few_ratios_measure_nothing():
    assert pairs.Estimate.of([1.0] * 5).verdict == pairs.NOT_MEASURED


@pytest.mark.parametrize(
    ("median", "low", "high", "verdict"),
    [
        (1.00, 0.99, 1.01, pairs.MEASURED),
        (1.04, 1.02, 1.06, pairs.FAILED),
        (1.04, 0.99, 1.05, pairs.MEASURED),  # it may be as fast
        (1.02, 1.01, 1.03, pairs.MEASURED),  # slower, but not by much
        (0.80, 0.79, 0.81, pairs.MEASURED),
        (1.00, 0.96, 1.04, pairs.NOT_MEASURED),
        (1.10, 1.01, 1.20, pairs.NOT_MEASURED),
        (1.30, 1.10, 1.50, pairs.FAILED),  # how much is not known, but all of it is too much
    ],
)
def test_verdict(median, low, high, verdict):
    assert pairs.Estimate(25, median, low, high, (low, high)).verdict == verdict


class Processes:
    """Processes with known ratios."""

    def __init__(self, ratios):
        self.ratios, self.starts, self.numbers = ratios, 0, []

    @contextlib.contextmanager
    def __call__(self):
        self.starts += 1
        yield self.pair

    def pair(self, number):
        self.numbers.append(number)
        return 2 * self.ratios[number], 2.0


def test_a_batch_is_enough_where_the_interval_is_narrow():
    processes = Processes(NARROW)
    found, times = pairs.take(processes)
    assert (found.pairs, found.verdict) == (25, pairs.MEASURED)
    assert found.median == np.median(NARROW[:25])
    assert len(times) == pairs.BATCH >= 25
    assert processes.numbers == list(range(25))
    assert processes.starts == pairs.STARTS


def test_a_wide_interval_counts_as_not_measured_after_all_pairs():
    processes = Processes(WIDE)
    found, _ = pairs.take(processes)
    assert (found.pairs, found.verdict) == (200, pairs.NOT_MEASURED)
    assert processes.numbers == list(range(200))
    assert processes.starts == pairs.STARTS + 7  # each further batch has its own


def test_pairs_end_when_the_interval_has_become_narrow():
    found, _ = pairs.take(Processes(WIDE[:25] + NARROW))
    assert found.verdict == pairs.MEASURED
    assert 25 < found.pairs < 200
    assert found.high - found.low <= pairs.WIDEST


def test_what_looks_slower_gets_all_pairs():
    slower = [1.05 * ratio for ratio in NARROW]
    found, _ = pairs.take(Processes(slower))
    assert (found.pairs, found.verdict) == (200, pairs.FAILED)
    found, _ = pairs.take(Processes(slower[:25] + NARROW))
    assert (found.pairs, found.verdict) == (200, pairs.MEASURED)


def row(name, ratio=None, verdict=pairs.MEASURED):
    return {"name": name, "ratio": ratio, "verdict": verdict}


def test_conclusion():
    found = pairs.conclusion([row("a", 1.0), row("b", 1.01), row("c", 1.5, pairs.NOT_MEASURED)])
    assert found == {
        "failed": [],
        "not_measured": ["c"],
        "geometric_mean": pytest.approx(1.01**0.5),
        "exit_code": 0,
    }


@pytest.mark.parametrize(
    "found",
    [
        [row("a", 0.9), row("b", 1.04, pairs.FAILED)],
        [row("a", 1.02), row("b", 1.02)],  # the mean is above its limit
        [row("a", 1.0), row("b", None, pairs.FAILED)],  # an error
        [row("a", 1.0, pairs.NOT_MEASURED)],  # nothing was measured
        [],
    ],
)
def test_exit_code_1(found):
    assert pairs.conclusion(found)["exit_code"] == 1


def test_order_alternates():
    order = []
    for number in range(4):
        assert command.in_turn(number, ("this", "other"), lambda side: order.append(side) or len(side)) == (4, 5)
    assert order == ["this", "other", "other", "this", "this", "other", "other", "this"]


# Rows


def test_rows():
    found = rows.all_rows()
    names = [row.name for row in found]
    assert len(set(names)) == len(names)
    assert {row.part for row in found} == set(rows.PARTS)
    assert not set(names) & set(rows.PARTS)
    assert [row.name for row in rows.chosen(())] == [row.name for row in rows.chosen(None)] == names
    assert {row.part for row in rows.chosen(["grid"])} == {"grid"}
    assert [row.name for row in rows.chosen(["digits-float32"])] == ["digits-float32"]


def test_unknown_names_are_refused(tmp_path, capsys):
    checkout(tmp_path, "")
    for arguments in (["--against", str(tmp_path), "--only", "nothing"], ["--against", str(tmp_path / "nowhere")]):
        with pytest.raises(SystemExit):
            bench_command.parse(arguments)
    assert "--only nothing: expected grid," in capsys.readouterr().err


# Sides: checkouts with a package that is fast to import, and whose results are known

STUB = """
import numpy

def fit(X, Y, learning_rate, hidden_size, iterations, *, init, n_threads=None, progress=None):
    print("this is no answer", flush=True)
    return {{name: array + {offset} for name, array in init.items()}}, numpy.zeros(iterations)
"""
FIT = rows.Row(
    "grid", "stub", lambda: {name: np.ones((2, 2)) for name in ("X", "Y", "W1", "b1", "W2", "b2")}, job="fit",
    options={"learning_rate": 0.3, "iterations": 3},
)  # fmt: skip


def checkout(folder, package):
    folder.joinpath("fastnn2").mkdir(parents=True)
    folder.joinpath("fastnn2", "__init__.py").write_text(textwrap.dedent(package))
    return folder


@pytest.fixture
def side(tmp_path):
    """Return a function that makes a side of a package."""
    count = itertools.count()

    def make(package, label="this"):
        number = next(count)
        return Side(label, checkout(tmp_path / f"checkout{number}", package), tmp_path / f"side{number}")

    return make


@pytest.fixture
def data(tmp_path):
    rows.write_data(FIT, tmp_path / "data.npz")
    return tmp_path / "data.npz"


def order(data, **changes):
    return {
        "do": "prepare", "data": str(data), "dtype": FIT.dtype, "job": FIT.job, "options": FIT.options, "short": {},
        "way": FIT.way, **changes,
    }  # fmt: skip


def test_a_worker_answers(side, data):
    with Worker(side(STUB.format(offset=0))) as worker, Worker(side(STUB.format(offset=1))) as other:
        prepared = [one.ask(**order(data)) for one in (worker, worker, other)]
        digests = [answer["digest"] for answer in prepared]
        assert digests[0] == digests[1] != digests[2]
        assert all(answer["seconds"] > 0 for answer in prepared)
        assert worker.ask(do="time", repeats=3)["seconds"] > 0


def test_a_worker_says_what_it_cannot_do_and_goes_on(side, data):
    with Worker(side(STUB.format(offset=0), "other")) as worker:
        with pytest.raises(Failure, match="other: ValueError: negative dimensions") as caught:
            worker.ask(**order(data, options={**FIT.options, "iterations": -1}))
        assert caught.value.label == "other"
        assert worker.ask(**order(data))["seconds"] > 0


def test_a_worker_that_ends(side, data):
    package = STUB.format(offset=0).replace("    return", "    import os; os._exit(3)\n    return")
    with (
        Worker(side(package)) as worker,
        pytest.raises(Failure, match="this: its process has ended with 3; this is no answer"),
    ):
        worker.ask(**order(data))


def test_an_import_that_fails(side):
    with pytest.raises(Failure, match="this: its process has ended with 1; ZeroDivisionError"), Worker(side("1 / 0")):
        pass


def test_an_import_from_elsewhere_is_refused(side, tmp_path):
    one = side("")
    one.environment["PYTHONPATH"] = str(checkout(tmp_path / "elsewhere", ""))
    with pytest.raises(Failure, match=r"this: fastnn2 is imported from .*elsewhere"), Worker(one):
        pass


def test_what_was_copied_counts(side):
    one = side("print('before')")
    one.checkout.joinpath("fastnn2", "__init__.py").write_text("print('after')")
    assert one.run(["-c", "import fastnn2"])[1] == "before\n"
    assert sorted(path.name for path in one.checkout.joinpath("fastnn2").iterdir()) == ["__init__.py"]


def test_a_fresh_process_has_no_kernels(side):
    one = side("")
    count = "import os, pathlib; folder = pathlib.Path(os.environ['FASTNN2_CACHE_DIR']); folder.mkdir(exist_ok=True); "
    count += "print(len(list(folder.iterdir()))); (folder / str(os.getpid())).touch()"
    assert [one.run(["-c", count], fresh=fresh)[1].strip() for fresh in (0, 0, 1, 1, 0)] == ["0", "1", "0", "0", "2"]


# The whole command


@pytest.fixture
def compared(tmp_path, monkeypatch):
    """Return a function that compares two packages by one row, in two pairs with given ratios."""

    def compare(this, other, ratio=1.0, row=FIT):
        def take(start, **_):
            with start() as pair:
                assert all(seconds > 0 for number in range(2) for seconds in pair(number))
            found = pairs.Estimate(25, ratio, ratio - 0.01, ratio + 0.01, (ratio, ratio))
            return found, [(ratio, 1.0)]

        monkeypatch.setattr(pairs, "take", take)
        monkeypatch.setattr(rows, "chosen", lambda names: [row])
        monkeypatch.setattr(environment, "ROOT", checkout(tmp_path / "this", this))
        lines, path = [], tmp_path / "results.json"
        code = command.run(checkout(tmp_path / "other", other), (), path, lines.append)
        return code, "\n".join(lines), storage.read(path)

    return compare


def test_same_results(compared):
    code, text, results = compared(*[STUB.format(offset=0)] * 2)
    assert code == 0
    assert "failed (a median above 1.03 and an interval above 1, or an error on this side): none" in text
    assert "other bits: none" in text
    assert "geometric mean of 1 rows: 1.0000" in text
    assert results["rows"][0] | {"took": 0} == {
        "part": "grid", "name": "stub", "verdict": "measured", "same_bits": True, "pairs": 25, "ratio": 1.0,
        "interval": [0.99, 1.01], "quartiles": [1.0, 1.0], "seconds": {"this": 1.0, "other": 1.0}, "took": 0,
    }  # fmt: skip
    assert results["conclusion"]["exit_code"] == 0


def test_other_bits_are_timed_and_named(compared):
    code, text, results = compared(STUB.format(offset=0), STUB.format(offset=1))
    assert code == 0
    assert results["rows"][0]["same_bits"] is False
    assert text.count("other bits") == 2
    assert "other bits: stub" in text


def test_a_slower_row(compared):
    code, text, results = compared(*[STUB.format(offset=0)] * 2, ratio=1.05)
    assert code == 1
    assert "FAILED" in text
    assert results["conclusion"]["failed"] == ["stub"]


def test_an_error_of_this_side_fails(compared):
    code, text, results = compared("def fit(): pass", STUB.format(offset=0))
    assert code == 1
    assert "FAILED: this: TypeError" in text
    assert results["conclusion"]["failed"] == ["stub"]


def test_an_error_of_the_other_side_is_not_measured(compared):
    code, text, results = compared(STUB.format(offset=0), "def fit(): pass")
    assert code == 1  # as nothing was measured
    assert "NOT MEASURED: other: TypeError" in text
    assert results["conclusion"]["not_measured"] == ["stub"]


def test_a_row_of_processes(compared):
    row = rows.Row("startup", "script", script=("-c", "import fastnn2; print(fastnn2.VALUE)"))
    code, _, results = compared("VALUE = 1", "VALUE = 2", row=row)
    assert code == 0
    assert results["rows"][0]["same_bits"] is False
