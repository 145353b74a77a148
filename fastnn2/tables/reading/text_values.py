"""Values of a text file: numbers, booleans, dates and texts, each with its own ways to say that a value is missing."""

from typing import Any, NamedTuple

# As pandas has them; also what R, spreadsheets and the sets of the UCI repository write.
MISSING = frozenset(
    ("", "?", "NA", "N/A", "n/a", "<NA>", "#N/A", "#N/A N/A", "#NA", "#VALUE!", "#DIV/0!", "NaN", "nan")
)
MISSING |= {"-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "NULL", "null", "None"}
# Texts that may well be a category, such as "+" and "-", but mean a missing value where numbers or dates are.
MISSING_VALUE = MISSING | {"-", "--", ".", "NAN", "none", "Null"}

ISO, GERMAN, MONTH_FIRST, DAY_FIRST = "%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y"
PLAIN_FORMS = (ISO, GERMAN)  # which nothing else looks like
DATE_FORMS = (ISO, GERMAN, MONTH_FIRST, DAY_FIRST)
_DATES = {ISO: r"\d{4}-\d{2}-\d{2}", GERMAN: r"\d{1,2}\.\d{1,2}\.\d{4}"}
_DATES |= dict.fromkeys((MONTH_FIRST, DAY_FIRST), r"\d{1,2}/\d{1,2}/\d{4}")
_TIME = (
    r"[T ]([01]\d|2[0-3]|\d):([0-5]\d)(?::([0-5]\d)(?:[.,](\d{1,9}))?)?"  # hour, minute, second, fraction
    r" ?(?:([+-])([01]\d|2[0-3]):?([0-5]\d)|Z)?"  # sign, hours and minutes of the distance to UTC
)
MICROSECONDS = 10**6
# The days of 0001-01-01 and of 10000-01-01, counted from 1970-01-01.
FIRST_DAY, END_DAY = -719_162, 2_932_897
PER_DAY = {"ms": 86_400 * 10**3, "us": 86_400 * 10**6}


class Values(NamedTuple):
    """Values of a column.

    Attributes
    ----------
    values : polars.Series
        Null where a value is missing or wrong.
    wrong : polars.Series
        Whether a value is there and not of the kind.
    """

    values: Any
    wrong: Any


def as_numbers(texts: Any, decimal_comma: bool = False) -> Values:
    """Return texts as Float64. Infinite numbers are among the values."""
    import polars

    if decimal_comma:
        texts = texts.str.replace_all(".", "_", literal=True).str.replace_all(",", ".", literal=True)
    numbers = texts.cast(polars.Float64, strict=False)
    wrong = numbers.is_null() & texts.is_not_null()
    if wrong.any():
        places = wrong.arg_true()
        stripped = texts.gather(places).str.strip_chars()
        again = stripped.cast(polars.Float64, strict=False)
        numbers = numbers.scatter(places, again)
        still = again.is_null() & ~_is_in(stripped, _with_commas() if decimal_comma else MISSING_VALUE)
        wrong = wrong.scatter(places, still)
    return Values(without_nan(numbers), wrong)


def without_nan(numbers: Any) -> Any:
    """Return numbers with null in place of NaN."""
    return numbers.fill_nan(None) if numbers.is_nan().any() else numbers


def as_booleans(texts: Any) -> Values:
    """Return "true" and "false", in any case, as Boolean."""
    stripped = texts.str.strip_chars()
    lower = stripped.str.to_lowercase()
    true, false = lower == "true", lower == "false"
    values = _without(true, ~(true | false))
    return Values(values, values.is_null() & ~_is_missing(stripped, MISSING_VALUE))


def as_texts(texts: Any) -> Any:
    """Return texts as they are, and null where one says that a value is missing."""
    missing = _is_missing(texts.str.strip_chars(), MISSING)
    return _without(texts, missing) if missing.any() else texts


def as_dates(texts: Any, form: str) -> Values:
    """Return texts as Datetime in microseconds, in UTC where they say how far from it they are.

    Parameters
    ----------
    texts : polars.Series
    form : str
        One of DATE_FORMS. A time may follow the date.
    """
    import polars

    stripped = texts.str.strip_chars()
    parts = polars.DataFrame({"text": stripped}).select(
        polars.col("text").str.extract_groups(f"^({_DATES[form]})(?:{_TIME})?$")
    )
    parts = parts.unnest("text")
    parts.columns = ["date", "hour", "minute", "second", "fraction", "sign", "hours", "minutes"]
    dates = parts["date"].str.to_date(form, strict=False).cast(polars.Datetime("us"))
    if parts["hour"].null_count() < len(parts):
        number = {name: polars.col(name).cast(polars.Int64).fill_null(0) for name in parts.columns[1:]}
        zone = (number["hours"] * 60 + number["minutes"]) * polars.when(polars.col("sign") == "-").then(-1).otherwise(1)
        seconds = (number["hour"] * 60 + number["minute"] - zone) * 60 + number["second"]
        fraction = polars.col("fraction").str.pad_end(6, "0").str.slice(0, 6).cast(polars.Int64).fill_null(0)
        time = parts.select((seconds * MICROSECONDS + fraction).cast(polars.Duration("us")).alias("time"))["time"]
        dates = dates + time
    outside = is_outside(dates)
    dates = _without(dates, outside) if outside.any() else dates
    return Values(dates.rename(texts.name), dates.is_null() & ~_is_missing(stripped, MISSING_VALUE))


def is_outside(dates: Any) -> Any:
    """Return whether dates are before the year 1 or after 9999, which Python has no dates for."""
    import polars

    if dates.dtype != polars.Date and dates.dtype.time_unit not in PER_DAY:  # nanoseconds end in 2262
        return polars.repeat(False, len(dates), eager=True)
    per_day = 1 if dates.dtype == polars.Date else PER_DAY[dates.dtype.time_unit]
    numbers = dates.to_physical()
    outside = (numbers < FIRST_DAY * per_day) | (numbers >= END_DAY * per_day)
    return outside.fill_null(False)


def _without(values: Any, places: Any) -> Any:
    """Return values with null in some places, which are true."""
    import polars

    return polars.select(polars.when(~places).then(values).alias(values.name)).to_series()


def _is_missing(stripped: Any, missing: frozenset[str]) -> Any:
    return stripped.is_null() | _is_in(stripped, missing)


def _is_in(stripped: Any, words: frozenset[str]) -> Any:
    """Return whether texts that are there are among some words."""
    return stripped.is_in(sorted(words)).fill_null(False)


def _with_commas() -> frozenset[str]:
    """Return the words for a missing value as they are after points have become underscores."""
    return frozenset(word.replace(".", "_").replace(",", ".") for word in MISSING_VALUE)
