"""What to_c takes and refuses, and the comment that says how to use the file and which model it is."""

import hashlib
import re

import numpy as np
import pandas as pd
import pytest
import sklearn.neural_network
from c_programs import IN_SOFTWARE, compile_c, compiler
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastnn2
from fastnn2.files.c import to_c as to_c_module
from fastnn2.files.c.models import from_estimator

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(0).standard_normal((60, 3))
Y = np.arange(60) % 2
PARAMS = fastnn2.init_params(X.T, Y, 4)


def mlp(kind=fastnn2.MLPClassifier, y=Y, dtype=float, **options):
    return kind(**{"hidden_layer_sizes": 4, "max_iter": 2, "random_state": 0} | options).fit(X.astype(dtype), y)


def comment(model, tmp_path, **options):
    fastnn2.to_c(model, tmp_path / "net.c", **options)
    text = (tmp_path / "net.c").read_text(encoding="ascii")
    return text[: text.index("*/")]


def test_what_is_returned_and_written(tmp_path):
    declared = [
        fastnn2.to_c(mlp(), tmp_path / "net.c"),
        fastnn2.to_c(mlp(dtype=np.float32), str(tmp_path / "net.c"), "other"),
    ]
    assert declared == ["void net(const double *x, double *y);", "void other(const float *x, float *y);"]
    content = (tmp_path / "net.c").read_bytes()
    assert content.endswith(b"}\n")
    assert b"\r" not in content
    assert max(map(len, content.decode("ascii").splitlines())) <= 120
    fastnn2.to_c(mlp(dtype=np.float32), tmp_path / "net.c", "other")
    assert (tmp_path / "net.c").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["net.c"]


def test_the_comment_says_how_to_use_it(tmp_path):
    text = comment(mlp(y=np.where(Y, "yes", "no")), tmp_path)
    assert text.startswith(f"/* net: a neural network as a function, written by fastnn2 {fastnn2.__version__} ")
    for line in (
        "    void net(const double *x, double *y);",
        "x   3 numbers: the features of the sample",
        "y   2 numbers, overwritten: the probability of each class, as from predict_proba",
        "    y[0]  'no'",
        "    y[1]  'yes'",
        "To compile:  cc -std=c99 -O3 -ffp-contract=off -c net.c",
        "Model: MLPClassifier",
        "Network: 3 inputs, 4 hidden units (relu), 1 output (logistic), float64",
    ):
        assert f"   {line}" in text
    text = comment(mlp(fastnn2.MLPRegressor, y=X[:, :2]), tmp_path)
    assert "y   2 numbers, overwritten: what the model's predict returns" in text
    assert "the probability of each label" in comment(mlp(y=X > 0), tmp_path)
    assert "the probability of each output, as from fastnn2.forward" in comment(PARAMS, tmp_path)
    model = make_pipeline(StandardScaler(), mlp(y=Y)).fit(X, Y)
    assert "Model: MLPClassifier in a Pipeline, behind StandardScaler" in comment(model, tmp_path)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_digest_is_that_of_the_parameters(dtype, tmp_path):
    model = mlp(dtype=dtype)
    arrays = [model.coefs_[0].T, model.intercepts_[0], model.coefs_[1].T, model.intercepts_[1]]
    content = b"".join(np.ascontiguousarray(array, dtype=dtype).tobytes() for array in arrays)
    assert hashlib.sha256(content).hexdigest() in comment(model, tmp_path)
    model.intercepts_[1][0] += 1
    assert hashlib.sha256(content).hexdigest() not in comment(model, tmp_path)


HOSTILE = ["*/ int main(void)", "/* ", "a\nb", "café ☃", "??/", "\\", "a\\\n*/", "\x00", "%s", "NAME_x"]


def test_names_cannot_leave_the_comment(tmp_path):
    data = pd.DataFrame(np.random.default_rng(0).standard_normal((60, len(HOSTILE))), columns=HOSTILE)
    model = fastnn2.MLPClassifier(4, max_iter=2, random_state=0).fit(data, [HOSTILE[i % 10] for i in range(60)])
    fastnn2.to_c(model, tmp_path / "net.c")
    text = (tmp_path / "net.c").read_text(encoding="ascii")
    before, after = text.split("#include", 1)
    assert before.count("*/") == before.count("/*") == 1
    assert "main" in before
    assert "main" not in after
    assert len(re.findall(r"^ +[xy]\[\d+\]  .", before, re.MULTILINE)) == 20
    assert "x[9]  NAME_x" in before
    for command, standard in ((["gcc"], "c99"), (["g++", "-x", "c++"], "c++17")):
        compile_c(
            [*compiler(command[0]), *command[1:]], tmp_path / "net.c", tmp_path / "net.o", "-c", standard=standard
        )


def test_options_that_change_results_are_refused_by_the_file(tmp_path):
    fastnn2.to_c(mlp(), tmp_path / "net.c")
    for flags, message in ((["-ffast-math"], "compile without -ffast-math"), (["-mfpmath=387"], "-mfpmath=sse")):
        if flags == ["-mfpmath=387"] and compiler("gcc") != ["gcc"]:
            continue
        with pytest.raises(AssertionError, match=message):
            compile_c(compiler("gcc"), tmp_path / "net.c", tmp_path / "net.o", "-c", *flags)


def test_calls_of_hidden_units_do_not_grow_the_stack():
    """What a call needs depends on the columns that a Pipeline makes, and not on the hidden units."""
    sizes = [to_c_module._stack(from_estimator(mlp(hidden_layer_sizes=h))) for h in (64, 65, 1000)]
    assert max(sizes) == sizes[0] == 64 * 8 + 1000
    model = make_pipeline(StandardScaler(), mlp()).fit(X, Y)
    assert to_c_module._stack(from_estimator(model)) == (4 + 3) * 8 + 1000


@pytest.mark.parametrize("flags", [[], ["-march=native"]])
def test_the_stack_is_no_larger_than_the_comment_says(flags, tmp_path):
    if compiler("gcc") != ["gcc"]:
        pytest.skip("needs gcc, which is not installed")
    for model in (mlp(hidden_layer_sizes=200, activation="tanh"), make_pipeline(StandardScaler(), mlp()).fit(X, Y)):
        said = int(re.search(r"less than (\d+) bytes of the stack", comment(model, tmp_path))[1])
        for level in ("-O0", "-O3"):
            compile_c(["gcc"], tmp_path / "net.c", tmp_path / "net.o", "-c", "-fstack-usage", level, *flags)
            lines = (tmp_path / "net.su").read_text().splitlines()
            assert sum(int(line.split("\t")[1]) for line in lines) < said


# What is refused


def refused(arguments, error, message, tmp_path):
    file = tmp_path / "net.c"
    file.write_text("before")
    with pytest.raises(error, match=re.escape(message)):
        fastnn2.to_c(*arguments)
    assert file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["net.c"]


@pytest.mark.parametrize("model", [None, 3, LogisticRegression(), StandardScaler(), [PARAMS], fastnn2.MLPClassifier])
def test_other_models(model, tmp_path):
    name = f"{type(model).__module__.split('.')[0]}.{type(model).__name__}"
    expected = "fastnn2's MLPClassifier or MLPRegressor, or a scikit-learn Pipeline that ends with one, or a dict of"
    refused((model, tmp_path / "net.c"), TypeError, f"model is {name}; expected {expected}", tmp_path)
    if hasattr(model, "get_params") and not isinstance(model, type):
        message = f"model is a Pipeline that ends with {name}; expected"
        refused((make_pipeline(StandardScaler(), model), tmp_path / "net.c"), TypeError, message, tmp_path)


def test_models_of_scikit_learn(tmp_path):
    theirs = mlp(sklearn.neural_network.MLPClassifier)
    refused((theirs, tmp_path / "net.c"), TypeError, "first: fastnn2.MLPClassifier.from_sklearn(model)", tmp_path)
    fastnn2.to_c(fastnn2.MLPClassifier.from_sklearn(theirs), tmp_path / "net.c")


def test_not_fitted(tmp_path):
    for model in (
        fastnn2.MLPClassifier(),
        fastnn2.MLPRegressor(),
        make_pipeline(StandardScaler(), fastnn2.MLPRegressor()),
    ):
        refused((model, tmp_path / "net.c"), NotFittedError, "is not fitted", tmp_path)


def test_parameters_that_are_not_finite(tmp_path):
    model = mlp()
    model.coefs_[1][2, 0] = np.nan
    refused((model, tmp_path / "net.c"), ValueError, "coefs_[1] of the model has nan; expected finite", tmp_path)
    params = PARAMS | {"b1": np.full((4, 1), np.inf)}
    refused((params, tmp_path / "net.c"), ValueError, "params['b1']", tmp_path)
    refused((PARAMS | {"W2": np.ones((1, 5))}, tmp_path / "net.c"), ValueError, "params['W2'] has shape", tmp_path)
    refused(({"W1": 1}, tmp_path / "net.c"), ValueError, "params has the keys ['W1']", tmp_path)


def test_large_networks(tmp_path, monkeypatch):
    monkeypatch.setattr(to_c_module, "MOST_PARAMS", 20)
    message = "the network has 21 parameters; to_c writes up to 20"
    refused((mlp(), tmp_path / "net.c"), ValueError, message, tmp_path)
    monkeypatch.setattr(to_c_module, "MOST_PARAMS", 21)
    fastnn2.to_c(mlp(), tmp_path / "net.c")


def test_large_pipelines(tmp_path):
    columns = np.arange(1000.0).repeat(2)[:, np.newaxis] * np.ones(40)
    model = make_pipeline(OneHotEncoder(sparse_output=False), fastnn2.MLPClassifier(1, max_iter=1, random_state=0))
    model.fit(columns, np.arange(2000) % 2)
    message = "the Pipeline makes 40,000 numbers of a sample, which would take 321,008 bytes of the stack; to_c allows"
    refused((model, tmp_path / "net.c"), ValueError, message, tmp_path)


def test_files_and_names(tmp_path):
    model = mlp()
    refused((model, tmp_path), ValueError, "a folder; expected the path of a file", tmp_path)
    refused((model, tmp_path / "no" / "net.c"), ValueError, "is not a folder", tmp_path)
    refused((model, 3), TypeError, "file is int; expected the path of a file", tmp_path)
    refused(
        (model, tmp_path / "my-net.c"), ValueError, "the name of the file, without its ending, is 'my-net'", tmp_path
    )
    refused((model, tmp_path / "net.c", "for"), ValueError, "name is 'for', a word that C or C++ has", tmp_path)
    refused((model, tmp_path / "net.c", 3), TypeError, "name is int; expected a str", tmp_path)
    assert fastnn2.to_c(model, tmp_path / "my-net.c", "net") == "void net(const double *x, double *y);"
    assert "-c my-net.c" in (tmp_path / "my-net.c").read_text()


def test_a_library_is_not_needed_for_fma_in_software(tmp_path):
    fastnn2.to_c(PARAMS, tmp_path / "net.c")
    (tmp_path / "main.c").write_text(
        '#include "net.c"\nint main(void) { double x[3] = {1, 2, 3}, y[1]; net(x, y); return 0; }\n'
    )
    for flags in ([], IN_SOFTWARE):
        compile_c(compiler("gcc"), tmp_path / "main.c", tmp_path / "main", "-O2", *flags)
