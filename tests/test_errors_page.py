"""The page of errors: each message that it quotes is one that the sources print, and each exit status is described."""

import ast
import functools
import itertools
import pathlib
import re

import pytest
import sklearn

import fastnn2
from fastnn2.commands.output import INTERRUPTED

PACKAGE = pathlib.Path(fastnn2.__file__).parent
TEXT = (pathlib.Path(__file__).resolve().parents[1] / "docs/guide/errors.md").read_text(encoding="utf-8")
SKLEARNS = "Messages of scikit-learn"  # the heading above those that the classes inherit
SKLEARN_FILES = ("neural_network/_multilayer_perceptron.py", "utils/optimize.py")
LONGEST_NAME = 40  # characters of a name or number in a message
FEWEST_LETTERS = 9  # of a message's own words in a quotation; with fewer, it could be any message


def quotations():
    """Return the quoted message of each item of the page's lists, with the heading above it."""
    found, heading = [], ""
    for line in TEXT.splitlines():
        if line.startswith("#"):
            heading = line.strip("# ")
        elif item := re.match(r"- `(?:\w+Warning: )?(.+?)`:", line):
            found.append((heading, item[1]))
    return found


@functools.cache
def templates(root, files=("**/*.py",)):
    """Return the texts of a package that may be printed, as :func:`template_of` has them."""
    found = set()
    for path in itertools.chain.from_iterable(map(root.glob, files)):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                found.add(template_of(node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
                found.add(template_of([node]))
    return {template for template in found if sum(map(str.isalpha, filter(None, template))) >= FEWEST_LETTERS}


def template_of(parts):
    """Return the characters of a text; None stands for what a program fills in, in an f-string or by "%"."""
    found = []
    for part in parts:
        if isinstance(part, ast.Constant):
            first, *others = re.split("%[a-z]", part.value)
            found += first
            for other in others:
                found += [None, *other]
        else:
            found.append(None)
    return tuple(found)


def begins(quotation, template):
    """Return whether a message of the template can begin with a quotation, in which "…" is what is filled in.

    A part that is filled in may also be quoted as a word, such as the name of an argument.
    """
    states = {(0, 0, 0)}  # the place in the template, the length of a word that is filled in there, letters that agree
    for character in quotation:
        following = set()
        for place, length, letters in states:
            if place == len(template):
                continue
            if template[place] is None:
                if character == "…":
                    following.add((place + 1, 0, letters))
                elif not character.isspace() and length < LONGEST_NAME:
                    following |= {(place, length + 1, letters), (place + 1, 0, letters)}
            elif template[place] == character:
                following.add((place + 1, 0, letters + character.isalpha()))
        states = following
    return any(letters >= FEWEST_LETTERS for _, _, letters in states)


def is_printed(quotation, known):
    return any(begins(quotation, template) for template in known)


def test_a_quotation_is_found_only_where_a_message_begins_so():
    known = {template_of(ast.parse("f'{name} has shape {shape}; expected {rows} rows'", mode="eval").body.values)}
    for right in ("X has shape …; expected …", "… has shape (3,); expected 5 rows"):
        assert is_printed(right, known), right
    for wrong in (
        "X has shape …; wanted …",
        "X has the shape …",
        "has shape …; expected …",
        "a b has shape …",
        "X has",
    ):
        assert not is_printed(wrong, known), wrong


@pytest.mark.parametrize(("heading", "message"), quotations())
def test_each_quoted_message_is_one_of_the_sources(heading, message):
    if heading == SKLEARNS:
        known = templates(pathlib.Path(sklearn.__file__).parent, SKLEARN_FILES)
    else:
        known = templates(PACKAGE)
    assert is_printed(message, known), message


def test_the_page_quotes_messages_of_each_kind():
    """The test above would pass on nothing."""
    headings = [heading for heading, _ in quotations()]
    assert headings.count(SKLEARNS) >= 5
    assert len(headings) > 60 + headings.count(SKLEARNS)
    assert len(set(headings)) > 9


def test_each_exit_status_is_described():
    rows = re.search(r"^\| exit status \|.*\n.*\n((?:\|.*\n)+)", TEXT, re.MULTILINE).group(1)
    assert [int(row.split("|")[1]) for row in rows.splitlines()] == [0, 1, 2, INTERRUPTED]


def test_each_error_of_a_training_is_described():
    for name in ("fastnn2.TrainingDiverged", "fastnn2.TrainingInterrupted", "fastnn2.dask.ClusterError"):
        assert f"`{name}`" in TEXT
