"""Random networks in calls of fit_many, each compared with its own fit, bit for bit.

``python tests/many_fits.py 10000 3`` draws 10,000 networks from seed 3, and prints how many of each kind were the same.
The suite draws fewer.

The networks of a call are of mixed shapes, dtypes, memory orders, weights and penalties. Some of them share X, Y and
weights, some diverge, and diverged ones come before good ones on each thread.
"""

import collections
import sys
import warnings

import numpy as np
from array_forms import FORMS, KINDS
from data import assert_same_bits

import fastnn2
from fastnn2.kernels.shared import tuning

THREADS = (1, 2, 7)
OF_A_CALL = 250
# How often a network is of each kind, in a thousand, and the largest d, h, o and n.
SIZES = {"narrow": (600, (2, 12, 1, 300)), "layers": (350, (12, 20, 4, 300)), "shared": (50, (80, 90, 3, 120))}
WIDE = (220, 600, 1, 20)
RATES = (0.01, 0.3, 3.0)
DIVERGING_RATE = 1e200


def draw_network(source, kind):
    """Return the arguments of a network's fit by name."""
    d, h, o, n = (int(source.integers(1, most + 1)) for most in SIZES[kind][1])
    if kind == "shared":
        d, h = max(d, 60), max(h, 70)
    iterations = int(source.integers(0, 12))
    arguments = {
        "X": draw_array(source, source.standard_normal((d, n))),
        "Y": draw_array(source, (source.standard_normal((o, n)) > 0).astype(float)),
        "learning_rate": float(source.choice(RATES)),
        "hidden_size": h,
        "number_of_iterations": iterations,
        "init": str(source.choice(["he", "small"])),
        "random_state": int(source.integers(0, 2**32)),
        "alpha": float(source.choice([0.0, 0.5])),
        "sample_weight": draw_array(source, source.integers(1, 4, n).astype(float)) if source.random() < 0.4 else None,
    }
    if o == 1 and source.random() < 0.3:
        arguments["Y"] = (source.standard_normal(n) > 0).astype(source.choice(["bool", "int8", "float32"]))
    if source.random() < 0.08:
        arguments |= {"learning_rate": DIVERGING_RATE, "alpha": float(source.choice([0.0, 1e150]))}
    if source.random() < 0.15:
        shapes = {"W1": (h, d), "b1": (h, 1), "W2": (o, h), "b2": (o, 1)}
        arguments["init"] = {name: source.standard_normal(shape) / 4 for name, shape in shapes.items()}
    return arguments


def draw_array(source, array):
    """Return an array in one of the forms, of one of the number types."""
    kind = str(source.choice(KINDS)) if source.random() < 0.5 else str(source.choice(["float64", "float32"]))
    if source.random() < 0.05:
        return np.broadcast_to(array[:1].astype(kind), array.shape)
    return FORMS[str(source.choice(sorted(FORMS)))](array.astype(kind))


def draw_networks(count, seed):
    """Return the arguments of many networks, and the kind of each."""
    source = np.random.default_rng(seed)
    kinds = [str(kind) for kind in source.choice(list(SIZES), count, p=[share / 1000 for share, _ in SIZES.values()])]
    networks = []
    for kind in kinds:
        arguments = draw_network(source, kind)
        if networks and source.random() < 0.2:  # one sweep over the data of an earlier one
            earlier = networks[int(source.integers(len(networks)))]
            arguments |= {name: earlier[name] for name in ("X", "Y", "sample_weight")}
            d, o = np.asarray(earlier["X"]).shape[0], np.atleast_2d(np.asarray(earlier["Y"])).shape[0]
            arguments["init"] = "he"
            kinds[len(networks)] = f"{'narrow' if d <= 2 and o == 1 else 'layers'} on shared samples"
        networks.append(arguments)
    return networks, kinds


def wide_network(seed=0):
    """Return the arguments of a very wide network, which all threads share."""
    d, h, o, n = WIDE
    assert tuning.train_kernel(d, h, o) == "train_wide"
    source = np.random.default_rng(seed)
    X, Y = source.standard_normal((d, n)), (source.standard_normal((o, n)) > 0).astype(float)
    return {
        "X": X, "Y": Y, "learning_rate": 0.01, "hidden_size": h, "number_of_iterations": 3, "init": "he",
        "random_state": seed, "alpha": 0.5, "sample_weight": source.uniform(0.5, 2.0, n),
    }  # fmt: skip


def own_fit(arguments, **options):
    """Return what fit returns for a network, or what is finite where it diverges, and whether it does."""
    try:
        return fastnn2.fit(**arguments, **options), False
    except fastnn2.TrainingDiverged as error:
        return (error.params, error.cost_), True


def together(networks, **options):
    """Return what fit_many returns for these networks, the last finite values of those that diverge included."""
    lists = {name: [arguments[name] for arguments in networks] for name in networks[0]}
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        return fastnn2.fit_many(**lists, on_divergence="keep", **options)


def check(count, seed, threads=THREADS):
    """Compare networks with their own fits; return how many there are of each kind."""
    found = collections.Counter()
    networks, kinds = draw_networks(count, seed)
    expected = [own_fit(arguments) for arguments in networks]
    for (_, has_diverged), kind in zip(expected, kinds, strict=True):
        found[f"{kind}, diverged" if has_diverged else kind] += 1
    for n_threads in threads:
        for first in range(0, count, OF_A_CALL):
            part = slice(first, first + OF_A_CALL)
            results = together(networks[part], n_threads=n_threads)
            for i, (result, (own, _)) in enumerate(zip(results, expected[part], strict=True)):
                try:
                    assert_same_bits(result, own)
                except AssertionError as error:
                    raise AssertionError(f"seed {seed}, network {first + i}, {n_threads} threads") from error
        last = together(networks[:OF_A_CALL], n_threads=n_threads, costs="last")
        for (params, cost), ((own_params, own_costs), _) in zip(last, expected, strict=False):
            assert_same_bits((params, cost), (own_params, own_costs[-1:]))
    return found


if __name__ == "__main__":
    COUNT, SEED = (int(argument) for argument in sys.argv[1:])
    for first in range(0, COUNT, 1000):
        print(dict(check(min(1000, COUNT - first), SEED + first)), flush=True)
