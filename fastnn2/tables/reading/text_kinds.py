"""What kind a column of a text file has, which all of its values say together."""

from collections.abc import Iterable
from typing import Any

from fastnn2.tables.reading import text_values
from fastnn2.tables.reading.columns import BOOLEAN, DATE, NUMBER, TEXT, UNSUPPORTED, Column
from fastnn2.tables.reading.messages import shown

# A column with this share of numbers has numbers; other values in it are mistakes, unless they are categories.
MOSTLY = 0.9
FEWEST = 9  # numbers, for which that can be said
# "1", "2" and "3+" are categories: few different numbers, and other values that come again.
FEW = 20
LOOKED_AT = 100  # values after which a kind that none of them has is not looked for any more

THOUSANDS = r"^\s*[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?\s*$"
KIND_NAMES = {NUMBER: "numbers", BOOLEAN: "true or false", DATE: "dates", TEXT: "text"}


def convert(texts: Any, kind: str, form: str | None) -> text_values.Values:
    """Return texts as values of a kind."""
    import polars

    if kind == NUMBER:
        return text_values.as_numbers(texts, form == ",")
    if kind == BOOLEAN:
        return text_values.as_booleans(texts)
    if kind == DATE:
        return text_values.as_dates(texts, form or text_values.ISO)
    return text_values.Values(text_values.as_texts(texts), polars.repeat(False, len(texts), eager=True))


class _Candidate:
    """A kind that a column may have, and how many of its values are of that kind."""

    def __init__(self, kind: str, form: str | None = None) -> None:
        self.kind, self.form = kind, form
        self.right = self.wrong = self.thousands = 0
        self.first_wrong: tuple[int, str] | None = None
        self.first_infinite: tuple[int, str] | None = None
        # Different values, up to a few more than FEW.
        self.different: set[Any] = set()
        self.different_wrong: set[str] = set()

    def add(self, texts: Any, first: int) -> None:
        values, wrong = convert(texts, self.kind, self.form)
        count = int(wrong.sum() or 0)
        self.right += len(values) - values.null_count()
        self.wrong += count
        if count:
            others = texts.filter(wrong)
            if self.first_wrong is None:
                place = int(wrong.arg_max())
                self.first_wrong = first + place, texts[place]
            if len(self.different_wrong) <= FEW:
                self.different_wrong.update(others.unique().head(FEW + 1))
            if self.kind == NUMBER and self.form is None:
                self.thousands += int(others.str.contains(THOUSANDS).sum())
        if self.kind == NUMBER:
            if len(self.different) <= FEW:
                self.different.update(values.drop_nulls().unique().head(FEW + 1))
            if self.first_infinite is None:
                infinite = values.is_infinite()
                if infinite.any():
                    place = int(infinite.arg_max())
                    self.first_infinite = first + place, texts[place]

    @property
    def is_among_categories(self) -> bool:
        """Whether the right and the wrong values look like categories together."""
        few = len(self.different) <= FEW and len(self.different_wrong) <= FEW
        return self.kind == NUMBER and few and self.wrong >= 2 * len(self.different_wrong)

    @property
    def is_meant(self) -> bool:
        """Whether nearly all values are of this kind."""
        share = self.right / max(1, self.right + self.wrong)
        return self.kind != BOOLEAN and self.right >= FEWEST and share >= MOSTLY and not self.is_among_categories


class KindFinder:
    """Finds the kind of a column.

    Parameters
    ----------
    name : str
        Of the column.
    separator : str
        Of the file: a comma in a number is a decimal comma only if it does not separate values.
    """

    MOST = FEW + 1  # different numbers, which tell that they are not few

    def __init__(self, name: str, separator: str) -> None:
        self._name = name
        commas = [] if separator == "," else [_Candidate(NUMBER, ",")]
        dates = [_Candidate(DATE, form) for form in text_values.DATE_FORMS]
        self._numbers = _Candidate(NUMBER)
        self._candidates = [self._numbers, *commas, _Candidate(BOOLEAN), *dates]

    def add(self, texts: Any, first: int) -> None:
        """Look at more values, of the rows from number `first` on."""
        for candidate in self._candidates:
            candidate.add(texts, first)
        self._drop_candidates()

    @property
    def wants_different(self) -> bool:
        """Whether `add_numbers` needs the different numbers."""
        return len(self._numbers.different) < self.MOST

    def add_numbers(self, texts: Any, count: int, different: Iterable[float], first: int) -> None:
        """Look at more values that are finite numbers, or nothing.

        Parameters
        ----------
        texts : polars.Series
        count : int
            The number of numbers.
        different : iterable of float
            Some of the different ones, up to MOST.
        first : int
            The number of the first row.
        """
        self._numbers.right += count
        self._numbers.different.update(different)
        place = None
        for candidate in self._candidates[1:]:
            if candidate.kind == NUMBER:
                candidate.add(texts, first)
            elif count:
                candidate.wrong += count
                if candidate.first_wrong is None:
                    if place is None:
                        place = 0 if texts[0] is not None else int(texts.is_not_null().arg_max())
                    candidate.first_wrong = first + place, texts[place]
        self._drop_candidates()

    def _drop_candidates(self) -> None:
        """Leave out the kinds that none of many values has."""
        if any(found.right + found.wrong >= LOOKED_AT for found in self._candidates):
            self._candidates = [found for found in self._candidates if found.right or found is self._numbers]

    def find(self) -> tuple[Column, tuple[int | None, str] | None, str | None]:
        """Return the column, the row and text of what is wrong with it, and a note on it."""
        fitting = [found for found in self._candidates if not found.wrong and (found.right or found is self._numbers)]
        if fitting:
            return self._fitting(fitting)
        for found in self._candidates:
            if found.is_meant and found.first_wrong:
                row, value = found.first_wrong
                share = found.right / (found.right + found.wrong)
                problem = (
                    f"found {shown(value)}, where {_percent(share)} of the values are {KIND_NAMES[found.kind]}; "
                    "correct it, or leave it empty if it is missing"
                )
                return self._unsupported(f"text among {KIND_NAMES[found.kind]}", row, problem)
        numbers = self._numbers
        seeming = numbers.right + numbers.thousands
        if numbers.first_wrong and numbers.thousands and seeming >= MOSTLY * (numbers.right + numbers.wrong):
            row, value = numbers.first_wrong
            problem = f"found {shown(value)}, a number with commas between thousands; write it without them"
            return self._unsupported("numbers with commas between thousands", row, problem)
        return Column(self._name, TEXT), None, None

    def _fitting(self, fitting: list[_Candidate]) -> tuple[Column, tuple[int | None, str] | None, str | None]:
        found = fitting[0]
        if found.first_infinite:
            row, value = found.first_infinite
            problem = f"found {shown(value)}, an infinite number; expected finite numbers, or nothing if it is missing"
            return self._unsupported("infinite numbers", row, problem)
        note = None
        forms = [other.form for other in fitting if other.kind == DATE]
        if found.form == text_values.MONTH_FIRST and text_values.DAY_FIRST in forms:
            note = f"column {self._name!r}: dates are read as month/day/year; no value tells which comes first"
        return Column(self._name, found.kind, found.form), None, note

    def _unsupported(self, form: str, row: int, problem: str) -> tuple[Column, tuple[int | None, str], None]:
        return Column(self._name, UNSUPPORTED, form), (row, problem), None


def _percent(share: float) -> str:
    return f"{min(share, 0.999):.1%}".replace("%", " %")
