"""The former home of :func:`fastnn2.fit`: pickles of the function made before the rooms name it."""

from fastnn2.functional.fit import fit

__all__ = ["fit"]
