"""The table of results: no bit has changed, the table would notice if one had, and its script does what it says."""

import collections
import json
import pathlib
import re

import numpy as np
import pytest
import results_table
from results_rows import THREADS, digest, of_threads

import fastnn2

ROWS = results_table.all_rows()
GROUPS = list(dict.fromkeys(row.group for row in ROWS if not row.machine_bound))
BOUND = [row for row in ROWS if row.machine_bound]
CHECKOUT = str(pathlib.Path(fastnn2.__file__).resolve().parents[1])
RENEW = "If they are meant to, renew the table: python tests/results_table.py --write"


def run(*arguments):
    return results_table.main(["--of", CHECKOUT, *arguments])


def file_digests():
    common, bound, _ = results_table.read()
    return common | bound


def assert_as_in_the_file(rows):
    expected, _ = results_table.expected_here(rows)
    lines = results_table.differences(results_table.compute(rows), expected)
    assert not lines, "\n".join([f"{len(lines)} of {len(rows)} results have changed. {RENEW}", *lines])


@pytest.mark.parametrize("group", GROUPS)
def test_no_bit_of_a_result_has_changed(group):
    assert_as_in_the_file([row for row in ROWS if row.group == group and not row.machine_bound])


def test_no_bit_has_changed_of_results_that_are_bound_to_a_machine():
    here, there = results_table.machine(), results_table.read()[2]
    if here != there:
        groups = collections.Counter((row.group, row.bound_by) for row in BOUND)
        names = ", ".join(f"{group} ({count} rows: {by})" for (group, by), count in groups.items())
        other = ", ".join(name for name in here if here[name] != there.get(name))
        pytest.skip(f"{names}: bound to the machine that wrote the table; this one has other {other}")
    assert_as_in_the_file(BOUND)


# What is in the table


def test_the_file_has_the_rows_of_the_code():
    common, bound, _ = results_table.read()
    assert list(common) == [row.name for row in ROWS if not row.machine_bound]
    assert list(bound) == [row.name for row in BOUND]
    assert len(common | bound) == len(ROWS)


def test_the_table_is_large_enough():
    kinds = collections.Counter(name.split()[0] for name in file_digests())
    assert kinds["estimator"] >= 60
    assert sum(kinds.values()) - kinds["estimator"] >= 300
    assert set(kinds) == {"fit", "forward", "predict", "cost", "backward", "update", "estimator", "predictions"}
    assert len(BOUND) < len(ROWS) / 10


def test_rows_have_one_digest_where_their_inputs_are_the_same_and_others_elsewhere():
    digests, of_case = file_digests(), collections.defaultdict(set)
    for row in ROWS:
        of_case[row.case].add(digests[row.name])
    assert [case for case, found in of_case.items() if len(found) > 1] == []
    assert len({each for found in of_case.values() for each in found}) == len(of_case)


def test_one_thread_two_and_seven_give_the_same_digest():
    digests, by_threads = file_digests(), collections.defaultdict(dict)
    for row in ROWS:
        for threads in THREADS:
            if row.variant == of_threads(threads):
                by_threads[row.case][threads] = digests[row.name]
    assert len(by_threads) >= 40
    for case, found in by_threads.items():
        assert set(found) == {1, 2, 7}, case
        assert len(set(found.values())) == 1, case


def test_names_say_which_kernel_trains():
    from fastnn2.kernels.shared import tuning

    found = [re.match(r"fit (\w+) (\d+)-(\d+)-(\d+) ", row.name) for row in ROWS if row.name.startswith("fit ")]
    for match in found:
        kernel, *shape = match.groups()
        assert tuning.train_kernel(*map(int, shape)) == kernel
    assert {match[1] for match in found} == {"train_narrow", "train", "train_wide"}


def test_rows_use_nothing_but_the_public_names():
    for name in ("results_rows", "results_fits", "results_estimators"):
        text = pathlib.Path(__file__).with_name(f"{name}.py").read_text()
        assert not re.search(r"(from|import) fastnn2(?!$)", text, re.MULTILINE)
        assert set(re.findall(r"\bfastnn2\.(\w+)", text)) <= set(fastnn2.__all__)
        assert not re.search(r"\w\._[a-z]", text), "of an estimator, too, only public attributes"


# What a digest notices


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_one_bit_changes_a_digest(dtype):
    array = np.arange(1, 60, dtype=dtype)
    found = {digest({"W1": array, "cost_": [0.5]})}
    for byte in (0, 7, array.nbytes // 2, array.nbytes - 1):
        for bit in (0, 7):
            changed = array.copy()
            changed.view(np.uint8)[byte] ^= 1 << bit
            found.add(digest({"W1": changed, "cost_": [0.5]}))
    assert len(found) == 9
    assert digest({"W1": array.astype(array.dtype.newbyteorder(">"))[::-1][::-1], "cost_": (0.5,)}) in found


def test_what_else_changes_a_digest():
    zeros = np.zeros((2, 3))
    different = [
        zeros, -zeros, zeros.T, zeros.ravel(), zeros.astype(np.float32), zeros.astype(int), zeros[:, :2], [zeros],
        [zeros, zeros], {"W1": zeros}, {"W2": zeros}, [*zeros], [[*zeros]], 0.0, 0, [], zeros + np.nan,
    ]  # fmt: skip
    assert len({digest(each) for each in different}) == len(different)
    assert digest({"a": 1, "b": zeros}) == digest({"b": np.asfortranarray(zeros), "a": 1})
    for nothing in (None, "text", np.array([None])):
        with pytest.raises(TypeError, match="a digest of"):
            digest(nothing)


def test_one_bit_of_an_input_changes_a_digest():
    source = np.random.RandomState(0)
    X, Y = source.random_sample((9, 70)), source.randint(0, 2, (2, 70))
    init = {"W1": source.random_sample((7, 9)), "b1": source.random_sample((7, 1))}
    init |= {"W2": source.random_sample((2, 7)), "b2": source.random_sample((2, 1))}
    before = digest(fastnn2.fit(X, Y, 0.3, 7, 3, init=init))
    init["W1"][3, 4] = np.nextafter(init["W1"][3, 4], 1)
    assert digest(fastnn2.fit(X, Y, 0.3, 7, 3, init=init)) != before


# The script

ONLY = ("--only", r"^update .*float32$")


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Return the path of a copy of the table, which the script takes for its own."""
    path = tmp_path / "table.json"
    path.write_text(results_table.PATH.read_text())
    monkeypatch.setattr(results_table, "PATH", path)
    return path


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_script_compares_with_the_file(file, capsys):
    assert run(*ONLY) == 0
    assert capsys.readouterr().out == "0 of 7 rows differ from table.json\n"

    def edit(content):
        content["rows"]["update 9-7-3 n=1 float32"] = "0" * 16
        content["rows"]["update of yore float32"] = "1" * 16
        del content["rows"]["update 1-1-1 n=1 float32"]

    change(file, edit)
    assert run(*ONLY) == 1
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"update 1-1-1 n=1 float32: \w{16}, expected none: a new row", lines[0])
    assert re.match(r"update 9-7-3 n=1 float32: \w{16}, expected 0{16}", lines[1])
    assert lines[2:] == [
        "update of yore float32: no such row, expected " + "1" * 16,
        "3 of 8 rows differ from table.json",
    ]


def test_script_writes_the_file(file, capsys):
    before = file.read_text()
    assert run("--write", *ONLY) == 0
    assert file.read_text() == before
    assert re.fullmatch(r"table.json written with \d+ rows: 0 changed, 0 new, 0 gone\n", capsys.readouterr().out)

    def edit(content):
        content["rows"]["update 9-7-3 n=1 float32"] = "0" * 16
        content["rows"]["update of yore float32"] = "1" * 16
        del content["rows"]["update 1-1-1 n=1 float32"]

    change(file, edit)
    assert run("--write", *ONLY) == 0
    assert file.read_text() == before
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "changed: update 9-7-3 n=1 float32", "new: update 1-1-1 n=1 float32", "gone: update of yore float32"
    ]  # fmt: skip


def test_script_keeps_rows_of_one_machine_together(file, capsys):
    change(file, lambda content: content["machine"].update(numpy="1.0"))
    only = ("--only", "^(update|predictions).* n=(1|300) ")
    assert run(*only) == 0
    assert capsys.readouterr().out.startswith("12 rows are left out: they are bound to the machine on which table.json")
    before = file.read_text()
    assert run("--write", *only) == 2
    assert "run --write without --only" in capsys.readouterr().err
    assert file.read_text() == before
    assert run("--write", *ONLY) == 0
    assert json.loads(file.read_text())["machine"]["numpy"] == "1.0"


ANOTHER = """
def update(gradients, params, learning_rate):
    return {name: value + (value.shape == (1, 1)) for name, value in params.items()}
"""


def test_script_compares_with_another_checkout(tmp_path, capfd):
    only = ("--only", "^(update 2-5-1|predictions number .* 3% )")
    assert run(*only, "--against", CHECKOUT) == 0
    assert capfd.readouterr().out == f"0 of 4 rows differ from {CHECKOUT}\n"
    (tmp_path / "fastnn2").mkdir()
    (tmp_path / "fastnn2" / "__init__.py").write_text(ANOTHER)
    assert run("--only", "^update 2-5-1", "--against", str(tmp_path)) == 1
    lines = capfd.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["update 2-5-1 n=1 float64", "update 2-5-1 n=1 float32"]
    assert lines[2:] == [f"2 of 2 rows differ from {tmp_path}"]
    with pytest.raises(SystemExit, match="could not compute the rows; see above"):
        run("--only", "^forward 2-5-1", "--against", str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "("], r"--only '\(' is not a regular expression"),
        (["--only", "no such"], "--only 'no such' is in the name of no row"),
        (["--against", "/nowhere"], "/nowhere has no folder fastnn2; expected a checkout"),
        (["--against", CHECKOUT, "--write"], "not allowed with argument"),
        (["--wirte"], "unrecognized arguments: --wirte"),
    ],
)
def test_script_refuses_what_makes_no_sense(arguments, message, capsys):
    with pytest.raises(SystemExit) as error:
        run(*arguments)
    assert error.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_script_refuses_another_fastnn2_than_it_is_asked_for(tmp_path, capsys):
    (tmp_path / "fastnn2").mkdir()
    (tmp_path / "fastnn2" / "__init__.py").touch()
    with pytest.raises(SystemExit):
        results_table.main(["--of", str(tmp_path)])
    assert f"fastnn2 was imported from {CHECKOUT}, not from {tmp_path}" in capsys.readouterr().err


def test_script_needs_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(results_table, "PATH", tmp_path / "none.json")
    with pytest.raises(SystemExit):
        run(*ONLY)
    assert "there is no" in capsys.readouterr().err
    assert run("--write", *ONLY) == 0
    assert run(*ONLY) == 0
    assert len(results_table.read()[0]) == 7
