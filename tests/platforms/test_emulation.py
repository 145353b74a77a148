"""The comparison with emulated rows notices what differs, fails or takes too long; no emulator is needed."""

import subprocess
import sys

from platforms import emulation
from platforms.emulation import Emulation, Result, compute_all, differences, summary

# Instead of compute_rows.py: rows are named after what becomes of them.
STAND_IN = """
import json, os, sys, time
for name, threads in json.load(sys.stdin):
    if name == "end":
        sys.exit("no such kernel")
    print(json.dumps({"begins": [name, threads]}), flush=True)
    if name == "hang":
        time.sleep(600)
    if name == "crash":
        os._exit(7)
    result = {"error": "ValueError: no"} if name == "fail" else {"digest": "0f" if name == "differ" else "aa"}
    result |= {"row": [name, threads], "seconds": 0.5, "used": 1, "kernels": ["train float64"]}
    print(json.dumps(result), flush=True)
print("Warning: not of interest", file=sys.stderr)
"""


class StandIn(Emulation):
    def __init__(self):
        super().__init__(None)
        self.starts = 0

    def start(self, *arguments, **changed):
        self.starts += 1
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", STAND_IN]
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


EXPECTED = dict.fromkeys(["good", "differ", "fail", "crash", "end", "hang", "last"], "aa")


def compute(*names, threads=2, **options):
    made = StandIn()
    found = list(made.compute([(name, threads) for name in names], **options))
    assert [each.name for each in found] == list(names)
    return found, made.starts


def test_rows_that_agree():
    found, starts = compute("good", "last")
    assert found == [
        Result(name, 2, "aa", seconds=0.5, used=1, kernels=("train float64",)) for name in ("good", "last")
    ]
    assert differences(found, EXPECTED) == []
    assert starts == 1


def test_other_digests_and_errors_are_differences():
    found, starts = compute("good", "differ", "fail", "last")
    assert differences(found, EXPECTED) == ["differ on 2: 0f, expected aa", "fail on 2: ValueError: no"]
    assert starts == 1


def test_a_process_that_dies_costs_one_row():
    found, starts = compute("good", "crash", "end", "last")
    assert differences(found, EXPECTED) == [
        "crash on 2: the process ended with 7: ",
        "end on 2: the process ended with 1: no such kernel",
    ]
    assert found[-1].digest == "aa"
    assert starts == 3


def test_a_slow_row_is_left_out():
    found, starts = compute("good", "hang", "last", row_limit=1.0)
    assert differences(found, EXPECTED) == []
    assert [each.digest for each in found] == ["aa", None, "aa"]
    assert [each.is_late for each in found] == [False, True, False]
    assert starts == 2
    lines = list(summary(found, EXPECTED))
    assert lines[0].startswith(
        "2 threads: 2 of 3 rows agree, 0 of them ran on 2; 1 kernels; 1 s, the slowest row 0.5 s"
    )
    assert lines[1:] == ["left out: hang on 2: not done in 1 s"]


def test_no_row_begins_after_the_limit():
    found = compute_all(StandIn(), [(name, 1) for name in ("hang", "good", "last")], 1, limit=1.0)
    assert [each.digest for each in found] == [None, None, None]
    assert all(each.is_late for each in found)
    assert found[-1].problem == "no time was left"


def test_several_processes_share_the_rows():
    found = compute_all(StandIn(), [(name, threads) for name in ("good", "last") for threads in (1, 3)], 2)
    assert sorted((each.name, each.threads, each.digest) for each in found) == [
        ("good", 1, "aa"), ("good", 3, "aa"), ("last", 1, "aa"), ("last", 3, "aa"),
    ]  # fmt: skip


def test_command_without_an_emulator(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", ["emulation.py"])
    assert emulation.main() == 1
    assert capsys.readouterr().err == "qemu-aarch64 is not installed: apt-get install qemu-user\n"


def test_command_says_which_rows_differ(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(emulation.set_up, "missing", lambda: None)
    monkeypatch.setattr(emulation, "expected_rows", lambda: EXPECTED)
    monkeypatch.setattr(emulation, "Emulation", lambda folder, cpu: Ready())
    monkeypatch.setattr(sys, "argv", ["emulation.py", "--only", "good|differ", "--threads", "1", "3"])
    assert emulation.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["differ on 1: 0f, expected aa", "differ on 3: 0f, expected aa"]
    assert [line.partition(",")[0] for line in lines[2:]] == [
        "1 thread: 1 of 2 rows agree",
        "3 threads: 1 of 2 rows agree",
    ]
    monkeypatch.setattr(sys, "argv", ["emulation.py", "--only", "good", "--threads", "1"])
    assert emulation.main() == 0
    monkeypatch.setattr(sys, "argv", ["emulation.py", "--only", "no such row"])
    assert emulation.main() == 1


class Ready(StandIn):
    def copy_package(self):
        pass

    def build(self):
        pass
