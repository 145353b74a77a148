"""Values, errors and names in messages of one line."""

from fastnn2.tables.reading.messages import in_one_line, listed, near_names, shown


def test_near_names():
    names = ["carat", "Price", "price per carat", "cut"]
    assert near_names("price", names) == "; did you mean 'Price'?"
    assert near_names(" CUT", names) == "; did you mean 'cut'?"
    assert near_names("carat", ["carot", "carats", "carrat", "karat"]).count(" or ") == 2
    assert near_names("zebra", names) == ""
    assert near_names("x", []) == ""


def test_listed():
    assert listed([]) == ""
    assert listed([str(k) for k in range(10)]).endswith("'8', '9'")
    assert listed([str(k) for k in range(1011)]).endswith("'9' and 1,001 more")


def test_values_of_one_line():
    assert shown("a\nb\x1b") == r"'a\nb\x1b'"
    assert len(shown("x" * 10_000)) == 40


def test_errors_of_one_line():
    assert in_one_line(ValueError("a\x1b[1mb\nc")) == "a?[1mb"
    assert in_one_line(ValueError("")) == "ValueError"
    assert len(in_one_line(ValueError("x" * 10_000))) == 160
