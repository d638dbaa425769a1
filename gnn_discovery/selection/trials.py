"""Trials of candidate laws: each is fitted to training motion and scored on held-out motion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, IncrementObservation, concatenate_datasets, subsample_pairs
from gnn_discovery.errors import DataError
from gnn_discovery.estimation.compressed_problem import mean_squares_under_kicks
from gnn_discovery.estimation.latent_properties import latent_properties_used
from gnn_discovery.estimation.refit import refit
from gnn_discovery.estimation.residual_weights import ForceScale, force_scale, relative_errors
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.selection.simplification import complexity


@dataclass(frozen=True)
class ScoredLaw:
    """A refitted candidate.

    Attributes:
        law: the law with its fitted constants.
        complexity: the complexity of the law.
        error: the mean relative error on held-out motion, 1 where it is not finite; of increments, the mean square of
            the residual over what kicks make of it.
        n_increments: number of independent coordinates of increments, None for other motion.
    """

    law: ForceLaw
    complexity: int
    error: float
    n_increments: float | None = None

    def cost(self, criteria: Criteria = DEFAULT_CRITERIA) -> float:
        """Return the log of the error plus the penalty of the complexity; of increments, half of Schwarz's criterion.

        That is n chi^2 / 2 + (k / 2) ln n (G. Schwarz, Ann. Stat. 6, 461, 1978), for n coordinates and k constants, and
        ``selection.node_penalty`` for each node.
        """
        limits = criteria.selection
        if self.n_increments is not None:
            constants = sum(len(term.constants) for term in self.law.terms)
            criterion = 0.5 * (self.n_increments * self.error + constants * math.log(self.n_increments))
            return criterion + limits.node_penalty * self.complexity
        return float(np.log(max(self.error, limits.rounding_error_floor))) + limits.complexity_penalty * self.complexity


@dataclass(frozen=True)
class TriedLaw:
    """A candidate with its errors.

    Attributes:
        law: the law with its fitted constants.
        complexity: the complexity of the law.
        run_errors: (G,) the error in each held-out run.
        finite: True where a fit was found.
        n_increments: number of independent coordinates of increments, None for other motion.
    """

    law: ForceLaw
    complexity: int
    run_errors: Float[np.ndarray, " G"]
    finite: bool
    n_increments: float | None = None

    @property
    def error(self) -> float:
        """Return the mean of the errors in the held-out runs."""
        return float(self.run_errors.mean())

    @property
    def scored(self) -> ScoredLaw:
        """Return the law with its mean error."""
        return ScoredLaw(self.law, self.complexity, self.error, self.n_increments)

    def cost(self, criteria: Criteria) -> float:
        """Return the cost of the law, see `ScoredLaw.cost`."""
        return self.scored.cost(criteria)


@dataclass(frozen=True)
class Trials:
    """The data and the settings with which laws are fitted and scored.

    Attributes:
        train: the motion that laws are fitted to.
        valid: the held-out motion; of increments, which `trials_of` joins, the same.
        scale: (N,) the scale of each particle.
        latent: names of the properties that are inferred.
        seed: of all random numbers.
        criteria: the criteria of the discovery.
    """

    train: Dataset
    valid: Dataset
    scale: ForceScale
    latent: tuple[str, ...]
    seed: int
    criteria: Criteria

    @property
    def n_increments(self) -> float | None:
        """Return the number of coordinates of increments; None where motion is seen otherwise.

        Increments that share kicks count for as many as share none.
        """
        if not isinstance(self.train.observation, IncrementObservation):
            return None
        return self.train.dim * int(np.count_nonzero(self.train.target_mask)) / self.train.observation.overlap

    def held_out(self, max_pairs: int) -> Dataset:
        """Return part of the held-out motion; of increments all, since their law is the best fit to all of them."""
        if self.n_increments is not None:
            return self.valid
        return subsample_pairs(self.valid, max_pairs, self.seed, criteria=self.criteria)

    def complexity(self, law: ForceLaw) -> int:
        """Return the complexity of a law."""
        return complexity(law, criteria=self.criteria)

    def fit(
        self, law: ForceLaw, max_pairs: int, held_out: Dataset, n_starts: int, rounds: int | None = None
    ) -> TriedLaw:
        """Fit a law to the training motion and score it on held-out motion.

        Args:
            law: the law.
            max_pairs: largest number of pair observations that it is fitted to.
            held_out: the motion that it is scored on.
            n_starts: number of starting points; 0 where the constants are near already.
            rounds: number of rounds in which residuals are weighed anew; by default that of `refit`.
        """
        latent = latent_properties_used(law, self.latent)
        failed = TriedLaw(law, self.complexity(law), np.ones(1), False)
        if self.n_increments is not None:
            failed = replace(failed, run_errors=np.full(1, np.inf), n_increments=self.n_increments)
        try:
            fitted = refit(
                law,
                self.train,
                latent=latent,
                scale=self.scale,
                n_starts=n_starts,
                max_pairs=max_pairs,
                rounds=rounds,
                with_errors=self.n_increments is None,  # Schwarz's criterion is that of the best fit, bias and all
                seed=self.seed,
                criteria=self.criteria,
            )
        except np.linalg.LinAlgError:
            return failed
        if not _is_representable(fitted.law):
            return failed
        errors = self.errors(fitted.law, held_out)
        finite = math.isfinite(fitted.error)
        return TriedLaw(fitted.law, self.complexity(fitted.law), errors, finite, self.n_increments)

    def errors(self, law: ForceLaw, held_out: Dataset) -> Float[np.ndarray, " G"]:
        """Return the error of a law in each held-out run.

        Args:
            law: the law.
            held_out: the motion that it is scored on.
        """
        squares = mean_squares_under_kicks(law, held_out, criteria=self.criteria)
        if squares is not None:
            return squares
        return held_out_errors(law, held_out, self.scale, by_particle=bool(self.latent), criteria=self.criteria)

    def cross_validated(self, tried: TriedLaw) -> TriedLaw:
        """Return a law with its error in each run of both data sets, by the law as fitted to the other folds."""
        whole = concatenate_datasets([self.train, self.valid])
        runs = np.random.default_rng(self.seed).permutation(np.unique(whole.run))
        errors = []
        for fold in np.array_split(runs, min(self.criteria.selection.n_folds, len(runs))):
            law = self._fit_again(tried.law, whole.select_runs(np.setdiff1d(runs, fold)))
            errors.append(self.errors(law, whole.select_runs(fold)))
        return replace(tried, run_errors=np.concatenate(errors))

    def _fit_again(self, law: ForceLaw, data: Dataset) -> ForceLaw:
        """Return a law with its constants fitted to other motion, from the values they have."""
        return refit(
            law,
            data,
            latent=latent_properties_used(law, self.latent),
            scale=self.scale,
            n_starts=0,
            max_pairs=self.criteria.selection.final_max_pairs,
            with_errors=False,
            seed=self.seed,
            criteria=self.criteria,
        ).law


def trials_of(
    train: Dataset,
    valid: Dataset,
    *,
    latent: Sequence[str] = (),
    seed: int = 0,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> Trials:
    """Return the trials on some motion; of increments on all of it, since Schwarz's criterion is of the fit to all.

    Args:
        train: the motion that laws are fitted to.
        valid: the held-out motion.
        latent: names of the properties that are inferred.
        seed: of all random numbers.
        criteria: the criteria of the discovery.
    """
    if isinstance(train.observation, IncrementObservation):
        kept = train.derived.get("joined")
        if kept is None or kept[0] is not valid:
            train.derived["joined"] = kept = valid, concatenate_datasets([train, valid])
        train = valid = kept[1]
    return Trials(train, valid, force_scale(train, criteria=criteria), tuple(latent), seed, criteria)


def _is_representable(law: ForceLaw, largest: float = 1e100) -> bool:
    """Tell whether a law with its numbers in place is a formula; an exponent of a thousand, say, makes none."""
    try:
        for term in law.terms:
            if any(abs(c.value) > largest for c in term.constants.values()):
                return False
            term.expression.substitute({name: c.value for name, c in term.constants.items()})
    except DataError:
        return False
    return True


def held_out_errors(
    law: ForceLaw,
    data: Dataset,
    scale: ForceScale,
    by_particle: bool = False,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> Float[np.ndarray, " G"]:
    """Return the mean relative error in each run.

    With fewer than ``selection.min_held_out_runs`` runs it is that in each of ``selection.held_out_time_blocks`` blocks
    of time.

    Args:
        law: the law.
        data: the held-out motion.
        scale: (N,) the scale of each particle.
        by_particle: True for the geometric mean over particles of the mean error of each.
        criteria: the criteria of the discovery.
    """
    limits = criteria.selection
    errors = relative_errors(law, data, scale)
    runs, group = np.unique(data.run, return_inverse=True)
    if len(runs) < limits.min_held_out_runs:
        blocks = min(limits.held_out_time_blocks, len(errors))
        group = np.arange(len(errors)) * blocks // max(1, len(errors))
    means = []
    for g in range(int(group.max(initial=-1)) + 1):
        inside = group == g
        count = data.target_mask[inside].sum(axis=0)
        each = errors[inside].sum(axis=0)
        if by_particle:
            mean = each[count > 0] / count[count > 0]
            means.append(np.exp(np.mean(np.log(np.maximum(mean, 1e-15)))))
        else:
            means.append(each.sum() / max(1, count.sum()))
    return np.array(means)
