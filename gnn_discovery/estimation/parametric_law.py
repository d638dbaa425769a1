"""The force of a law as a function of one vector of all parameters that are fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache

import numpy as np
import sympy
from jaxtyping import Bool, Float

from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.term import Constant, LatentProperty
from gnn_discovery.laws.term_evaluator import TermEvaluator, VariableValues, cached_derivative
from gnn_discovery.symbolic.expression import Expression


class ParametricLaw:
    """A law whose parameters are the constants of all terms, then the latent properties of all N particles.

    Attributes:
        law: the law, with the constants and latent values that the fit starts from.
        particles: N.
        latent: the names of the properties to be inferred; each takes N entries of the vector.
        parameters: (index of the term, name of the constant) of the first entries of the vector.
        size: P, the number of entries of the vector.
        thresholds: parameters that stand in conditions, with the variable that each is compared with.
        continuous_thresholds: those of them that stand in a formula too, such as the radius at which a force has gone
            to zero; they are fitted like other constants once a search has led near.
        differentiable: (P,) True for entries by which the force has a derivative: all but the other thresholds.
    """

    def __init__(self, law: ForceLaw, particles: int, latent: Sequence[str] = ()):
        self.law, self.particles, self.latent = law, particles, tuple(latent)
        self.parameters = [(t, name) for t, term in enumerate(law.terms) for name in term.constants]
        self.size = len(self.parameters) + particles * len(self.latent)
        self.thresholds = {
            (t, name): variable
            for t, term in enumerate(law.terms)
            for name, variable in threshold_constants(term.expression, frozenset(term.constants)).items()
        }
        self.continuous_thresholds = {
            (t, name) for t, name in self.thresholds if name in _names_outside_conditions(law.terms[t].expression)
        }
        stiff = self.thresholds.keys() - self.continuous_thresholds
        self.differentiable = np.array(
            [s not in stiff for s in self.parameters] + [True] * (self.size - len(self.parameters))
        )

    @property
    def start(self) -> Float[np.ndarray, " P"]:
        """Return the vector of the constants and latent values that the law holds; a value that it lacks is 1."""
        values = [self.law.terms[t].constants[name].value for t, name in self.parameters]
        for name in self.latent:
            held = self.law.latent.get(name)
            values.extend(np.ones(self.particles) if held is None else held.values)
        return np.array(values, dtype=float)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the name of each entry, ``term.constant`` or ``property[particle]``."""
        values = [f"{name}[{n}]" for name in self.latent for n in range(self.particles)]
        return (*(f"{t}.{name}" for t, name in self.parameters), *values)

    def latent_slice(self, name: str) -> slice:
        """Return the place of a latent property in the vector."""
        first = len(self.parameters) + self.particles * self.latent.index(name)
        return slice(first, first + self.particles)

    def _constants(self, index: int, theta: np.ndarray, evaluator: TermEvaluator) -> VariableValues:
        """Return the values of the fitted names of a term; latent ones are columns over pairs or particles."""
        values: dict[str, float | np.ndarray] = {
            name: theta[k] for k, (t, name) in enumerate(self.parameters) if t == index
        }
        pair = self.law.terms[index].kind == "pair"
        for name in self.latent:
            strength = theta[self.latent_slice(name)]
            values[f"{name}_i"] = (strength[evaluator.data.receivers] if pair else strength)[:, None]
            if pair:
                values[f"{name}_j"] = strength[evaluator.data.senders][:, None]
        return values

    def force(self, theta: Float[np.ndarray, " P"], evaluator: TermEvaluator) -> Float[np.ndarray, "N S D"]:
        """Return the force on every particle.

        Args:
            theta: the parameters.
            evaluator: the data at which the force is evaluated.
        """
        total = np.zeros((evaluator.n_particles, evaluator.n_snapshots, evaluator.dim))
        for index, term in enumerate(self.law.terms):
            total += evaluator.force(term, self._constants(index, theta, evaluator))
        return total

    def jacobian(
        self,
        theta: Float[np.ndarray, " P"],
        evaluator: TermEvaluator,
        chosen: Bool[np.ndarray, " P"] | None = None,
    ) -> Float[np.ndarray, "P N S D"]:
        """Return the derivative of the force by each parameter, zero for thresholds, which have none.

        Args:
            theta: the parameters.
            evaluator: the data at which the derivatives are evaluated.
            chosen: a mask of the parameters by which it is differentiated; the rows of others are zero.
        """
        wanted = self.differentiable if chosen is None else self.differentiable & chosen
        out = np.zeros((self.size, evaluator.n_particles, evaluator.n_snapshots, evaluator.dim))
        receivers, senders = evaluator.data.receivers, evaluator.data.senders
        every = np.arange(self.particles)
        for index, term in enumerate(self.law.terms):
            rows = {name: k for k, (t, name) in enumerate(self.parameters) if t == index and wanted[k]}
            latent = {
                f"{name}_{end}": out[self.latent_slice(name)]
                for name in self.latent
                for end in "ij"
                if wanted[self.latent_slice(name)].all() and f"{name}_{end}" in term.expression.names
            }
            names = (*rows, *latent)
            constants = self._constants(index, theta, evaluator)
            for name, slope in zip(names, evaluator.slopes(term, constants, names), strict=True):
                if name in rows:
                    out[rows[name]] = evaluator.force_of_scalars(term, slope)
                elif name.endswith("_i"):
                    latent[name][every, every] += evaluator.force_of_scalars(term, slope)
                else:  # each pair is there once
                    latent[name][senders, receivers] += evaluator.vectors(term, slope)
        return out

    @cached_property
    def linear(self) -> Bool[np.ndarray, " P"]:
        """Return a mask of parameters in which the force is jointly linear, latent values first."""
        chosen = np.zeros(self.size, dtype=bool)
        for name in self.latent:
            if all(
                _is_jointly_affine(t.expression, (f"{name}_j",)) and f"{name}_i" not in t.expression.names
                for t in self.law.terms
            ):
                chosen[self.latent_slice(name)] = True
        for t, term in enumerate(self.law.terms):
            group = tuple(f"{n}_j" for n in self.latent if f"{n}_j" in term.expression.names)
            for k, (owner, name) in enumerate(self.parameters):
                if owner == t and self.differentiable[k] and _is_jointly_affine(term.expression, (*group, name)):
                    chosen[k], group = True, (*group, name)
        return chosen

    def fitted(self, theta: Float[np.ndarray, " P"], std: Float[np.ndarray, " P"] | None = None) -> ForceLaw:
        """Return the law with fitted values; latent ones still count as undetermined.

        Args:
            theta: the parameters.
            std: their standard errors; an error that is not finite becomes None.
        """
        errors = [None] * self.size if std is None else [float(s) if np.isfinite(s) else None for s in std]
        terms = []
        for t, term in enumerate(self.law.terms):
            constants = {
                name: Constant(float(theta[k]), errors[k], term.constants[name].unit)
                for k, (owner, name) in enumerate(self.parameters)
                if owner == t
            }
            terms.append(replace(term, constants=constants))
        latent = dict(self.law.latent)
        for name in self.latent:
            part = self.latent_slice(name)
            spread = np.full(self.particles, np.inf) if std is None else std[part]
            latent[name] = LatentProperty(theta[part].copy(), spread, np.zeros(self.particles, dtype=bool))
        return replace(self.law, terms=tuple(terms), latent=latent)


@lru_cache(maxsize=1024)
def _is_jointly_affine(expression: Expression, names: tuple[str, ...]) -> bool:
    """Tell whether an expression is jointly affine in ``names``."""
    last = names[-1]
    if last not in expression.names:
        return True
    slope = cached_derivative(expression, (last,))
    return not any(slope.names & {name} for name in names)


@lru_cache(maxsize=1024)
def _names_outside_conditions(expression: Expression) -> frozenset[str]:
    """Return the names that an expression holds outside of conditions."""
    tree = expression.sympy
    branches = {whole: sympy.Add(*(value for value, _ in whole.args)) for whole in tree.atoms(sympy.Piecewise)}
    return frozenset(symbol.name for symbol in tree.xreplace(branches).free_symbols)


@lru_cache(maxsize=1024)
def threshold_constants(expression: Expression, constants: frozenset[str]) -> dict[str, str]:
    """Return the constants that stand alone against a variable in a condition, ``r > c2``, with that variable.

    Args:
        expression: the expression.
        constants: the names in it that are constants.
    """
    thresholds = {}
    for relation in expression.sympy.atoms(sympy.core.relational.Relational):
        sides = [side.name if side.is_Symbol else None for side in (relation.lhs, relation.rhs)]
        for one, other in (sides, sides[::-1]):
            if one in constants and other is not None and other not in constants:
                thresholds[one] = other
    return thresholds
