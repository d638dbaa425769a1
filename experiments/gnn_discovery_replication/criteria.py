"""Define every number that decides whether a law counts as recovered, and the shifts of the test sets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RecoveryCriteria:
    """Numbers that decide when a law is the true one, in the tables of the replication and the benchmarks."""

    max_constant_error: float = 0.01
    """Largest relative error of a constant of a recovered law.

    Unit: relative error. Source: chosen by hand, before any cell was run; the paper states no criterion."""

    max_spurious_share: float = 0.01
    """Largest share of the force that a spurious term may have for it to be left out before the comparison.

    Unit: share of the force over the data. Source: chosen by hand, before any cell was run."""

    same_form_residual: float = 1e-9
    """Relative residual below which a formula, its constants fitted to the truth, has the true form.

    Unit: relative residual. Source: rounding errors of double precision, with a margin."""

    form_force_floor: float = 1e-3
    """Part of the mean force that is added to the force in the denominator of that residual.

    Unit: mean force. Source: chosen by hand; no benchmark."""

    trimmed_fraction: float = 0.1
    """Fraction of the rows with the largest residuals that linear fits to raw messages leave out.

    Unit: fraction of rows. Source: Cranmer et al. 2020 (arXiv 2006.11287), table 1."""

    combination_residual: float = 1e-6
    """Relative residual below which a formula is a linear combination of the components of the true force.

    Unit: relative residual. Source: chosen by hand; no benchmark."""

    min_combination_r2: float = 0.99
    """Smallest R² of such a combination with the constants of the formula as they were found.

    Unit: R² of relative errors, trimmed. Source: chosen by hand; no benchmark."""

    max_softening: float = 0.01
    """Largest number added to r that counts as a softening, which a formula from raw messages may lack.

    Unit: length. Source: the softening of the systems; the paper's recovered formulas have none."""

    particle_factor: int = 2
    """Factor by which the number of particles is larger out of distribution.

    Unit: ratio. Source: chosen by hand, before any cell was run."""

    separation_factor: float = 3.0
    """Factor by which separations are larger out of distribution.

    Unit: ratio. Source: chosen by hand, before any cell was run."""

    mass_factor: float = 10.0
    """Factor by which masses are larger out of distribution.

    Unit: ratio. Source: chosen by hand, before any cell was run."""


DEFAULT_RECOVERY_CRITERIA = RecoveryCriteria()
"""The criteria of all tables that are kept."""
