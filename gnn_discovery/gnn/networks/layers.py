"""The layers that all networks are built from."""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from gnn_discovery.gnn.config import Activation, NetworkConfig

MIN_DRAWS = 4096
"""At least so many weights are drawn at once: those of the largest layer of a network of default width."""
TRUNCATED_DEVIATION = 0.87962566103423978
"""The standard deviation of a standard normal variable that is kept between -2 and 2."""


class ScaledTruncatedNormal:
    """The initial weights of ``nnx.initializers.variance_scaling(scale, "fan_in", "truncated_normal")``, to the bit.

    Draws are as many as the next power of two, so that one compiled program serves layers of many shapes: each shape
    had its own, and they took longer to compile than a short training to run.

    Args:
        scale: the variance of a weight, times the number of inputs.
    """

    def __init__(self, scale: float):
        self.scale = scale

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        size = math.prod(shape)
        draws = max(MIN_DRAWS, 1 << (size - 1).bit_length())
        normal = np.asarray(jax.random.truncated_normal(key, -2.0, 2.0, (draws,), jnp.float32))[:size]
        deviation = np.sqrt(np.float32(self.scale / shape[0])) / np.float32(TRUNCATED_DEVIATION)
        return jnp.asarray(normal.reshape(shape) * deviation, dtype)


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
        pairs = list(itertools.pairwise(sizes))
        scales = [1.0] * (len(pairs) - 1) + [last_scale]
        self.layers = nnx.List(
            nnx.Linear(a, b, kernel_init=ScaledTruncatedNormal(scale), rngs=rngs)
            for (a, b), scale in zip(pairs, scales, strict=True)
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
