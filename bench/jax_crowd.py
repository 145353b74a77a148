"""JAX trains a crowd of networks: ``vmap`` of a ``lax.scan`` over the iterations, compiled once for each batch.

X is (d, n), as for fit_many: with samples in rows, JAX took up to three times as long for narrow networks, and it was
never faster. Unrolling the scan changed nothing.
"""

FORMULAS = ("gradient", "by hand")
# How a batch comes to more than one core -> (environment, how many processes take a batch at once)
WAYS = {
    "one device": ({}, 1),
    "two devices": ({"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}, 1),
    "two processes": ({}, 2),
}


def cost(params, X, Y):
    """Return the cost of one network, from the logits."""
    import jax.numpy as jnp

    Z2 = params["W2"] @ jnp.tanh(params["W1"] @ X + params["b1"]) + params["b2"]
    return jnp.sum(jnp.maximum(Z2, 0) - Y * Z2 + jnp.log1p(jnp.exp(-jnp.abs(Z2)))) / X.shape[1]


def cost_and_slopes(params, X, Y):
    """Return the cost of one network and its gradient, by the formulas of backpropagation."""
    import jax.numpy as jnp

    n = X.shape[1]
    A1 = jnp.tanh(params["W1"] @ X + params["b1"])
    Z2 = params["W2"] @ A1 + params["b2"]
    small = jnp.exp(-jnp.abs(Z2))
    value = jnp.sum(jnp.maximum(Z2, 0) - Y * Z2 + jnp.log1p(small)) / n
    dZ2 = (jnp.where(Z2 >= 0, 1, small) / (1 + small) - Y) / n
    dZ1 = params["W2"].T * dZ2 * (1 - A1 * A1)  # one output: the product is one of rows and columns
    return value, {
        "W1": dZ1 @ X.T, "b1": dZ1.sum(axis=1, keepdims=True), "W2": dZ2 @ A1.T, "b2": dZ2.sum(axis=1, keepdims=True),
    }  # fmt: skip


class JaxCrowds:
    """Runs in this process; the first one with some arguments is also compiled."""

    def __init__(self, number):
        import jax

        jax.config.update("jax_enable_x64", True)  # else float64 becomes float32; all arrays have explicit dtypes
        self._jax, self._number, self._runs = jax, number, {}

    def __call__(self, crowd, formula, batch, is_kept=False):
        """Train a batch; return the costs of each of its networks where they are kept."""
        key = crowd, formula, batch
        if key not in self._runs:
            self._runs[key] = self._compiled(*key)
        function, arguments = self._runs[key]
        _, costs = self._jax.block_until_ready(function(*arguments))
        return costs.tolist() if is_kept else None

    def _compiled(self, crowd, formula, batch):
        """Return the compiled function and its arguments, those of networks of the crowd that differ by process."""
        import numpy as np

        jax, first = self._jax, self._number * batch
        each = [crowd.initial(network) for network in range(first, first + batch)]
        params = {name: np.array([one[name] for one in each], crowd.dtype) for name in each[0]}
        mesh = jax.sharding.Mesh(jax.devices(), "batch")
        split, whole = (jax.sharding.NamedSharding(mesh, jax.P(*axes)) for axes in (["batch"], []))
        X, Y = map(np.array, crowd.drawn(first, first + batch)) if crowd.is_own else crowd.shared()
        axis = 0 if crowd.is_own else None
        arguments = (jax.device_put(params, split), *jax.device_put((X, Y), split if crowd.is_own else whole))
        function = jax.vmap(self._training(crowd.case, formula), in_axes=(0, axis, axis))
        return jax.jit(function).lower(*arguments).compile(), arguments

    def _training(self, case, formula):
        jax = self._jax
        slopes = jax.value_and_grad(cost) if formula == "gradient" else cost_and_slopes

        def train(params, X, Y):
            def step(params, _):
                value, gradient = slopes(params, X, Y)
                return {name: params[name] - case.learning_rate * gradient[name] for name in params}, value

            return jax.lax.scan(step, params, None, length=case.iterations)

        return train
