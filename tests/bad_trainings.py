"""Tables that are read well and cannot be trained on as the options ask, and those that can, with a note."""

from typing import NamedTuple

from bad_tables import rows


class BadTraining(NamedTuple):
    """A text file, options of `fastnn2 train` and the content of a test file; parts of the message about them."""

    content: str
    options: tuple[str, ...]
    parts: tuple[str, ...]
    test: str | None = None


def table(header, row, count=40):
    """Return the text of a table; a row is a format of its number k, k % 2 (odd), and k % 3 (third)."""
    lines = [header, *(row.format(k=k, x=k + 0.25, odd=k % 2, third=k % 3) for k in range(count))]
    return "\n".join(lines) + "\n"


GOOD = "a,b,y\n" + rows(40, "{0},{0}e1,{1}").decode()
MANY = table("a,b,y", "{x},{k},{odd}", 14_000)  # so many that some are for validation
TEXTS = table("a,word,y", "{x},w{third},{odd}")
Y = ("--target", "y")

BAD_TRAININGS = {
    "no such target": BadTraining(GOOD, ("--target", "Y"), ("no column 'Y'", "--target", "did you mean 'y'?")),
    "no such target, and no near name": BadTraining(
        GOOD, ("--target", "price"), ("no column 'price'", "--target", "it has 'a', 'b', 'y'")
    ),
    "no such weight": BadTraining(GOOD, (*Y, "--weight", "w"), ("no column 'w'", "--weight", "it has 'a', 'b', 'y'")),
    "no such column to drop": BadTraining(
        GOOD, (*Y, "--drop", "bb"), ("no column 'bb'", "--drop", "did you mean 'b'?")
    ),
    "weight and target": BadTraining(GOOD, (*Y, "--weight", "y"), ("'y'", "--target", "--weight", "different")),
    "dropped target": BadTraining(GOOD, (*Y, "--drop", "y"), ("'y'", "--target", "--drop")),
    "all columns dropped": BadTraining(GOOD, (*Y, "--drop", "a", "--drop", "b"), ("no column besides the target",)),
    "the target alone": BadTraining(table("y", "{odd}"), Y, ("no column besides the target",)),
    "one class": BadTraining(table("a,y", "{x},yes"), Y, ("'y'", "one class", "'yes'", "at least two")),
    "one class of numbers": BadTraining(table("a,y", "{x},1"), Y, ("'y'", "one class", "1", "at least two")),
    "one number": BadTraining(table("a,y", "{x},1.5"), (*Y, "--task", "regression"), ("'y'", "1.5", "in all rows")),
    "a class of one row": BadTraining(MANY + "1,1,7\n", Y, ("class 7", "1 row;", "at least 3", "join classes")),
    "a class of two rows": BadTraining(MANY + "1,1,7\n" * 2, Y, ("class 7", "2 rows", "--no-early-stopping")),
    "a class of one row and no validation": BadTraining(
        GOOD + "1,1,7\n", (*Y, "--no-early-stopping"), ("class 7", "1 row;", "at least 2")
    ),
    "a long label of few rows": BadTraining(
        table("a,y", "{x},c{odd}") + f"1,{'l' * 5000}\n", Y, ("class 'lllll", "l…", "1 row;")
    ),
    "as many classes as rows": BadTraining(
        table("a,y", "{x},{x}"), (*Y, "--task", "classification"), ("class '", "1 row;")
    ),
    "too many classes": BadTraining(
        table("a,y", "{x},c{k}", 2000), Y, ("'y'", "2,000 different labels", "at most 1,000")
    ),
    "fewer than 10 rows": BadTraining(table("a,y", "{x},{odd}", 9), Y, ("9 rows", "at least 10")),
    "one row": BadTraining(table("a,y", "{x},1.5", 1), (*Y, "--task", "regression"), ("1.5 in all rows",)),
    "fewer than 10 rows with a target": BadTraining(
        table("a,y", "{x},{odd}", 9) + "1,\n" * 20, Y, ("9 rows", "with a target", "at least 10")
    ),
    "no row with a target": BadTraining(table("a,y", "{x},"), Y, ("no row", "'y'")),
    "a target of dates": BadTraining(table("a,y", "{x},2024-01-1{third}"), Y, ("'y'", "date", "Make a number of it")),
    "numbers from text": BadTraining(
        table("a,y", "{x},w{third}"), (*Y, "--task", "regression"), ("'y'", "text", "regression needs numbers")
    ),
    "numbers from booleans": BadTraining(
        table("a,y", "{x},true").replace("0.25,true", "0.25,false"),
        (*Y, "--task", "regression"),
        ("'y'", "true or false"),
    ),
    "text among the numbers of the target": BadTraining(
        table("a,y", "{x},{x}") + "1,unknown\n", Y, ("row 42", "column 'y'", "'unknown'", "numbers")
    ),
    "an infinite target": BadTraining(table("a,y", "{x},{x}") + "1,inf\n", Y, ("row 42", "column 'y'", "'inf'")),
    "targets that are too large": BadTraining(table("a,y", "{x},{k}e299"), Y, ("e+300", "expected")),
    "numbers that are too large": BadTraining(table("a,y", "{k}e299,{odd}"), Y, ("column 'a'", "e+300", "--drop")),
    "class weights of a regression": BadTraining(
        table("a,y", "{x},{x}"), (*Y, "--class-weight", "balanced"), ("--class-weight", "'y'")
    ),
    "a weight of text": BadTraining(TEXTS, (*Y, "--weight", "word"), ("'word'", "text", "numbers of 0 or more")),
    "a negative weight": BadTraining(
        table("a,w,y", "{x},1.5,{odd}") + "1,-2.5,1\n", (*Y, "--weight", "w"), ("row 42", "column 'w'", "-2.5")
    ),
    "a missing weight": BadTraining(
        table("a,w,y", "{x},1.5,{odd}") + "1,,1\n", (*Y, "--weight", "w"), ("row 42", "column 'w'", "missing")
    ),
    "weights of 0": BadTraining(table("a,w,y", "{x},0,{odd}"), (*Y, "--weight", "w"), ("no row", "'w'", "above 0")),
    "an infinite weight": BadTraining(
        table("a,w,y", "{x},1.5,{odd}") + "1,inf,1\n", (*Y, "--weight", "w"), ("row 42", "column 'w'", "'inf'")
    ),
    "nothing to predict from": BadTraining(
        table("a,b,name,y", "1,,name {k},{odd}"),
        Y,
        ("no column is left", "'a' has one value", "'b' has no values", "'name'"),
    ),
    "nearly all rows held out": BadTraining(
        table("a,y", "{x},{odd}", 12), (*Y, "--test-size", "0.99"), ("held out", "smaller --test-size")
    ),
    "a test without the target": BadTraining(GOOD, Y, ("no column 'y'",), test="a,b\n1,2\n"),
    "a test without a column": BadTraining(GOOD, Y, ("no column 'b'",), test="a,y\n1,0\n"),
    "a test without rows": BadTraining(GOOD, Y, ("no rows",), test="a,b,y\n"),
    "a test with another class": BadTraining(GOOD, Y, ("class 7", "no row of training has"), test="a,b,y\n1,1,7\n"),
    "a test with text in a column of numbers": BadTraining(
        GOOD, Y, ("row 2", "column 'b'", "'x'", "numbers"), test="a,b,y\n1,x,1\n"
    ),
    "a test with a text for a target": BadTraining(GOOD, Y, ("row 2", "column 'y'", "'no'"), test="a,b,y\n1,1,no\n"),
    "a test whose targets are missing": BadTraining(GOOD, Y, ("no row", "'y'"), test="a,b,y\n1,1,\n"),
    "a ragged test": BadTraining(GOOD, Y, ("row 3", "2 values", "expected 3"), test="a,b,y\n1,1,1\n1,1\n"),
    "a test in another encoding": BadTraining(GOOD, Y, ("UTF-16",), test="\ufffe" * 9),
    "test and test size": BadTraining(GOOD, (*Y, "--test-size", "0.5"), ("--test", "--test-size"), test=GOOD),
    "resume without checkpoint": BadTraining(GOOD, (*Y, "--resume"), ("--resume", "--checkpoint")),
}

# name -> content, options, note
NOTES = {
    "a constant column": (table("a,b,y", "{x},7,{odd}"), (), "column 'b' has one value in all rows: it is dropped"),
    "a constant text": (table("a,b,y", "{x},seven,{odd}"), (), "column 'b' has one value in all rows: it is dropped"),
    "a column without values": (table("a,b,y", "{x},,{odd}"), (), "column 'b' has no values: it is dropped"),
    "rows without a target": (table("a,y", "{x},{odd}") + "5,\n" * 3, (), "3 rows have no value of the target 'y'"),
    "one row without a target": (table("a,y", "{x},{odd}") + "5,\n", (), "1 row has no value of the target 'y'"),
    "names": (table("a,name,y", "{x},name {k},{odd}"), (), "column 'name' has a different text in nearly every row"),
    "an index without a name": (table(",a,y", "{k},{x},{odd}"), (), "first column, which only counts the rows"),
    "an index of pandas": (table("Unnamed: 0,a,y", "{k},{x},{odd}"), (), "first column, which only counts the rows"),
    "commas at the ends of lines": (table("a,y,", "{x},{odd},"), (), "last column, which has no name and no values"),
    "classes of integers": (table("a,y", "{x},{third}"), (), "'y' has 3 different integers: classification"),
    "classes of text": (table("a,y", "{x},w{third}"), (), "'y' is text: classification"),
    "numbers to predict": (table("a,y", "{x},{x}"), (), "'y' has 40 different numbers: regression"),
    "dates of unknown order": (
        table("a,d,y", "{x},0{third}/07/2024,{odd}").replace("00/", "05/"), (), "dates are read as month/day/year"
    ),
}  # fmt: skip
