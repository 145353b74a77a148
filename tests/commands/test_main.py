"""The command line: its output, its errors and its exit codes, in processes where that matters, else by main()."""

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from data import (
    PATIENCE,
    PUBLISHED_FIRST_COST,
    PUBLISHED_FIRST_TOLERANCE,
    PUBLISHED_LAST_COST,
    PUBLISHED_LAST_TOLERANCE,
    STORE_KERNELS,
)
from interrupt_data import PREAMBLE
from sklearn.datasets import make_moons

import fastnn2
from fastnn2.codegen import store
from fastnn2.commands import memory
from fastnn2.commands.main import main
from fastnn2.commands.output import INTERRUPTED
from fastnn2.kernels.shared.records import DTYPES, RECORDS

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and files")
STORE = pytest.mark.skipif(not store.HAS_ELF, reason="needs the kernel store")
NOT_ROOT = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")

MODULE = (sys.executable, "-m", "fastnn2")

DEFAULTS = {
    "samples": 500, "noise": 0.2, "hidden": 5, "learning-rate": 0.3, "iterations": 5000, "dtype": "float64", "seed": 3,
}  # fmt: skip


def run(*arguments, command=MODULE, cwd=None, **environment):
    """Run the command in a process of its own; it must never print a traceback."""
    done = subprocess.run(
        [*command, *arguments],
        env={**os.environ, "PYTHONUNBUFFERED": "", **environment},
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def fields(stdout):
    """Return the output of `moons` as label -> text."""
    return {line[:22].strip(): line[22:] for line in stdout.splitlines()[1:]}


def moons(capsys, *arguments):
    """Run `moons` in this process, without a picture; return its output as label -> text."""
    assert main(["moons", "--no-plot", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return fields(captured.out)


def assert_one_line(text, *parts):
    assert re.fullmatch(r"[^\n]+\n", text), text
    for part in parts:
        assert part in text


def customized(folder, code):
    """Return the environment in which Python runs `code` at its start."""
    (folder / "sitecustomize.py").write_text("import os, signal, sys\n" + code, encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))}


# Output of a run


def expected(samples, noise, hidden, rate, iterations, dtype, seed):
    """Return costs and both accuracies of a run, drawn in the documented order."""

    def draw(seed):
        source = np.random.RandomState(seed)
        params = {
            "W1": source.randn(hidden, 2) * np.sqrt(2 / 2),
            "b1": np.zeros((hidden, 1)),
            "W2": source.randn(1, hidden) * np.sqrt(2 / hidden),
            "b2": np.zeros((1, 1)),
        }
        X, Y = make_moons(n_samples=samples, noise=noise, random_state=source)
        return X.T, Y[np.newaxis], params

    X, Y, params = draw(seed)
    trained, costs = fastnn2.fit(X, Y, rate, hidden, iterations, init=params, dtype=dtype)
    test_X, test_Y, _ = draw(seed + 1)
    return costs, (fastnn2.predict(X, trained) == Y).mean(), (fastnn2.predict(test_X, trained) == test_Y).mean()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        (None, None),
        ("samples", 123),
        ("noise", 0.0),
        ("noise", 0.35),
        ("hidden", 3),
        ("learning-rate", 1.25),
        ("iterations", 77),
        ("dtype", "float32"),
        ("seed", 2**32 - 2),
        ("seed", 0),
    ],
)
def test_every_option_is_used_by_the_run(option, value, capsys):
    chosen = {**DEFAULTS, **({option: value} if option else {})}
    shown = moons(capsys, *([f"--{option}", str(value)] if option else []))
    costs, training, test = expected(*chosen.values())
    assert shown["first cost"] == f"{costs[0]:.16g}"
    assert shown["last cost"] == f"{costs[-1]:.16g}"
    assert shown["accuracy, training"] == f"{training:.2%}"
    assert shown["accuracy, new sample"] == f"{test:.2%}"
    assert shown["threads, dtype"].endswith(f", {chosen['dtype']}")
    assert re.fullmatch(r"[\d.]+ (s|ms|µs), [\d.]+ (s|ms|µs) per iteration", shown["training time"])


def test_first_line_describes_the_job(capsys):
    main(["moons", "--no-plot", "--samples", "1200", "--hidden", "4", "--iterations", "1001"])
    assert capsys.readouterr().out.splitlines()[0] == "moons: 1,200 samples, 4 hidden units, iterations: 1,001"


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_is_a_maximum_and_changes_no_result(threads, capsys):
    shown = moons(capsys, "--threads", str(threads))
    assert 1 <= int(shown["threads, dtype"].split(",")[0]) <= threads
    assert shown["last cost"] == f"{expected(*DEFAULTS.values())[0][-1]:.16g}"


@pytest.mark.parametrize(
    "others",
    [
        (),
        ("--samples", "70", "--noise", "0.7", "--hidden", "9", "--learning-rate", "1e308"),
        ("--iterations", "3", "--dtype", "float32", "--threads", "1", "--seed", "8"),
    ],
)
def test_published_run_ignores_the_other_options(others, capsys):
    shown = moons(capsys, "--published", *others)
    published, difference = re.fullmatch(r"([\d.]+), difference (\S+)", shown["published first cost"]).groups()
    assert float(published) == PUBLISHED_FIRST_COST
    assert abs(float(difference)) <= PUBLISHED_FIRST_TOLERANCE
    assert abs(float(shown["first cost"]) - PUBLISHED_FIRST_COST) <= PUBLISHED_FIRST_TOLERANCE
    assert abs(float(shown["last cost"]) - PUBLISHED_LAST_COST) <= PUBLISHED_LAST_TOLERANCE
    assert shown["threads, dtype"].endswith("float64")


def test_published_cost_is_shown_only_with_published(capsys):
    assert "published first cost" not in moons(capsys, "--iterations", "3")


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-3)])
def test_compare_shows_small_differences(dtype, tolerance, capsys):
    shown = moons(capsys, "--compare", "--iterations", "500", "--dtype", dtype)
    assert re.fullmatch(r"[\d.]+ (s|ms|µs): [\d.]+ times as long", shown["NumPy reference"])
    cost, params = re.fullmatch(r"cost (\S+), params (\S+)", shown["largest differences"]).groups()
    assert 0 <= float(cost) < tolerance
    assert 0 < float(params) < tolerance  # 500 iterations never agree in all bits


# Pictures


@pytest.mark.parametrize(
    ("ending", "begin"),
    [("png", b"\x89PNG\r\n"), ("svg", b"<?xml"), ("pdf", b"%PDF-"), ("jpg", b"\xff\xd8\xff"), ("PNG", b"\x89PNG\r\n")],
)
def test_plot_saves_the_picture(ending, begin, tmp_path, capsys):
    path = tmp_path / f"picture.{ending}"
    assert main(["moons", "--iterations", "20", "--plot", str(path)]) == 0
    assert fields(capsys.readouterr().out)["picture"] == str(path.resolve())
    assert path.read_bytes().startswith(begin)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_no_plot_saves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "picture" not in moons(capsys, "--iterations", "20")
    assert list(tmp_path.iterdir()) == []


@NOT_ROOT
@POSIX
def test_folder_without_write_permission(tmp_path, monkeypatch, capsys):
    """A path that the user gives is an error; the default picture is left out."""
    tmp_path.chmod(0o500)
    monkeypatch.chdir(tmp_path)
    assert main(["moons", "--iterations", "20", "--plot", "picture.png"]) == 2
    assert_one_line(capsys.readouterr().err, "cannot save 'picture.png': permission denied")
    assert main(["moons", "--iterations", "20"]) == 0
    assert "no picture: cannot save 'moons.png': permission denied" in capsys.readouterr().out


@pytest.mark.parametrize("explicit", [False, True])
def test_without_matplotlib(explicit, tmp_path):
    environment = customized(tmp_path, "sys.modules['matplotlib'] = None\n")
    done = run("moons", "--iterations", "20", *(["--plot", "a.png"] if explicit else []), cwd=tmp_path, **environment)
    if explicit:
        assert (done.returncode, done.stdout) == (2, "")
        assert_one_line(done.stderr, "needs matplotlib", "fastnn2[plot]", "--no-plot")
    else:
        assert (done.returncode, done.stderr) == (0, "")
        assert "no picture: a picture needs matplotlib" in done.stdout
        assert "last cost" in done.stdout
    assert not list(tmp_path.glob("*.png"))


# The process


def test_python_m_fastnn2_runs_the_command(tmp_path):
    done = run("moons", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    shown = fields(done.stdout)
    assert abs(float(shown["first cost"]) - PUBLISHED_FIRST_COST) <= PUBLISHED_FIRST_TOLERANCE
    assert shown["picture"] == str((tmp_path / "moons.png").resolve())
    assert (tmp_path / "moons.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("script", [False, True])
def test_version(script):
    name = "fastnn2.exe" if os.name == "nt" else "fastnn2"
    script_path = os.path.join(os.path.dirname(sys.executable), name)
    if script and not os.path.exists(script_path):
        pytest.skip("the script is not installed beside this Python")
    done = run("--version", command=[script_path] if script else MODULE)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"fastnn2 {fastnn2.__version__}\n", "")


@pytest.mark.parametrize("command", [(), ("moons",), ("scale",), ("info",), ("warmup",)])
def test_help(command):
    done = run(*command, "--help", COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(" ".join(["usage: fastnn2", *command]))
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "None" not in done.stdout  # as a default, it would say nothing
    assert "==" not in done.stdout


def test_help_names_every_option_with_its_default(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["moons", "--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for option, value in DEFAULTS.items():
        assert re.search(rf"--{option} [^()]*\(default: {re.escape(str(value))}\)", text), option
    for option in ("--threads", "--plot", "--no-plot", "--published", "--compare"):
        assert f"{option} " in text


@POSIX
@pytest.mark.parametrize("arguments", [("info",), ("moons", "--no-plot", "--iterations", "5"), ("--help",)])
def test_output_closed_by_the_reader(arguments, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # with it, argparse ignores the error
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*MODULE, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False
        )
    finally:
        os.close(writing)
    assert done.stderr == ""
    assert done.returncode in (1, -signal.SIGPIPE, 128 + signal.SIGPIPE)


@POSIX
def test_output_into_head():
    done = run("-c", '"$0" -m fastnn2 info | head -n 1', sys.executable, command=["sh"])
    assert (done.returncode, done.stderr) == (0, "")
    assert_one_line(done.stdout, "Python")


@POSIX
@pytest.mark.parametrize("arguments", ["info", "moons --no-plot --iterations 5"])
def test_without_standard_output(arguments):
    """Python sets sys.stdout to None if the shell has closed it."""
    done = run("-c", f'"$0" -m fastnn2 {arguments} >&-', sys.executable, command=["sh"])
    assert done.returncode in (0, 1)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize(("arguments", "name"), [("info", "fastnn2 info"), ("--version", "fastnn2")])
def test_full_disk(arguments, name, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    done = run("-c", f'"$0" -m fastnn2 {arguments} >/dev/full', sys.executable, command=["sh"])
    assert done.returncode == 1
    assert_one_line(done.stderr, f"{name}: error:", "No space left on device")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_after_a_failed_run():
    done = run("-c", '"$0" -m fastnn2 moons --learning-rate 1e308 >/dev/full', sys.executable, command=["sh"])
    assert done.returncode == 1
    assert_one_line(done.stderr, "diverged")


@POSIX
@pytest.mark.parametrize(("arguments", "code"), [("--samples 1", 2), ("--learning-rate 1e308", 1)])
def test_errors_without_standard_error(arguments, code):
    """Python sets sys.stderr to None, and print would then write to sys.stdout."""
    done = run("-c", f'"$0" -m fastnn2 moons --no-plot {arguments} 2>&-', sys.executable, command=["sh"])
    assert (done.returncode, done.stdout) == (code, "")


@POSIX
@pytest.mark.parametrize(("arguments", "code"), [("--samples 1", 2), ("--learning-rate 1e308", 1)])
def test_standard_error_closed_by_the_reader(arguments, code):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*MODULE, "moons", "--no-plot", *arguments.split()],
            stdout=subprocess.PIPE,
            stderr=writing,
            timeout=PATIENCE,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stdout) == (code, b"")


@STORE
@POSIX
def test_warning_is_one_plain_line(tmp_path):
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "kernels\nof mine")
    done = run("moons", "--no-plot", "--iterations", "5", FASTNN2_CACHE_DIR=folder, **STORE_KERNELS)
    assert done.returncode == 0
    assert "last cost" in done.stdout
    shown = [line for line in done.stderr.splitlines() if "cannot keep its compiled kernels" in line]
    assert shown
    assert done.stderr == "".join(f"{line}\n" for line in shown)
    for line in shown:
        assert line.startswith("fastnn2 moons: fastnn2 cannot keep its compiled kernels in ")
        assert "kernels\\nof mine" in line
        assert "FASTNN2_CACHE_DIR" in line


def test_display_of_warnings_is_restored_after_the_command(capsys):
    before = warnings.showwarning
    assert main(["info"]) == 0
    assert warnings.showwarning is before


def test_output_encoding_without_the_micro_sign():
    done = run("moons", "--no-plot", "--iterations", "5", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "threads, dtype" in done.stdout


# Invalid options

WRONG = {
    "no command": ([], "no command given; expected train, predict, show, export, moons, scale, info or warmup"),
    "unknown command": (["learn"], "'learn'"),
    "unknown option": (["moons", "--speed", "9"], "fastnn2 moons: error: unrecognized arguments: --speed 9"),
    "half an option": (["moons", "--sam", "9"], "fastnn2 moons: error: unrecognized arguments: --sam 9"),
    "option before the command": (["--speed", "moons"], "fastnn2 moons: error: unrecognized arguments: --speed"),
    "two lines": (["moons", "--speed\nand"], "unrecognized arguments: --speed\\nand"),
    "unknown option of info": (
        ["info", "--cpu", "x86-64"],
        "fastnn2 info: error: unrecognized arguments: --cpu x86-64",
    ),
    "one word too many": (["moons", "500"], "fastnn2 moons: error: unrecognized arguments: 500"),
    "missing value": (["moons", "--samples"], "--samples: expected one argument"),
    "missing level": (["warmup", "--cpu"], "--cpu: expected one argument"),
    "bad level": (["warmup", "--cpu", "x86-64-v9"], "x86-64-v9"),
    "bad dtype": (["moons", "--dtype", "float16"], "'float16'"),
    "plot and no plot": (["moons", "--plot", "a.png", "--no-plot"], "not allowed with"),
    "samples: 0": (["moons", "--samples", "0"], "--samples: '0' is not an integer from 2 to 100000000"),
    "samples: 1": (["moons", "--samples", "1"], "--samples: '1' is not an integer from 2 to 100000000"),
    "samples: negative": (["moons", "--samples", "-5"], "--samples: '-5' is not an integer from 2 to 100000000"),
    "samples: fraction": (["moons", "--samples", "10.5"], "--samples: '10.5'"),
    "samples: word": (["moons", "--samples", "many"], "--samples: 'many'"),
    "samples: empty": (["moons", "--samples", ""], "--samples: ''"),
    "samples: nan": (["moons", "--samples", "nan"], "--samples: 'nan'"),
    "noise: negative": (["moons", "--noise", "-0.1"], "--noise: '-0.1' is not a number from 0 to 1000"),
    "noise: nan": (["moons", "--noise", "nan"], "--noise: 'nan'"),
    "noise: inf": (["moons", "--noise", "inf"], "--noise: 'inf'"),
    "noise: too large": (["moons", "--noise", "1e40"], "--noise: '1e40' is not a number from 0 to 1000"),
    "hidden: 0": (["moons", "--hidden", "0"], "--hidden: '0' is not an integer from 1 to 100000"),
    "hidden: fraction": (["moons", "--hidden", "5.0"], "--hidden: '5.0'"),
    "rate: 0": (["moons", "--learning-rate", "0"], "--learning-rate: '0' is not a finite number above 0"),
    "rate: negative": (["moons", "--learning-rate", "-0.3"], "--learning-rate: '-0.3'"),
    "rate: nan": (["moons", "--learning-rate", "nan"], "--learning-rate: 'nan'"),
    "rate: inf": (["moons", "--learning-rate", "1e999"], "--learning-rate: '1e999'"),
    "iterations: 0": (["moons", "--iterations", "0"], "--iterations: '0' is not an integer from 1 to 1000000000"),
    "threads: 0": (["moons", "--threads", "0"], "--threads: '0' is not an integer from 1 to 1024"),
    "threads: too many": (["moons", "--threads", "1025"], "--threads: '1025' is not an integer from 1 to 1024"),
    "seed: negative": (["moons", "--seed", "-1"], "--seed: '-1' is not an integer from 0"),
    "seed: too large": (
        ["moons", "--seed", str(2**32 - 1)],
        "--seed: '4294967295' is not an integer from 0 to 4294967294",
    ),
    "scale: too few": (
        ["scale", "--max-samples", "999"],
        "--max-samples: '999' is not an integer from 1000 to 1000000000",
    ),
    "scale: too many, in short": (["scale", "--max-samples", "2e9"], "--max-samples: '2e9' is not an integer"),
    "scale: too many in memory": (["scale", "--max-samples", "100000001"], "100000000, the most in memory; pass --out"),
    "scale: fraction": (["scale", "--max-samples", "1.00005e3"], "--max-samples: '1.00005e3' is not an integer"),
    "scale: too many": (["scale", "--max-samples", "1000000001"], "--max-samples: '1000000001' is not an integer"),
    "scale: no folder": (["scale", "--out-of-core"], "argument --out-of-core: expected one argument"),
    "scale: no limit": (["scale", "--memory-limit", "5 apples"], "--memory-limit: '5 apples' is not a number of bytes"),
    "scale: a limit in memory": (["scale", "--memory-limit", "5MB"], "for runs on files; pass --out-of-core FOLDER"),
    "scale: no file": (["scale", "--json"], "fastnn2 scale: error: argument --json: expected one argument"),
    "scale: folder as JSON": (["scale", "--json", "."], "fastnn2 scale: error: cannot save '.': it is a folder"),
}


@pytest.mark.parametrize("name", WRONG)
def test_invalid_options(name, capsys):
    arguments, part = WRONG[name]
    try:
        code = main(arguments)
    except SystemExit as error:
        code = error.code
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert_one_line(captured.err, "fastnn2", "error: ", part)


@pytest.mark.parametrize("name", ["no command", "unknown option", "samples: word", "bad level", "plot and no plot"])
def test_invalid_options_of_a_process(name):
    arguments, part = WRONG[name]
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert_one_line(done.stderr, part)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("missing/a.png", "'missing/a.png': 'missing' is not a folder"),
        ("file/a.png", "'file/a.png': 'file' is not a folder"),
        ("folder.png", "'folder.png': it is a folder"),
        ("", "'.': it is a folder"),
        ("a.xyz", "'a.xyz': its name must end with .png, .svg, .pdf or .jpg"),
        ("a", "'a': its name must end with .png, .svg, .pdf or .jpg"),
        ("a.pgf", "must end with .png, .svg, .pdf or .jpg"),
        ("a" * 300 + ".png", "File name too long"),
        ("two\nlines/a.png", "is not a folder"),
    ],
    ids=[
        "no folder",
        "file as folder",
        "folder as file",
        "empty",
        "unknown ending",
        "no ending",
        "LaTeX",
        "too long",
        "two lines",
    ],
)
@POSIX
def test_invalid_pictures(name, part, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    assert main(["moons", "--plot", name]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""  # no work was done
    assert_one_line(captured.err, "fastnn2 moons: error: cannot save", part)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.png"]


@pytest.mark.parametrize("option", ["samples", "hidden", "iterations", "threads"])
@pytest.mark.parametrize("value", [10**14, 10**19, 10**25])
def test_number_above_the_maximum_of_an_option(option, value, capsys):
    """The error names the maximum, also for more than 64 bits."""
    with pytest.raises(SystemExit) as caught:
        main(["moons", "--no-plot", f"--{option}", str(value)])
    captured = capsys.readouterr()
    assert (caught.value.code, captured.out) == (2, "")
    maximum = {"samples": 10**8, "hidden": 10**5, "iterations": 10**9, "threads": 1024}[option]
    assert_one_line(
        captured.err, f"fastnn2 moons: error: argument --{option}: '{value}' is not", f" to {maximum} (see "
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_maximum_noise_trains(dtype, capsys):
    assert "last cost" in moons(capsys, "--noise", "1000", "--iterations", "2", "--dtype", dtype)


def test_run_too_large_for_memory_is_an_error(monkeypatch, capsys):
    monkeypatch.setattr(memory, "available_memory", lambda: 1_000_000_000)
    assert main(["moons", "--no-plot", "--samples", "90000000"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert_one_line(
        captured.err, "fastnn2 moons: error: 90,000,000 samples", "9.2 GB", "1.0 GB are available", "--samples"
    )
    fits = re.search(r"at most --samples (\d+) would fit", captured.err).group(1)
    assert 0 < int(fits) < 10_000_000
    assert main(["moons", "--no-plot", "--iterations", "1e9"]) == 2
    assert_one_line(
        capsys.readouterr().err, "1,000,000,000 iterations need 8.2 GB, but 1.0 GB are available; use fewer"
    )


def test_divergence_is_an_error(tmp_path):
    done = run("moons", "--learning-rate", "1e308", "--plot", "a.png", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_line(done.stderr, "fastnn2 moons: error: ", "diverged", "--learning-rate")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("can't start new thread"),
        ImportError("Numba needs NumPy 2.4 or less. Got NumPy 2.9."),
        MemoryError("Unable to allocate 9 GiB"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_error_of_the_system_is_one_line(error, monkeypatch, capsys):
    def failing(options):
        raise error

    monkeypatch.setattr("fastnn2.commands.moons.run", failing)
    assert main(["moons"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"fastnn2 moons: error: {error}\n")


def test_reference_is_not_run_if_it_does_not_fit(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fastnn2.commands.moons.reference_fits", lambda *_: False)
    assert main(["moons", "--compare", "--iterations", "5"]) == 0
    shown = fields(capsys.readouterr().out)
    assert shown["NumPy reference"] == "not run: it does not fit in memory"
    assert list(shown)[-1] == "NumPy reference"  # last, as it may take minutes


# Ctrl-C

INTERRUPT_AT_IMPORT = """
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(100):
                pass  # Python raises KeyboardInterrupt here
sys.meta_path.insert(0, Interrupt())
"""


@POSIX
@pytest.mark.parametrize(
    ("module", "printed"),
    [
        ("numpy", False),  # during the import of the package
        ("fastnn2.commands.moons", False),
        ("sklearn.datasets", False),  # before the data is drawn
        ("matplotlib.backends.backend_svg", True),  # while the picture is saved
    ],
)
def test_interrupt_outside_training(module, printed, tmp_path):
    environment = customized(tmp_path, INTERRUPT_AT_IMPORT.format(name=module))
    done = run("moons", "--iterations", "20", "--plot", "a.svg", cwd=tmp_path, **environment)
    assert done.returncode == 130
    assert ("last cost" in done.stdout) == printed
    assert_one_line(done.stderr, "fastnn2", "interrupted")
    assert not (tmp_path / "a.svg").exists()


@POSIX
@STORE
def test_interrupt_during_a_compile(tmp_path):
    environment = customized(tmp_path, INTERRUPT_AT_IMPORT.format(name="fastnn2.codegen.compile"))
    empty = tmp_path / "kernels"
    for arguments in (("moons", "--no-plot"), ("warmup",)):
        done = run(*arguments, FASTNN2_CACHE_DIR=str(empty), **STORE_KERNELS, **environment)
        assert (done.returncode, done.stdout) == (130, "")
        assert_one_line(done.stderr, f"fastnn2 {arguments[0]}: interrupted")


LONG = ("moons", "--no-plot", "--iterations", "50000000", "--samples", "5000")  # minutes, on a fast processor, too

INTERRUPT_IN_TRAINING = f"""
from fastnn2.commands.main import main
in_background(lambda: os.kill(os.getpid(), signal.SIGINT), 0.3, after=100)
sys.exit(main([*{LONG!r}, "--threads", "1"]))
"""


@POSIX
def test_interrupt_during_training():
    begin = time.monotonic()
    done = run(command=[sys.executable, "-c", PREAMBLE + INTERRUPT_IN_TRAINING])
    assert time.monotonic() - begin < 60  # of minutes
    assert (done.returncode, done.stdout) == (130, "")
    reached, cost = re.fullmatch(
        r"fastnn2 moons: interrupted after iteration ([\d,]+); last cost (\S+)\n", done.stderr
    ).groups()
    assert 100 <= int(reached.replace(",", "")) < 50_000_000
    assert 0 < float(cost) < PUBLISHED_FIRST_COST


START_OF_LINE = r"(\n|\r\x1b\[K)"  # of a new line, or of one that was erased

# The process leads a new session. When it opens the terminal, it becomes the terminal's foreground process, which gets
# Ctrl-C. Then it becomes the command.
ON_TERMINAL = """
import os, sys
terminal = os.open(sys.argv[1], os.O_RDWR)
for number in range(3):
    os.dup2(terminal, number)
os.execv(sys.executable, [sys.executable, "-m", "fastnn2", *sys.argv[2:]])
"""


def interrupt_on_terminal(arguments, wait_for, **environment):
    """Run the command on a terminal and press Ctrl-C when the pattern `wait_for` is shown; return exit code, output."""
    import termios

    controller, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    shown = b""
    deadline = time.monotonic() + PATIENCE
    process = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL, os.ttyname(terminal), *arguments],
        env={**os.environ, "TERM": "xterm", **environment},
        start_new_session=True,
    )
    try:
        pressed = False
        while process.poll() is None or select.select([controller], [], [], 0)[0]:
            assert time.monotonic() < deadline, shown
            if select.select([controller], [], [], 0.05)[0]:
                shown += os.read(controller, 65536)
            if not pressed and re.search(wait_for, shown):
                os.write(controller, b"\x03")
                pressed = True
        return process.returncode, shown.decode()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        os.close(terminal)
        os.close(controller)


@POSIX
def test_interrupt_on_a_terminal_with_a_progress_bar():
    """The message has a line of its own."""
    code, shown = interrupt_on_terminal(LONG, rb"(?!00:00)\d\d:\d\d<")  # after a second; a busy machine may skip one
    assert code == 130
    assert "Traceback" not in shown
    assert re.search(START_OF_LINE + r"fastnn2 moons: interrupted after iteration [\d,]+; last cost \S+\r\n$", shown), (
        shown
    )


SLOW_COMPILE = """
import time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "fastnn2.codegen.compile":
            time.sleep(3)
sys.meta_path.insert(0, Slow())
"""


@POSIX
@STORE
def test_interrupt_on_a_terminal_during_a_compile(tmp_path):
    environment = {
        **customized(tmp_path, SLOW_COMPILE),
        **STORE_KERNELS,
        "FASTNN2_CACHE_DIR": str(tmp_path / "kernels"),
    }
    code, shown = interrupt_on_terminal(LONG, b"compiling kernels", **environment)
    assert code == 130
    assert "Traceback" not in shown
    assert re.search(START_OF_LINE + r"fastnn2 moons: interrupted\r\n$", shown), shown


# info and warmup


# The command with only two kernels: compiling all of them takes half a minute and tests no more.
FEW_KERNELS = """
import sys
from fastnn2.commands import info
from fastnn2.commands.main import main
from fastnn2.commands.output import INTERRUPTED
info.RECORDS = ("cost", "update")
sys.exit(main())
"""


def run_few(*arguments, folder):
    return run(*arguments, command=(sys.executable, "-c", FEW_KERNELS), FASTNN2_CACHE_DIR=str(folder), **STORE_KERNELS)


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A folder that `warmup` has filled, the output of `info` before, and that of `warmup`."""
    folder = tmp_path_factory.mktemp("kernels") / "created" / "by warmup"
    before = run("info", FASTNN2_CACHE_DIR=str(folder), **STORE_KERNELS)
    return folder, before, run_few("warmup", folder=folder)


def kernel_lines(stdout):
    return {line.split()[0]: line for line in stdout.splitlines() if line.startswith("  ")}


@STORE
def test_warmup_compiles_and_info_shows_it(warm):
    folder, before, done = warm
    count = len(RECORDS) * len(DTYPES)
    assert (before.returncode, before.stderr) == (0, "")
    assert set(kernel_lines(before.stdout)) == set(RECORDS)
    assert before.stdout.count("not compiled yet") == count
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("4 kernels for ")
    assert f"in {folder}, 4 of them compiled now" in done.stdout
    assert len(list(folder.iterdir())) == 4

    again = run_few("warmup", folder=folder)
    assert (again.returncode, again.stderr) == (0, "")
    assert f"in {folder}, 0 of them compiled now" in again.stdout

    after = run("info", FASTNN2_CACHE_DIR=str(folder), **STORE_KERNELS)
    assert after.stdout.count("ready") == 4
    for name, line in kernel_lines(after.stdout).items():
        state = "ready" if name in ("cost", "update") else "not compiled yet"
        assert all(f"{dtype} {state}" in line for dtype in DTYPES)


@STORE
def test_warmup_replaces_missing_and_damaged_kernels(warm):
    folder, _, _ = warm
    missing, damaged = sorted(folder.glob("update-*"))
    missing.unlink()
    damaged.write_bytes(damaged.read_bytes()[:-1])
    info = run("info", FASTNN2_CACHE_DIR=str(folder), **STORE_KERNELS)
    line = kernel_lines(info.stdout)["update"]
    assert (line.count("not compiled yet"), line.count("unusable")) == (1, 1)
    assert f"unusable        {damaged} is damaged: its length or hash" in info.stdout
    assert "2 of them compiled now" in run_few("warmup", folder=folder).stdout


@STORE
def test_warmup_for_another_processor(tmp_path):
    if not store.Processor.here().triple.startswith("x86_64"):
        done = run_few("warmup", "--cpu", "x86-64-v3", folder=tmp_path)
        assert done.returncode == 2
        assert_one_line(done.stderr, "is for x86-64 processors")
        return
    level = store.Processor.level("x86-64-v3")
    done = run_few("warmup", "--cpu", "x86-64-v3", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("4 kernels for x86-64-v3 in ")
    assert [store.read(path).processor for path in tmp_path.iterdir()] == 4 * [level]
    if store.Processor.here().runs(level):
        info = run("info", FASTNN2_CACHE_DIR=str(tmp_path), **STORE_KERNELS)
        # "ready (lesser processor)", unless the tests run as this level.
        assert len(re.findall(r"\bready\b", info.stdout)) == 4


@STORE
@POSIX
def test_warmup_into_an_impossible_folder(tmp_path):
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "kernels")
    done = run("warmup", FASTNN2_CACHE_DIR=folder, **STORE_KERNELS)
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_line(done.stderr, "fastnn2 warmup: error: ", folder)
    info = run("info", FASTNN2_CACHE_DIR=folder, **STORE_KERNELS)
    assert (info.returncode, info.stderr) == (0, "")
    assert re.search(
        r"^not used        Not a directory; every process compiles its kernels; set ", info.stdout, re.MULTILINE
    )
    assert kernel_lines(info.stdout) == {}


def test_info_and_warmup_without_a_store(monkeypatch, capsys, store_kernels):
    monkeypatch.setenv("FASTNN2_STORE", "off")
    assert main(["info"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^kernel store +off", shown, re.MULTILINE)
    assert kernel_lines(shown) == {}
    assert main(["warmup"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert_one_line(captured.err, "fastnn2 warmup: error: ", "FASTNN2_STORE=off")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ImportError])
def test_ctrl_c_while_options_are_checked(error, monkeypatch, capsys):
    def interrupted(text):
        # Modules in C that are being imported make an ImportError of it.
        raise error from KeyboardInterrupt()

    monkeypatch.setattr("fastnn2.blocks.memory_limit.as_memory_limit", interrupted)
    assert main(["train", "rows.csv", "--target", "y", "--memory-limit", "1GB"]) == INTERRUPTED
    assert tuple(capsys.readouterr()) == ("", "fastnn2: interrupted\n")
