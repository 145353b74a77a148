"""The former home of the tutorial's single functions: pickles of them made before the rooms name it."""

from fastnn2.functional.steps import backward, cost, forward, init_params, predict, update

__all__ = ["backward", "cost", "forward", "init_params", "predict", "update"]
