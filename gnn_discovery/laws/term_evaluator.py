"""The scalars and vectors that the terms of a law are made of, for every pair and particle of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache

import numpy as np
from scipy import sparse

from gnn_discovery.data.dataset import Dataset
from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.laws.term import Term
from gnn_discovery.symbolic.expression import Expression

DerivativeVariables = tuple[str, ...]
VariableValues = Mapping[str, float | np.ndarray]

KINEMATIC_VARIABLES = frozenset({"r", "v", "v_r", "x", "y", "z"})
"""The variables that come from the motion; every other variable is a property with the suffix ``_i`` or ``_j``."""


@lru_cache(maxsize=1024)
def cached_derivative(expression: Expression, names: DerivativeVariables) -> Expression:
    """Return the (repeated) derivative of an expression from a cache, since every candidate is evaluated many times.

    Args:
        expression: the expression.
        names: the variables or constants by which it is differentiated, one after the other.
    """
    for name in names:
        expression = expression.derivative(name)
    return expression


@lru_cache(maxsize=2048)
def _compiled_function(
    expression: Expression, by: tuple[DerivativeVariables, ...]
) -> tuple[Callable[..., list[np.ndarray]], tuple[str, ...]]:
    """Return the joint function of several derivatives of an expression, and the names of its arguments."""
    derivatives = [cached_derivative(expression, names) for names in by]
    arguments = tuple(sorted(frozenset[str]().union(*(derivative.names for derivative in derivatives))))
    return Expression.joint_numpy(derivatives, arguments), arguments


def values_of_derivatives(
    expression: Expression, by: tuple[DerivativeVariables, ...], value_of: Callable[[str], float | np.ndarray]
) -> list[np.ndarray]:
    """Return the values of several derivatives of an expression.

    Args:
        expression: the expression.
        by: for each derivative the names by which the expression is differentiated, one after the other.
        value_of: gives the value of each name.
    """
    function, names = _compiled_function(expression, by)
    return function(*(value_of(name) for name in names))


class TermEvaluator:
    """The variables and vectors of one block of a data set, computed when they are first asked for.

    Arrays have the pair or the particle first: scalars are (E S) for pairs and (N S) for particles, vectors are (E S D)
    and (N S D). Vectors of absent particles are zero, and their scalars are finite.

    Attributes:
        data: the block.
        n_snapshots: S.
        n_particles: N.
        dim: D.

    Raises:
        DataError: two interacting particles are at one place, where the direction of a force is not defined.
    """

    def __init__(self, data: Dataset):
        self.data = data
        self._scalars: dict[tuple[object, ...], np.ndarray] = {}
        self._directions: dict[tuple[object, ...], np.ndarray] = {}
        self.n_snapshots, self.n_particles, self.dim = data.positions.shape

    @cached_property
    def _receiver_sum(self) -> sparse.csr_array:
        """Return the (N, E) matrix that sums the pairs of each receiver."""
        return _sum_by_receiver(np.asarray(self.data.receivers, np.int64).tobytes(), self.n_particles)

    @cached_property
    def _pair_present(self) -> np.ndarray:
        return self.data.pair_present().T

    @cached_property
    def _separation(self) -> np.ndarray:
        return np.ascontiguousarray(np.swapaxes(self.data.separation(), 0, 1))

    @cached_property
    def _relative_velocity(self) -> np.ndarray:
        v = self.data.velocities
        d = v[:, self.data.receivers] - v[:, self.data.senders]
        return np.asarray(np.ascontiguousarray(np.swapaxes(d, 0, 1)) * self._pair_present[..., None])

    @cached_property
    def _distance(self) -> np.ndarray:
        r = np.sqrt(np.einsum("esd,esd->es", self._separation, self._separation))
        coincident = np.argwhere((r == 0) & self._pair_present)
        if len(coincident):
            e, s = coincident[0]
            i, j = int(self.data.receivers[e]), int(self.data.senders[e])
            raise DataError(
                f"particles {i} and {j} are at one place (r = 0)",
                where=f"run {self.data.run[s]}, time {self.data.times[s]:g}",
                remedy="their force has no direction there: remove the frame or one of the particles",
            )
        return np.where(self._pair_present, r, 1.0)

    @cached_property
    def _unit(self) -> np.ndarray:
        return np.asarray(self._separation * (self._pair_present / self._distance)[..., None])

    @cached_property
    def _particle_first(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return positions and velocities (N S D), and presence (N S)."""
        present = self.data.present.T
        x = np.ascontiguousarray(np.swapaxes(self.data.positions, 0, 1))
        v = np.ascontiguousarray(np.swapaxes(self.data.velocities, 0, 1))
        return x, v * present[..., None], present

    def property(self, name: str) -> np.ndarray:
        """Return the (N S) values of a property, 1 for absent particles."""
        if name not in self.data.properties:
            present = ", ".join(sorted(self.data.properties)) or "none"
            raise DataError(f"the law needs the property {name!r}, the data have: {present}")
        return np.where(self.data.present, self.data.properties[name], 1.0).T

    def scalar(self, term: Term, name: str) -> np.ndarray:
        """Return a variable of a term.

        Args:
            term: the term, whose kind and centre say what the variable means.
            name: one of `KINEMATIC_VARIABLES`, or a property with its suffix.

        Returns:
            (E S) for a pair term, (N S) else.

        Raises:
            UsageError: a term of this kind has no such variable.
            DataError: the data lack the property.
        """
        key = (term.kind, term.centre, name)
        if key not in self._scalars:
            self._scalars[key] = np.ascontiguousarray(self._scalar(term, name))
        return self._scalars[key]

    def _scalar(self, term: Term, name: str) -> np.ndarray:
        if name not in KINEMATIC_VARIABLES:
            if name.endswith("_i") or (name.endswith("_j") and term.kind == "pair"):
                values = self.property(name[:-2])
                if term.kind != "pair":
                    return values
                return np.asarray(values[self.data.receivers if name.endswith("_i") else self.data.senders])
            raise UsageError(f"{name!r} is neither a variable of a {term.kind} term nor a constant with a value")
        if term.kind == "pair":
            if name == "r":
                return self._distance
            if name == "v_r":
                return np.asarray(np.einsum("esd,esd->es", self._relative_velocity, self._unit))
            if name == "v":
                return np.asarray(np.linalg.norm(self._relative_velocity, axis=-1))
            raise UsageError(
                f"a pair term cannot depend on the coordinate {name!r}",
                remedy=f"Of a field say along what it acts, as in 'external {name}: -2*{name}'",
            )
        x, v, present = self._particle_first
        if name == "r":
            return np.where(present, np.linalg.norm(self._from_centre(term), axis=-1), 1.0)
        if name == "v":
            return np.asarray(np.linalg.norm(v, axis=-1))
        if name == "v_r":
            return np.asarray(np.einsum("nsd,nsd->ns", v, self._radial(term)))
        axis = "xyz".index(name)
        if axis >= self.dim:
            raise UsageError(f"the law depends on {name!r}, the motion has {self.dim} dimensions")
        return np.where(present, x[..., axis], 1.0)

    def _from_centre(self, term: Term) -> np.ndarray:
        x = self._particle_first[0]
        return x if term.centre is None else x - np.asarray(term.centre)

    def _radial(self, term: Term) -> np.ndarray:
        if term.kind == "pair":
            return self._unit
        d, present = self._from_centre(term), self._particle_first[2]
        r = np.linalg.norm(d, axis=-1)
        if np.any((r == 0) & present):
            n, s = np.argwhere((r == 0) & present)[0]
            raise DataError(
                f"particle {n} is at the centre of the external field",
                where=f"run {self.data.run[s]}, time {self.data.times[s]:g}",
                remedy="the direction of the force is not defined there: move the centre or remove the frame",
            )
        return d * (present / np.where(present, r, 1.0))[..., None]

    def direction(self, term: Term) -> np.ndarray:
        """Return the vectors that the expression of a term multiplies: (E S D) for a pair term, (N S D) else."""
        return np.swapaxes(self._direction_by_axis(term), 1, 2)

    def _direction_by_axis(self, term: Term) -> np.ndarray:
        """Return `direction` with the instants last, (E D S) or (N D S): products over long rows are fast."""
        key = (term.kind, term.centre, term.direction)
        if key not in self._directions:
            self._directions[key] = np.ascontiguousarray(np.swapaxes(self._direction(term), 1, 2))
        return self._directions[key]

    def _direction(self, term: Term) -> np.ndarray:
        pair = term.kind == "pair"
        match term.direction:
            case "radial":
                return self._radial(term)
            case "velocity":
                return self._relative_velocity if pair else self._particle_first[1]
            case "transverse":
                if self.dim != 2:
                    raise UsageError(f"a transverse force needs two dimensions, the motion has {self.dim}")
                base = self._particle_first[1] if term.kind == "self" else self._radial(term)
                return np.stack([-base[..., 1], base[..., 0]], axis=-1)
            case axis:
                index, present = "xyz".index(axis), self._pair_present if pair else self._particle_first[2]
                if index >= self.dim:
                    raise UsageError(f"the law points along {axis!r}, the motion has {self.dim} dimensions")
                return np.asarray(present[..., None] * np.eye(self.dim)[index])

    def force_of_scalars(self, term: Term, scalars: np.ndarray) -> np.ndarray:
        """Multiply scalars by the vectors of a term, and sum over the pairs of each receiver.

        Args:
            term: the term, whose direction gives the vectors.
            scalars: (E S) for a pair term, (N S) else, or one number.

        Returns:
            (N S D) force on each particle.
        """
        vectors = self.vectors(term, scalars)
        if term.kind != "pair":
            return vectors
        by_axis = np.swapaxes(vectors, 1, 2)
        summed: np.ndarray = self._receiver_sum @ by_axis.reshape(len(by_axis), -1)
        return np.swapaxes(summed.reshape(self.n_particles, self.dim, self.n_snapshots), 1, 2)

    def vectors(self, term: Term, scalars: np.ndarray) -> np.ndarray:
        """Multiply scalars by the vectors of a term.

        Args:
            term: the term, whose direction gives the vectors.
            scalars: (E S) for a pair term, (N S) else, or one number.

        Returns:
            (E S D) for a pair term, (N S D) else.
        """
        direction = self._direction_by_axis(term)
        rows = scalars[:, None, :] if np.ndim(scalars) else scalars
        return np.swapaxes(rows * direction, 1, 2)

    def values(self, term: Term, constants: VariableValues, by: Iterable[str] = ()) -> np.ndarray:
        """Return the values of the expression of a term, or of a derivative of it.

        Args:
            term: the term.
            constants: the values of its constants; an array where a constant differs from pair to pair.
            by: the names by which the expression is differentiated.

        Returns:
            (E S) for a pair term, (N S) else, or one number where the expression holds no variable.
        """
        return self._evaluate(term, constants, (tuple(by),))[0]

    def slopes(self, term: Term, constants: VariableValues, names: Iterable[str]) -> list[np.ndarray]:
        """Return the derivatives of the expression of a term by each of several names.

        Args:
            term: the term.
            constants: the values of its constants; an array where a constant differs from pair to pair.
            names: the names.

        Returns:
            For each name what `values` returns.
        """
        return self._evaluate(term, constants, tuple((name,) for name in names))

    def _evaluate(self, term: Term, constants: VariableValues, by: tuple[DerivativeVariables, ...]) -> list[np.ndarray]:
        return values_of_derivatives(
            term.expression, by, lambda name: constants[name] if name in constants else self.scalar(term, name)
        )

    def force(self, term: Term, constants: VariableValues | None = None) -> np.ndarray:
        """Return the force of a term on every particle.

        Args:
            term: the term.
            constants: the values of its constants; by default those that it holds.

        Returns:
            (N S D) force.
        """
        if constants is None:
            constants = {name: c.value for name, c in term.constants.items()}
        return self.force_of_scalars(term, self.values(term, constants))


@lru_cache(maxsize=8)
def _sum_by_receiver(receivers: bytes, particles: int) -> sparse.csr_array:
    """Return the (N, E) matrix that sums pairs by their receivers, integers of 8 bytes; a rollout asks at each step."""
    index = np.frombuffer(receivers, np.int64)
    edges = len(index)
    return sparse.csr_array((np.ones(edges), (index, np.arange(edges))), shape=(particles, edges))


def iterate_blocks(data: Dataset, *, entries: int = 2_000_000) -> Iterable[Dataset]:
    """Yield the data in blocks, so that memory stays small.

    Args:
        data: the data.
        entries: the largest number of pair vectors in a block.
    """
    size = max(1, entries // max(1, len(data.receivers), data.positions.shape[1]))
    if 0 < len(data.run) <= size:
        yield data
        return
    for start in range(0, len(data.run), size):
        yield data.select(np.arange(start, min(start + size, len(data.run))))
