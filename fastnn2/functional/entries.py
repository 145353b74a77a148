"""Arguments of fit_many: one value for all networks, or a list or tuple with one entry for each."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

Value = TypeVar("Value")


class Argument:
    """An argument by name. A list or tuple has one entry for each network; any other value is for all of them.

    Attributes
    ----------
    name : str
    count : int or None
        The number of entries; None for one value for all.
    """

    def __init__(self, name: str, value: Any) -> None:
        self.name, self._value = name, value
        self.count = len(value) if isinstance(value, list | tuple) else None

    def name_of(self, i: int) -> str:
        """Return how an error calls the value of network i."""
        return self.name if self.count is None else f"{self.name}[{i}]"

    def values(self, networks: int) -> list[Any]:
        """Return the value of each network."""
        return [self._value] * networks if self.count is None else list(self._value)

    def numbers(self, networks: int, check: Callable[[Any, str], Value]) -> list[Value]:
        """Return ``check(value, name)`` of each network."""
        if self.count is not None:
            return [check(value, self.name_of(i)) for i, value in enumerate(self._value)]
        self.check_no_array()
        return [check(self._value, self.name)] * networks

    def check_no_array(self, may_be_dict: bool = False) -> None:
        """Raise TypeError if the value for all networks has many, as an array or a generator, and is no list of them.

        `may_be_dict` tells whether a dict is one value.
        """
        value = self._value
        if self.count is not None or isinstance(value, str | bytes) or (may_be_dict and isinstance(value, dict)):
            return
        if isinstance(value, Iterable) and getattr(value, "ndim", 1) > 0:
            raise TypeError(
                f"{self.name} is of type {type(value).__name__}; expected one value for all networks, or a list "
                f"with one for each: pass {self.name}={self._as_list()}"
            )

    def _as_list(self) -> str:
        """Return the code that makes a list with one entry for each network of the value."""
        return f"list({self.name}.values())" if isinstance(self._value, Mapping) else f"list({self.name})"

    def _has_entries(self, axes: int) -> bool:
        """Return whether a value that is no list was probably meant as one, whose entries have so many axes."""
        value, found = self._value, count_axes(self._value)
        if found > 1 or not isinstance(value, Iterable):
            return found == 3
        entries = value.values() if isinstance(value, Mapping) else value
        return any(count_axes(entry) >= axes for entry in itertools.islice(entries, 1))

    def objects(
        self, networks: int, check: Callable[[int, Any, str], Value], least_axes: int, keys: Iterable[Any] | None = None
    ) -> list[Value]:
        """Return ``check(i, value, name)`` of each network; see :func:`each_once`.

        If an entry has fewer axes than `least_axes`, the list was probably meant as one value for all networks; if the
        one value has three, or is a generator of arrays, its entries were probably meant for one network each.
        """

        def convert(i: int, value: Any, _: bool) -> Value:
            try:
                return check(i, value, self.name_of(i))
            except (TypeError, ValueError) as error:
                if self.count is None and self._has_entries(least_axes):
                    raise type(error)(
                        f"{error}. For one {self.name} for each network pass {self.name}={self._as_list()}"
                    ) from error
                if self.count is None or value is None or count_axes(value) >= least_axes:
                    raise
                raise type(error)(
                    f"{error}. The list {self.name} has one entry for each network; for one {self.name} for all "
                    f"of them pass np.asarray({self.name})"
                ) from error

        return each_once(self.values(networks), convert, keys)


def count_axes(value: Any) -> int:
    """Return how many axes a value has; 2 for rows of different lengths."""
    try:
        return np.ndim(value)
    except ValueError:
        return 2


def each_once(
    values: Iterable[Any], convert: Callable[[int, Any, bool], Value], keys: Iterable[Any] | None = None
) -> list[Value]:
    """Return ``convert(i, value, is_repeated)`` of each value, called once for those that are the same object.

    There is at least one value. `keys`, if given, also must be the same.
    """
    values = list(values)
    found: list[Any] = list(map(id, values)) if keys is None else list(zip(map(id, values), keys, strict=True))
    if found.count(found[0]) == len(found):  # one for all, as most arguments are
        return [convert(0, values[0], len(values) > 1)] * len(values)
    counts, kept, converted = Counter(found), dict[Any, Value](), list[Value]()
    for i, (key, value) in enumerate(zip(found, values, strict=True)):
        if counts[key] == 1:
            converted.append(convert(i, value, False))
            continue
        if key not in kept:
            kept[key] = convert(i, value, True)
        converted.append(kept[key])
    return converted


def count_networks(arguments: Iterable[Argument]) -> int:
    """Return the number of entries of all lists among the arguments, 1 if there is none; ValueError if they differ."""
    lists = [argument for argument in arguments if argument.count is not None]
    counts = {argument.count for argument in lists}
    if len(counts) > 1:
        found = ", ".join(f"{argument.name} has {argument.count}" for argument in lists)
        raise ValueError(
            f"lists have different numbers of entries: {found}; expected one for each network in each list. (One value "
            "for all networks is no list: pass an array as np.asarray(...))"
        )
    return counts.pop() or 0 if counts else 1
