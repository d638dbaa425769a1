"""The layers that all networks are built from."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
from flax import nnx

from gnn_discovery.gnn.config import Activation, NetworkConfig


class MLP(nnx.Module):
    """A multilayer perceptron: dense layers with an activation between them.

    Args:
        sizes: numbers of inputs, hidden units of each layer, and outputs.
        rngs: the random generators of the initial weights.
        last_scale: factor of the variance of the initial weights of the last layer.
        activation: the function between the layers.
    """

    def __init__(self, sizes: list[int], rngs: nnx.Rngs, last_scale: float = 1.0, activation: Activation = "silu"):
        self.activation = activation
        init = nnx.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")
        last_init = nnx.initializers.variance_scaling(last_scale, "fan_in", "truncated_normal")
        pairs = list(itertools.pairwise(sizes))
        self.layers = nnx.List(
            nnx.Linear(a, b, kernel_init=last_init if k == len(pairs) - 1 else init, rngs=rngs)
            for k, (a, b) in enumerate(pairs)
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers[:-1]:
            x = getattr(nnx, self.activation)(layer(x))
        return self.layers[-1](x)


class GatedMLP(nnx.Module):
    """An MLP whose outputs are u * exp(w), so that it spans decades; w is kept within -12 and 12.

    Args:
        inputs: number of inputs.
        outputs: number of outputs.
        hidden: units of each hidden layer.
        config: says whether there is a gate, and the activation.
        rngs: the random generators of the initial weights.
    """

    def __init__(self, inputs: int, outputs: int, hidden: list[int], config: NetworkConfig, rngs: nnx.Rngs):
        self.gate = config.gate
        sizes = [inputs, *hidden, outputs * (2 if config.gate else 1)]
        self.mlp = MLP(sizes, rngs, activation=config.activation)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.mlp(x)
        if not self.gate:
            return y
        u, w = jnp.split(y, 2, axis=-1)
        return u * jnp.exp(jnp.clip(w, -12.0, 12.0))


def unit_vectors(vectors: jax.Array) -> jax.Array:
    """Return vectors (... D) scaled to length one; a zero vector stays zero."""
    return vectors / jnp.sqrt(jnp.sum(vectors**2, -1, keepdims=True) + 1e-30)
