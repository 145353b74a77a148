"""JAX: all iterations in one ``jit`` with ``lax.scan``, with JAX's own gradient, which is faster than the formulas."""

from bench import cpuid, levels

if levels.held():  # before XLA asks the processor
    cpuid.hide(levels.held())

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)  # else float64 becomes float32; the arrays below have explicit dtypes

TITLE = "JAX"
THREADS = (None,)  # XLA takes all cores; a process cannot choose


def prepare(X, Y, params, learning_rate, iterations, dtype, threads):
    X, Y = jnp.asarray(X, dtype=dtype), jnp.asarray(Y, dtype=dtype)
    params = {name: jnp.asarray(value, dtype=dtype) for name, value in params.items()}

    def cost(params, X, Y):
        Z2 = params["W2"] @ jnp.tanh(params["W1"] @ X + params["b1"]) + params["b2"]
        return jnp.sum(jnp.maximum(Z2, 0) - Y * Z2 + jnp.log1p(jnp.exp(-jnp.abs(Z2)))) / X.shape[1]

    @jax.jit
    def train(params, X, Y):
        def step(params, _):
            value, gradients = jax.value_and_grad(cost)(params, X, Y)
            return {name: params[name] - learning_rate * gradients[name] for name in params}, value

        return jax.lax.scan(step, params, None, length=iterations)

    def run():
        trained, cost_ = jax.block_until_ready(train(params, X, Y))
        return float(cost_[-1]), trained

    return run
