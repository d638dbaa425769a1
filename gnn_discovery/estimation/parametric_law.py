"""Model: the force of a law as a function of one vector of everything that is to be fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import sympy

from gnn_discovery.laws.law import Constant, ForceLaw, LatentProperty, Term
from gnn_discovery.laws.term_evaluator import TermEvaluator, VariableValues, cached_derivative
from gnn_discovery.symbolic.expression import Expression


class ParametricLaw:
    """The constants of all terms, then the values of the latent properties of all N particles.

    Attributes:
        law: with the constants and latent values that the fit starts from.
        slots: (term, constant) of the first entries of the vector.
        latent: names of the properties to be inferred; each takes N entries.
        thresholds: slots in conditions, with the variable that each is compared with.
        corners: those of them that stand in a formula too, as where a force ends that has gone to nothing; they are
            fitted like other constants once a search has led near.
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
    def start(self) -> np.ndarray:
        values = [self.law.terms[t].constants[name].value for t, name in self.parameters]
        for name in self.latent:
            known = self.law.latent.get(name)
            values.extend(np.ones(self.particles) if known is None else known.values)
        return np.array(values, dtype=float)

    @property
    def names(self) -> tuple[str, ...]:
        """``term.constant`` and ``property[particle]`` for each entry."""
        values = [f"{name}[{n}]" for name in self.latent for n in range(self.particles)]
        return (*(f"{t}.{name}" for t, name in self.parameters), *values)

    def latent_slice(self, name: str) -> slice:
        first = len(self.parameters) + self.particles * self.latent.index(name)
        return slice(first, first + self.particles)

    def _constants(self, index: int, theta: np.ndarray, scene: TermEvaluator) -> VariableValues:
        """Values of the names of a term that are fitted; latent ones as columns over pairs or particles."""
        values: dict[str, float | np.ndarray] = {
            name: theta[k] for k, (t, name) in enumerate(self.parameters) if t == index
        }
        pair = self.law.terms[index].kind == "pair"
        for name in self.latent:
            strength = theta[self.latent_slice(name)]
            values[f"{name}_i"] = (strength[scene.data.receivers] if pair else strength)[:, None]
            if pair:
                values[f"{name}_j"] = strength[scene.data.senders][:, None]
        return values

    def force(self, theta: np.ndarray, scene: TermEvaluator) -> np.ndarray:
        """(N S D)."""
        total = np.zeros((scene.n_particles, scene.n_snapshots, scene.dim))
        for index, term in enumerate(self.law.terms):
            total += scene.force(term, self._constants(index, theta, scene))
        return total

    def jacobian(self, theta: np.ndarray, scene: TermEvaluator) -> np.ndarray:
        """(size N S D), derivative of the force by each entry; zero for thresholds, which have none."""
        out = np.zeros((self.size, scene.n_particles, scene.n_snapshots, scene.dim))
        for index, term in enumerate(self.law.terms):
            constants = self._constants(index, theta, scene)
            for k, (t, name) in enumerate(self.parameters):
                if t == index and self.differentiable[k]:
                    out[k] = scene.force_of_scalars(term, scene.values(term, constants, (name,)))
            for name in self.latent:
                self._latent_jacobian(out[self.latent_slice(name)], term, name, constants, scene)
        return out

    def _latent_jacobian(
        self, out: np.ndarray, term: Term, name: str, constants: VariableValues, scene: TermEvaluator
    ) -> None:
        if f"{name}_i" in term.expression.names:
            own = scene.force_of_scalars(term, scene.values(term, constants, (f"{name}_i",)))
            out[np.arange(self.particles), np.arange(self.particles)] += own
        if f"{name}_j" in term.expression.names:
            direction = scene.direction(term)
            slope = np.broadcast_to(scene.values(term, constants, (f"{name}_j",)), direction.shape[:-1])
            vectors = slope[..., None] * direction
            for edge, (i, j) in enumerate(zip(scene.data.receivers, scene.data.senders, strict=True)):
                out[j, i] += vectors[edge]

    def linear(self) -> np.ndarray:
        """(size,) True for a set of entries in which the force is jointly linear, latent values first."""
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

    def fitted(self, theta: np.ndarray, std: np.ndarray | None = None) -> ForceLaw:
        """The law with the values of ``theta``; latent ones still count as undetermined."""
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
    """Whether the expression is jointly affine in ``names``."""
    last = names[-1]
    if last not in expression.names:
        return True
    slope = cached_derivative(expression, (last,))
    return not any(slope.names & {name} for name in names)


@lru_cache(maxsize=1024)
def _names_outside_conditions(expression: Expression) -> frozenset[str]:
    """Names outside of conditions."""
    tree = expression.sympy
    branches = {whole: sympy.Add(*(value for value, _ in whole.args)) for whole in tree.atoms(sympy.Piecewise)}
    return frozenset(symbol.name for symbol in tree.xreplace(branches).free_symbols)


@lru_cache(maxsize=1024)
def threshold_constants(expression: Expression, constants: frozenset[str]) -> dict[str, str]:
    """Constants that stand alone against a variable in a condition, ``r > c2``, with that variable."""
    found = {}
    for relation in expression.sympy.atoms(sympy.core.relational.Relational):
        sides = [side.name if side.is_Symbol else None for side in (relation.lhs, relation.rhs)]
        for one, other in (sides, sides[::-1]):
            if one in constants and other is not None and other not in constants:
                found[one] = other
    return found
