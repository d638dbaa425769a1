"""The scales by which a network divides its inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, robust_scale


@dataclass(frozen=True)
class Scales:
    """A frozen record of the scales, measured on the training runs.

    They are a pytree, so that a compiled network takes them as arguments: it serves any other data too.

    Attributes:
        length: root mean square distance from the centre of all positions.
        velocity: root mean square component of the velocities.
        force: unit of messages, the typical force.
        particle: (N,) typical force on each particle, below which an error counts as absolute: one number for all, or
            one each in a system of particular bodies, whose forces may span decades.
        properties: root mean square of each property.
        log: says of each property whether its logarithm is an input too, since all its values are positive.
        mass: index of the mass among the properties.
    """

    length: float | jax.Array
    velocity: float | jax.Array
    force: float | jax.Array
    particle: tuple[float, ...] | jax.Array
    properties: tuple[float, ...] | jax.Array
    log: tuple[bool, ...]
    mass: int | None

    def on_device(self) -> Scales:
        """Return the same scales as arrays in float32."""
        return replace(
            self,
            length=jnp.asarray(self.length, jnp.float32),
            velocity=jnp.asarray(self.velocity, jnp.float32),
            force=jnp.asarray(self.force, jnp.float32),
            particle=jnp.asarray(self.particle, jnp.float32),
            properties=jnp.asarray(self.properties, jnp.float32),
        )


jax.tree_util.register_dataclass(
    Scales, data_fields=["length", "velocity", "force", "particle", "properties"], meta_fields=["log", "mass"]
)


def measure_scales(
    train: Dataset, bodies: bool = False, raw: bool = False, *, criteria: Criteria = DEFAULT_CRITERIA
) -> Scales:
    """Measure the scales of the training runs: spreads of the inputs, and a robust scale of the force.

    Args:
        train: the training runs.
        bodies: give each particle a force scale of its own, in a system of particular bodies.
        raw: divide nothing by anything; only the force scale of each particle is measured.
        criteria: the fields ``estimation.scale_*`` belong to the robust scale.
    """

    def root_mean_square(values: np.ndarray) -> float:
        return float(np.sqrt(np.mean(np.square(values))) or 1.0)

    names = sorted(train.properties)
    present = train.present
    columns = [train.properties[name][present] for name in names]
    size = np.linalg.norm(train.force, axis=-1)
    force = robust_scale(size[present], criteria=criteria) or 1.0
    each = [force] * size.shape[1]
    if bodies:
        each = [robust_scale(size[present[:, k], k], criteria=criteria) or 1.0 for k in range(size.shape[1])]
    centred = train.positions - np.mean(train.positions[present], axis=0)
    mass = names.index("m") if "m" in names else None
    if raw:
        return Scales(1.0, 1.0, 1.0, tuple(each), (1.0,) * len(names), (False,) * len(names), mass)
    return Scales(
        length=root_mean_square(centred[present]),
        velocity=root_mean_square(train.velocities[present]),
        force=force,
        particle=tuple(each),
        properties=tuple(root_mean_square(column) for column in columns),
        log=tuple(bool(np.all(column > 0)) for column in columns),
        mass=mass,
    )
