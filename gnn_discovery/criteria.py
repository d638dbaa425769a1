"""Every number that decides something scientific, one frozen dataclass for each stage.

`DiscoverConfig.criteria` changes them, and ``discovery.json`` states those that were used. Each field says what it
decides, its unit of comparison, and where its value comes from. Tolerances that are purely numerical stay beside the
code that needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any

from gnn_discovery.errors import UsageError


class _StageCriteria:
    """Refuses values that are no finite numbers of the kind of the default."""

    def __post_init__(self) -> None:
        for one in fields(self):  # type: ignore[arg-type]  # its subclasses are dataclasses
            value, default = getattr(self, one.name), one.default
            values, defaults = (v if isinstance(v, tuple) else (v,) for v in (value, default))
            kind = int if all(isinstance(v, int) for v in defaults) else (int, float)
            is_right = isinstance(value, tuple) == isinstance(default, tuple) and all(
                isinstance(v, kind) and not isinstance(v, bool) and isfinite(v) for v in values
            )
            if not is_right:
                raise UsageError(
                    f"{one.name} is {value!r}",
                    where=type(self).__name__,
                    remedy=f"Give a finite number like the default, {default!r}",
                )


@dataclass(frozen=True)
class NoiseCriteria(_StageCriteria):
    """Numbers that decide the estimation of noise and derivatives, and the decision that nothing but noise is seen."""

    negligible_derivative_error: float = 1e-06
    """Relative error of a derivative below which no better filter window is searched for.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    max_truncation_error: float = 0.1
    """Largest relative truncation error of a derivative at which a frame is kept.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    truncation_n_sigma: float = 6.0
    """Number of standard errors of noise that a truncation error must exceed, beyond max_truncation_error, before
    its frame is dropped.

    Unit: standard errors. Source: chosen by hand; no benchmark."""

    dropped_frame_cost: float = 0.25
    """Squared relative error that a dropped frame counts as in the choice of the filter window.

    Unit: squared relative error. Source: chosen by hand; no benchmark."""

    min_truncation_to_noise: float = 3.0
    """Ratio of truncation to noise above which truncation is taken as measured, so that no wider window may claim
    less.

    Unit: ratio of mean square errors. Source: chosen by hand; no benchmark."""

    max_risk_ratio: float = 10.0
    """Ratio of the risk of a window to the least risk found above which wider windows of the same degree are no
    longer tried.

    Unit: ratio of risks. Source: chosen by hand; no benchmark."""

    noise_spread_tolerance: float = 2.5
    """Excess over the smallest noise estimate, in parts of 1 / sqrt(number of values), within which difference
    orders are averaged.

    Unit: 1 / sqrt(number of values). Source: chosen by hand; no benchmark."""

    max_difference_order: int = 10
    """Highest order of the divided differences that the noise of the positions is estimated from.

    Unit: order of difference. Source: chosen by hand; no benchmark."""

    min_error_for_weak_form: float = 0.0001
    """Relative error of the target above which constants are fitted to the weak form in the place of derivatives.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    max_pair_step: float = 0.3
    """Largest displacement of a pair between two frames at which its force can be summed over frames.

    Unit: distance of the pair. Source: chosen by hand; no benchmark."""

    max_pair_uncertainty: float = 0.01
    """Largest standard error of the distance of a pair at which its force can be evaluated without bias.

    Unit: distance of the pair. Source: chosen by hand; no benchmark."""

    max_path_difference: float = 0.02
    """Largest difference of a separation between two paths through the same frames at which the path counts as known.

    Unit: distance of the pair. Source: chosen by hand; no benchmark."""

    max_weak_form_error: float = 0.2
    """Error of averages over noisy frames above which averages along paths, from which the noise is smoothed, are taken
    if they tell more.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    max_rough_path_difference: float = 0.1
    """Largest difference of a separation between two splines through the same frames at which the error of the
    positions can be read from what the library regression leaves.

    Unit: distance of the pair. Source: chosen by hand; no benchmark."""

    path_noise_n_sigma: float = 3.0
    """Difference of a separation between two paths that is put down to the errors of the positions.

    Unit: standard errors of a coordinate. Source: chosen by hand; no benchmark."""

    library_error_memory: float = 0.6
    """Covariance of what the library regression cannot follow, in two averages one frame apart, over its variance.

    Unit: correlation. Source: chosen by hand; no benchmark."""

    residual_clip: float = 4.5
    """Size at which residuals of the library are cut where the error of the positions is read from them.

    Unit: median absolute residual. Source: chosen by hand; no benchmark."""

    min_position_noise_share: float = 0.4
    """Smallest share of what the library regression leaves at which errors of position are seen in it.

    Unit: share of a variance. Source: chosen by hand; no benchmark."""

    smoother_force_error: float = 0.1
    """Error of a force under which noisy positions are smoothed, relative to its own and its typical size.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    max_smoothing_error: float = 0.1
    """Largest effect of the errors of position on a separation along a smoothed path at which the path counts as known.

    Unit: distance of the pair. Source: chosen by hand; no benchmark."""

    max_frame_misfit: float = 4.5
    """Largest distance of a smoothed path from a frame at which the path counts as known.

    Unit: standard errors of a coordinate. Source: chosen by hand; no benchmark."""

    max_path_residual: float = 10.0
    """Error of the network at an average over a path, relative to its typical error, above which the path counts as
    unknown.

    Unit: ratio of relative errors. Source: chosen by hand; no benchmark."""

    min_library_error: float = 0.01
    """Error of the library regression below which it says nothing about that of the data.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    max_path_form_error: float = 0.8
    """Error of averages along paths above which these are not taken: noise, and not the spacing of the frames, is what
    hides the motion.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    frames_in_mean: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Numbers of frames that are averaged into one where noise hides the motion, tried in this order.

    Unit: frames. Source: chosen by hand; no benchmark."""

    path_half_widths: tuple[int, ...] = (1, 2, 3, 4, 6, 8)
    """Half widths of the averages along paths that are tried, the shortest first. Where the last is best, noise and not
    the spacing of the frames hides the motion.

    Unit: frames. Source: chosen by hand; no benchmark."""

    min_weak_form_fraction: float = 0.05
    """Smallest fraction of the particle instants that must have a valid weak-form target for the weak form to be
    used.

    Unit: fraction of particle instants. Source: chosen by hand; no benchmark."""

    numerical_force_floor: float = 1e-10
    """Force, relative to extent / time**order (times the mass), below which nothing moves in the time seen.

    Unit: relative force. Source: chosen by hand; no benchmark."""

    force_under_kicks_n_sigma: float = 3.0
    """Number of standard errors by which a library must explain increments in held-out runs for a force to be seen.

    Unit: standard errors. Source: convention (three sigma); chosen by hand; no benchmark."""

    min_roughness: float = 0.3
    """Median change of second differences from frame to frame, relative to their median, below which motion is too
    smooth to be kicked.

    Unit: ratio; near 0 for exact, dense frames, above 1 for kicks. Source: chosen by hand; no benchmark."""

    min_thermal_share: float = 0.25
    """Share of kicks in the variance that a library of forces leaves of second differences from which on these are
    taken as increments of motion in a bath.

    Unit: share of the variance. Source: chosen by hand; no benchmark."""

    max_kick_misfit: float = 0.1
    """Largest part of that variance by which its covariances in time may differ from those of kicks.

    Unit: share of the variance. Source: chosen by hand; no benchmark."""

    max_kick_tails: float = 1.5
    """Mean square of what a library leaves, over the square of its robust standard deviation, above which it is no
    scatter of kicks.

    Unit: ratio; 1 for normal numbers. Source: chosen by hand; no benchmark."""

    max_diffusion_ratio: float = 1.5
    """Largest ratio of the diffusion that is seen over two strides of which one is twice the other.

    Unit: ratio. Source: chosen by hand; no benchmark."""

    noise_only_error: float = 0.8
    """Relative error of the target from which on nothing but noise is seen in the motion.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    max_rest_force_to_floor: float = 1000.0
    """Largest force, over the floor of rounding, at which motion counts as rest where the median force is below
    that floor.

    Unit: ratio of forces. Source: chosen by hand; no benchmark."""

    force_limit_quantile: float = 0.95
    """Quantile of the observed forces that is stated as the upper limit on a force that was not seen.

    Unit: quantile. Source: chosen by hand; no benchmark."""


@dataclass(frozen=True)
class OrderCriteria(_StageCriteria):
    """Numbers that decide whether the motion has inertia, see `gnn_discovery.data.dataset.order_selection`."""

    min_kick_share: float = 0.5
    """Share of kicks without memory in a displacement from which on the motion is of first order; below it velocities
    last.

    Unit: share of the typical square displacement. Source: chosen by hand; benchmarks/order.py measures it."""

    n_sigma: float = 2.0
    """Number of standard errors by which the share of kicks must be on its side of a limit.

    Unit: standard errors. Source: chosen by hand; benchmarks/order.py measures it."""

    min_growth: float = 2.5
    """Growth of the square displacement from one step to four from which on errors of position do not hide it.

    Unit: ratio; none for errors alone, 4 for kicks, 16 for lasting velocities. Source: chosen by hand."""

    max_saturation: float = 0.5
    """Square displacement over four steps, relative to that of independent positions, beyond which the motion is
    taken as confined, so that its growth says nothing.

    Unit: ratio. Source: chosen by hand; benchmarks/order.py measures it."""

    noise_uncertainty: float = 0.1
    """Relative error with which the variance of averages by errors of position is known.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    max_unexplained: float = 0.1
    """Share of velocities or accelerations that the library may leave where it is said to explain them.

    Unit: share of the weighted mean square. Source: chosen by hand; benchmarks/order.py measures it."""

    max_unexplained_ratio: float = 0.1
    """Largest ratio of the share left unexplained at one order to that at the other where the first is chosen.

    Unit: ratio. Source: chosen by hand; benchmarks/order.py measures it."""

    min_unexplained: float = 0.5
    """Share of velocities that positions leave unexplained from which on nothing speaks for motion without inertia.

    Unit: share of the weighted mean square. Source: chosen by hand; benchmarks/order.py measures it."""

    min_tracks: int = 8
    """Number of tracks from which on velocities that follow from positions are no coincidence of the starts.

    Unit: tracks. Source: chosen by hand."""

    min_tangential_share: float = 0.1
    """Mean share of accelerations along the velocity below which orbits count as circular.

    Unit: share. Source: chosen by hand."""

    max_runs: int = 40
    """Number of runs that are looked at.

    Unit: runs. Source: chosen by hand, for speed."""

    max_frames: int = 400
    """Number of frames of each run that are looked at.

    Unit: frames. Source: chosen by hand, for speed."""

    max_pairs: int = 6000
    """Number of pairs at which the library is evaluated.

    Unit: pairs. Source: chosen by hand, for speed."""


@dataclass(frozen=True)
class TrainingCriteria(_StageCriteria):
    """Numbers that decide the training of networks."""

    interaction_threshold: float = 0.1
    """Smallest force on some particle of a snapshot, as a fraction of the typical force, from which on the snapshot
    counts as interacting.

    Unit: fraction of the typical force. Source: chosen by hand; no benchmark (a44982e)."""

    max_rare_fraction: float = 0.2
    """Largest fraction of interacting snapshots at which they count as rare and are oversampled in every batch.

    Unit: fraction of snapshots. Source: chosen by hand; no benchmark (a44982e)."""

    oversampled_fraction: float = 0.5
    """Fraction of a batch that is drawn from the interacting snapshots where these are rare.

    Unit: fraction of the batch. Source: chosen by hand; no benchmark (a44982e)."""

    noncentral_component_weight: float = 2.0
    """Weight of the pair-force component off the line of centres, relative to the self force, in the penalty that
    resolves the degeneracy of pair and self forces.

    Unit: ratio of weights. Source: chosen by hand; no benchmark; penalty last changed in 9a2c061 and 8168d77."""

    latent_message_weight: float = 0.1
    """Weight of the whole pair force, relative to the self force, in the same penalty where source strengths are
    learnt, so that no body exerts a force that the motion does not require.

    Unit: ratio of weights. Source: chosen by hand; no benchmark."""

    source_strength_gain: float = 10.0
    """Factor between the parameter of a body and the logarithm of its source strength; it sets how fast source
    strengths are learnt in comparison with the other parameters.

    Unit: dimensionless. Source: chosen by hand; no benchmark (df06202)."""

    validation_batches: int = 4
    """Number of batches of held-out snapshots on which the validation error is measured after each chunk of
    training; this error selects the parameters that are kept and stops the training.

    Unit: batches. Source: chosen by hand; no benchmark."""

    pruning_first_chunk: int = 5
    """Index of the first chunk of training after which message components are pruned.

    Unit: chunks of 20. Source: chosen by hand; no benchmark."""

    pruning_last_chunk: int = 14
    """Index of the last chunk of training after which message components may be pruned or restored.

    Unit: chunks of 20. Source: chosen by hand; no benchmark."""

    pruned_fraction: float = 0.3333333333333333
    """Fraction of the active message components that is pruned at once, the weakest first, and at least one.

    Unit: fraction of the active components. Source: chosen by hand; no benchmark."""

    max_pruning_error_ratio: float = 2.0
    """Largest ratio of the validation error after a pruning step to that before it; beyond it the step is undone
    and pruning ends.

    Unit: ratio of errors. Source: chosen by hand; no benchmark."""

    stuck_error: float = 0.2
    """Held-out error of a network, over that of no force, above which it has learnt nothing and is trained again.

    Unit: ratio of errors. Source: chosen by hand; no benchmark."""

    stuck_noise_ratio: float = 3.0
    """Held-out error of a network, over the noise, above which it has learnt nothing and is trained again.

    Unit: ratio of errors. Source: chosen by hand; no benchmark."""

    restart_slowdown: float = 3.0
    """The learning rate is divided by this where a network got stuck.

    Unit: ratio of rates. Source: chosen by hand; no benchmark."""

    restart_floor_factor: float = 10.0
    """The floor of the relative loss is multiplied by this where slower training did not help.

    Unit: ratio of floors. Source: chosen by hand; no benchmark."""


@dataclass(frozen=True)
class VisibilityCriteria(_StageCriteria):
    """Numbers that decide which messages, components and contributions count as seen."""

    active_component_min_variance_ratio: float = 0.001
    """A message component counts as active when its variance exceeds this fraction of the largest component's
    variance.

    Unit: variance / largest variance. Source: chosen by hand; no benchmark."""

    gauge_comparison_force_floor: float = 0.1
    """This fraction of the total force is added to the size of a contribution when two gauge readings are compared.

    Unit: fraction of the total force. Source: chosen by hand; no benchmark."""

    message_row_limit: int = 20000
    """At most this many pairs are read from a network as messages.

    Unit: pairs. Source: chosen by hand for run time; no benchmark."""

    gauge_fit_row_limit: int = 20000
    """At most this many pairs are used to fix the gauge of an external message function.

    Unit: pairs. Source: chosen by hand for run time; no benchmark."""

    fitted_gauge_max_error_ratio: float = 0.5
    """A gauge with a fitted linear map replaces a gauge without one only if its additivity error is below this
    fraction of the other's.

    Unit: error / error. Source: chosen by hand; no benchmark."""

    symmetry_sample_size: int = 4000
    """The symmetry of a pair force is measured on this many randomly drawn pairs.

    Unit: pairs. Source: chosen by hand; no benchmark."""

    symmetry_force_floor: float = 0.1
    """This fraction of the total force on the receiver is added to the size of the pair force in the denominator of
    a symmetry deviation.

    Unit: fraction of the total force. Source: chosen by hand; no benchmark."""

    detection_limit: float = 0.01
    """Fraction of the total force on the receiver below which a contribution counts as undetectable.

    Unit: fraction of total force. Source: chosen by hand; no benchmark."""

    min_visible_pair_fraction: float = 0.01
    """Fraction of the rows of a pair table that must be detectable for the table to be distilled; it is small
    because most pairs may be far apart.

    Unit: fraction of rows. Source: chosen by hand; no benchmark."""

    min_visible_self_fraction: float = 0.25
    """Fraction of the rows of a self table that must be detectable for the table to be distilled; it is larger
    because an external field acts on many particles.

    Unit: fraction of rows. Source: chosen by hand; no benchmark."""

    visible_sample_fraction: float = 0.5
    """Fraction of detectable rows below which a subsample is stratified, and the fraction of detectable rows it is
    then given.

    Unit: fraction of rows. Source: chosen by hand; no benchmark."""


@dataclass(frozen=True)
class StructureCriteria(_StageCriteria):
    """Numbers that decide the search for an additive structure of the force."""

    max_rows: int = 800
    """Number of rows of a table on which additive structures are compared.

    Unit: rows. Source: chosen by hand; no benchmark; limits cost."""

    max_error_ratio: float = 0.7
    """Largest ratio of the relative errors after and before adding a component at which the component is kept.

    Unit: ratio of relative errors. Source: chosen by hand; no benchmark."""

    target_error: float = 0.002
    """Relative error at which no further component is sought; it is about that of a well-trained network.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    unexplained_error: float = 0.3
    """Relative error above which the table counts as unexplained, so that a further component is tried whatever the
    last one gained.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    max_components: int = 3
    """Largest number of components in an additive structure.

    Unit: components. Source: chosen by hand; no benchmark."""

    initial_exponents: tuple[float, ...] = (0.0, 1.0)
    """Exponents of the properties that are tried in every direction first.

    Unit: exponent. Source: chosen by hand; no benchmark."""

    positive_exponents: tuple[float, ...] = (0.0, 1.0, 2.0, -1.0, 0.5)
    """Exponents that are tried for a property whose values are all positive.

    Unit: exponent. Source: chosen by hand; no benchmark."""

    signed_exponents: tuple[float, ...] = (0.0, 1.0, 2.0)
    """Exponents that are tried for a property that takes values of both signs or zero.

    Unit: exponent. Source: chosen by hand; no benchmark."""

    sum_exponents: tuple[float, ...] = (1.0, 2.0, -1.0)
    """Exponents that are tried for the sum of a property over the pair.

    Unit: exponent. Source: chosen by hand; no benchmark."""

    exponent_search_error_ratio: float = 5.0
    """Multiple of target_error above which exponents beyond the initial ones, and then real ones, are searched.

    Unit: multiple of target_error. Source: chosen by hand; no benchmark."""

    min_component_gain: float = 0.01
    """Relative decrease of the error that is needed to replace a component by another.

    Unit: relative decrease of error. Source: chosen by hand; no benchmark."""

    min_exponent_gain: float = 0.001
    """Relative decrease of the error that is needed to change an exponent to another allowed value.

    Unit: relative decrease of error. Source: chosen by hand; no benchmark."""

    min_real_exponent_gain: float = 0.0001
    """Relative decrease of the error that is needed to move a real exponent by one step.

    Unit: relative decrease of error. Source: chosen by hand; no benchmark."""

    exponent_resolution: float = 0.004
    """Step of the exponent search at which a real exponent counts as determined.

    Unit: exponent. Source: chosen by hand; no benchmark."""

    spline_knots: int = 18
    """Number of knots of the spline of each profile, half placed by count and half by range.

    Unit: knots. Source: chosen by hand; no benchmark."""

    weight_floor: float = 0.1
    """Fraction of the total force that is added to the magnitude of a contribution in the denominator of its
    relative error.

    Unit: fraction of total force. Source: chosen by hand; no benchmark."""

    huber_threshold: float = 3.0
    """Multiple of the median residual beyond which a row is down-weighted.

    Unit: multiples of the median residual. Source: chosen by hand; no benchmark; form of Huber (1964)."""

    min_outlier_error: float = 0.1
    """Relative error of a row below which it is never down-weighted.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    rounding_error_floor: float = 1e-06
    """Relative error below which differences between fits count as rounding and decide nothing.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    profile_bins: int = 300
    """Number of bins, even in count and in range, into which a profile is averaged.

    Unit: bins. Source: chosen by hand; no benchmark."""

    cutoff_signal_level: float = 0.1
    """Magnitude of a profile that counts as signal ahead of a cutoff, in units of the error scale of its points.

    Unit: error scale of a point. Source: chosen by hand; no benchmark."""

    cutoff_zero_level: float = 0.01
    """Magnitude of a profile that counts as zero beyond a cutoff, in units of the error scale of its points.

    Unit: error scale of a point. Source: chosen by hand; no benchmark."""

    cutoff_max_points: int = 12
    """Number of points within which a force of finite range falls from signal to zero; a decaying force takes
    longer.

    Unit: points. Source: chosen by hand; no benchmark."""

    jump_fit_points: int = 6
    """Number of points on each side of a jump to which a line is fitted.

    Unit: points. Source: chosen by hand; no benchmark."""

    jump_skipped_points: int = 2
    """Number of points next to a jump that are left out of the line on each side, because a network is smooth there.

    Unit: points. Source: chosen by hand; no benchmark."""

    jump_min_size: float = 0.1
    """Smallest size of a jump, in units of the error scale of its point.

    Unit: error scale of a point. Source: chosen by hand; no benchmark."""

    jump_outlier_ratio: float = 10.0
    """Ratio of a jump to the median change between neighbouring points above which it counts as a jump.

    Unit: multiples of the median change. Source: chosen by hand; no benchmark."""

    jump_max_gap_ratio: float = 2.0
    """Ratio of the gap across a jump to the width of the narrower side above which the data are taken to have a gap
    and no jump is claimed.

    Unit: ratio of widths. Source: chosen by hand; no benchmark."""

    jump_excluded_points: int = 3
    """Number of points on each side of a jump that are left out of regression, because a network is smooth there.

    Unit: points. Source: chosen by hand; no benchmark."""

    zero_side_ratio: float = 0.1
    """Ratio of the root mean square of one side of a jump to that of the whole profile below which that side is
    zero.

    Unit: ratio of root mean squares. Source: chosen by hand; no benchmark."""


@dataclass(frozen=True)
class SearchCriteria(_StageCriteria):
    """Numbers that decide the symbolic regression on profiles."""

    operon_row_limit: int = 400
    """Operon searches on at most this many rows of a regression problem.

    Unit: rows. Source: chosen by hand for run time; no benchmark."""

    operon_front_max_error_ratio: float = 0.8
    """A longer formula of Operon's front is kept only if its error is below this fraction of the best shorter
    formula's error.

    Unit: mean squared error ratio. Source: chosen by hand; no benchmark."""

    enumeration_row_limit: int = 200
    """The enumerated forms are fitted on at most this many rows of a regression problem.

    Unit: rows. Source: chosen by hand for run time; no benchmark."""

    enumerated_forms_kept: int = 8
    """This many of the enumerated forms with the lowest loss are passed on to refinement.

    Unit: forms. Source: chosen by hand; no benchmark."""

    always_kept_max_constants: int = 2
    """Enumerated forms with at most this many nonlinear constants are passed on to refinement whatever their rank.

    Unit: constants. Source: chosen by hand; no benchmark."""

    refinement_row_limit: int = 400
    """The constants of candidate formulas are refitted on at most this many rows of a regression problem.

    Unit: rows. Source: chosen by hand for run time; no benchmark."""

    simplified_forms: int = 14
    """Simplifications are tried on this many forms at the complex end of the Pareto front.

    Unit: forms. Source: chosen by hand; no benchmark."""

    shifted_forms: int = 5
    """A shift of each variable is tried on this many forms at the complex end of the Pareto front.

    Unit: forms. Source: chosen by hand; no benchmark."""

    pareto_max_loss_ratio: float = 0.95
    """A more complex formula stays on the Pareto front only if its loss is below this fraction of the loss of every
    simpler one.

    Unit: loss ratio. Source: chosen by hand; no benchmark."""

    simplification_max_loss_factor: float = 8.0
    """A simplification may raise the loss by at most this factor; the Pareto front keeps both forms.

    Unit: loss ratio. Source: chosen by hand; no benchmark."""

    rounding_loss_floor: float = 1e-24
    """A relative loss below this value is regarded as rounding error, so that no more complex formula is preferred.

    Unit: relative squared error. Source: square of about 1e-12, above the rounding error of float64; no
    benchmark."""

    max_exponent: float = 40.0
    """Formulas with an exponent larger than this are rejected.

    Unit: dimensionless. Source: chosen by hand; a steeper power imitates an exponential or a corner (commit
    741fa7e); no benchmark."""

    tie_max_rel_difference: float = 0.2
    """Two constants of a formula are tried as equal or opposite when they differ by less than this fraction.

    Unit: relative difference. Source: chosen by hand; no benchmark."""

    simplification_trials: int = 3
    """This many constraints with the lowest predicted loss increase are fitted in each simplification step.

    Unit: constraints. Source: chosen by hand; no benchmark."""

    sparse_row_limit: int = 300
    """Sparse regression uses at most this many rows of a regression problem.

    Unit: rows. Source: chosen by hand for run time; no benchmark."""

    sparse_max_terms: int = 4
    """Sparse regression builds sums and products of at most this many terms.

    Unit: terms. Source: chosen by hand; no benchmark."""

    sparse_sums_kept_per_length: int = 3
    """Sparse regression passes on this many sums of each length, all of different form.

    Unit: sums. Source: chosen by hand; no benchmark."""

    sparse_rounding_error_floor: float = 1e-20
    """A remaining squared residual below this fraction of the target counts as zero in the information criterion of
    sparse regression.

    Unit: relative squared error. Source: square of about 1e-10, above the rounding error of float64; no
    benchmark."""

    profile_error_floor: float = 0.001
    """Relative error of the messages below which two formulas fit a profile equally well.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    profile_complexity_penalty: float = 0.05
    """Decrease of the log relative error that each node of a formula for a profile has to bring.

    Unit: log error per node. Source: chosen by hand; no benchmark."""

    side_formulas_kept: int = 6
    """Number of formulas kept for each side of a jump; a network is smooth near it, so the right formula need not
    fit best.

    Unit: formulas. Source: chosen by hand; no benchmark."""

    profile_formulas_kept: tuple[int, ...] = (10, 4, 2)
    """Numbers of formulas kept for each profile of a structure of one, two and three components.

    Unit: formulas. Source: chosen by hand; no benchmark."""

    self_sums_kept: int = 3
    """Number of sums of self terms that are combined with each sum of pair terms, taken in turns from each
    structure.

    Unit: sums. Source: chosen by hand; no benchmark."""

    node_message_rows: int = 4000
    """Number of messages and of nodes of a static graph on which formulas are regressed.

    Unit: rows. Source: chosen by hand; no benchmark; limits cost."""

    node_factor_rows: int = 400
    """Number of points on which each factor of a separable message is regressed.

    Unit: points. Source: chosen by hand; no benchmark; limits cost."""

    max_separability_error: float = 0.15
    """Relative error of a product of one-variable functions below which a message counts as separable.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    node_messages_kept: int = 3
    """Number of formulas kept of the message of a static graph.

    Unit: formulas. Source: chosen by hand; no benchmark."""

    node_factors_kept: int = 5
    """Number of formulas kept of each factor of a separable message.

    Unit: formulas. Source: chosen by hand; no benchmark."""

    node_outputs_kept: int = 2
    """Number of formulas kept of the node function of a static graph.

    Unit: formulas. Source: chosen by hand; no benchmark."""

    node_error_floor: float = 0.05
    """Relative error of a network trained on scattered targets below which two formulas fit it equally well.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    node_complexity_penalty: float = 0.05
    """Decrease of the log relative error that each node of a formula for a message of a static graph has to bring.

    Unit: log error per node. Source: chosen by hand; no benchmark."""


@dataclass(frozen=True)
class SelectionCriteria(_StageCriteria):
    """Numbers that decide the selection of a law among candidates."""

    max_path_rounds: int = 3
    """Number of times that the paths between coarse frames are traced by the law that was selected along the last ones.

    Unit: rounds. Source: chosen by hand; no benchmark."""

    min_runs_for_run_split: int = 5
    """Number of runs from which whole runs are held out; with fewer, contiguous blocks of frames are.

    Unit: runs. Source: chosen by hand; no benchmark."""

    n_time_blocks: int = 20
    """Number of contiguous blocks that all runs together are cut into where there are few runs.

    Unit: blocks. Source: chosen by hand; no benchmark."""

    held_out_fraction: float = 0.1
    """Fraction of the runs that is held out to select laws by, and as much again to report errors on.

    Unit: fraction of runs. Source: chosen by hand; no benchmark."""

    min_runs_for_extremes: int = 20
    """Number of runs or blocks from which the extreme ones are kept out of training, selection and test.

    Unit: runs or blocks. Source: chosen by hand; no benchmark."""

    extreme_fraction: float = 0.05
    """Fraction of the runs that is kept out because they reach the ends of the range of distances or properties.

    Unit: fraction of runs. Source: chosen by hand; no benchmark."""

    min_extreme_runs: int = 2
    """Smallest number of extreme runs that are kept out.

    Unit: runs. Source: chosen by hand; no benchmark."""

    complexity_penalty: float = 0.02
    """Amount by which the log of the held-out error must fall for each further node of a formula.

    Unit: log error per node. Source: chosen by hand; no benchmark; one value since it was introduced; 8% of the
    error per constant of about four nodes is above what a constant gains by absorbing the bias of numerical
    derivatives."""

    n_sigma: float = 3.0
    """Number of standard errors of the paired log error ratio beyond which a more complex law counts as better.

    Unit: standard errors. Source: convention (three sigma); chosen by hand; no benchmark."""

    node_penalty: float = 0.5
    """Log likelihood that each node of a law of kicked motion must gain, beside Schwarz's criterion for its constants.

    Unit: nats. Source: chosen by hand, less than ln 2 for a choice of two; no benchmark."""

    min_noise_fraction: float = 0.3
    """Fraction of the estimated noise of the target that any law is assumed to leave; a law that could not win even
    with this error is not tried.

    Unit: fraction of the noise. Source: chosen by hand; no benchmark."""

    rounding_error_floor: float = 1e-09
    """Relative error below which differences are rounding and no law counts as better than another.

    Unit: relative error. Source: chosen by hand; no benchmark; set by float64 and the numerical derivatives of
    exact data."""

    trial_max_pairs: int = 5000
    """Number of pair observations (snapshots times pairs) on which every candidate is first fitted and scored.

    Unit: pair observations. Source: chosen by hand; no benchmark (cost)."""

    final_max_pairs: int = 60000
    """Number of pair observations on which the laws of the Pareto front are fitted again.

    Unit: pair observations. Source: chosen by hand; no benchmark (cost)."""

    validation_max_pairs: int = 100000
    """Number of held-out pair observations on which the laws of the Pareto front are scored.

    Unit: pair observations. Source: chosen by hand; no benchmark (cost)."""

    trial_reweighting_rounds: int = 1
    """Number of rounds in which residuals are weighed anew when a candidate is only tried.

    Unit: rounds. Source: chosen by hand; no benchmark (cost)."""

    trial_starts: int = 4
    """Number of starting points from which a candidate is fitted when it is first tried; its simplifications start
    once, from its constants.

    Unit: starts. Source: chosen by hand; no benchmark."""

    incumbent_starts: int = 2
    """Number of starting points from which an incumbent (a known law) is fitted before it is compared.

    Unit: starts. Source: chosen by hand; no benchmark."""

    n_pareto_kept: int = 4
    """Number of laws of the Pareto front that are simplified further and fitted on more data.

    Unit: laws. Source: chosen by hand; no benchmark."""

    max_simplification_rounds: int = 5
    """Largest number of rounds of trials, of which all but the first try simplifications of the front.

    Unit: rounds. Source: chosen by hand; no benchmark."""

    n_folds: int = 4
    """Number of folds of the cross-validation over runs by which laws are compared on noisy motion.

    Unit: folds. Source: chosen by hand; no benchmark."""

    n_bootstrap_resamples: int = 200
    """Number of bootstrap resamples of the held-out runs in which the selection is repeated.

    Unit: resamples. Source: chosen by hand; no benchmark; gives the selection frequency to about 0.03."""

    min_held_out_runs: int = 4
    """Number of held-out runs below which blocks of time, not runs, are the units of the comparison.

    Unit: runs. Source: chosen by hand; no benchmark."""

    held_out_time_blocks: int = 8
    """Number of blocks of time into which few held-out runs are divided.

    Unit: blocks. Source: chosen by hand; no benchmark."""

    round_exponent_tolerance: float = 0.001
    """Distance from a half-integer below which a fitted exponent is tried as that half-integer, whatever its error.

    Unit: exponent. Source: chosen by hand; no benchmark."""

    round_exponent_n_sigma: float = 3.0
    """Number of standard errors within which a fitted exponent is tried as the nearest half-integer.

    Unit: standard errors. Source: convention (three sigma); chosen by hand; no benchmark."""

    equal_constants_tolerance: float = 0.001
    """Relative difference of two fitted constants below which one constant is tried in the place of both.

    Unit: relative difference. Source: chosen by hand; no benchmark."""

    softened_exponent_tolerance: float = 0.2
    """Distance from a half-integer below which an exponent is rounded when the softened form is tried: over a
    limited range 1/(r + s) looks like a power near a round one.

    Unit: exponent. Source: chosen by hand; no benchmark."""

    free_exponent_complexity: int = 4
    """Number of nodes that an exponent without a round value costs, as much as a further length scale in the law.

    Unit: nodes. Source: chosen by hand; no benchmark."""

    node_screening_rows: int = 500
    """Number of nodes to which every candidate is fitted before the Pareto front is fitted to all.

    Unit: nodes. Source: chosen by hand; no benchmark; limits cost."""

    node_finalists: int = 6
    """Largest number of node laws on the Pareto front that are cross-validated.

    Unit: laws. Source: chosen by hand; no benchmark."""

    node_folds: int = 5
    """Number of folds of spatial blocks in the cross-validation of node laws.

    Unit: folds. Source: chosen by hand; no benchmark."""

    node_complexity_penalty: float = 10.0
    """Decrease of the sum of squares that a longer node law has to bring, in units of the variance of a residual.

    Unit: residual variances. Source: chosen by hand; no benchmark."""

    node_constant_sigma: float = 4.0
    """Number of standard errors within which a constant of a node law may be replaced by zero or an exponent by an
    integer.

    Unit: standard errors. Source: chosen by hand; no benchmark."""

    n_catalogue_challengers: int = 6
    """Largest number of laws with known parts that take part in the selection beside those found.

    Unit: laws. Source: git c0a583b: introduced with the benchmark of generated systems; never varied."""

    exact_fit_error: float = 1e-07
    """Error on held-out motion at which a law counts as exact and no known law is tried beside it: right forms come
    so far on exact data.

    Unit: relative error. Source: chosen by hand; no benchmark."""


@dataclass(frozen=True)
class EstimationCriteria(_StageCriteria):
    """Numbers that decide the estimation of constants and of their errors."""

    scale_upper_quantile: float = 0.9
    """Quantile of sizes above which encounters are left out of the robust scale; it is also the reference that
    tells zero from small.

    Unit: quantile. Source: chosen by hand; no benchmark."""

    scale_rms_weight: float = 0.2
    """Weight of the trimmed root mean square in the robust scale.

    Unit: trimmed root mean square. Source: chosen by hand; no benchmark."""

    scale_nonzero_median_weight: float = 0.25
    """Weight of the median of the nonzero sizes in the robust scale, which matters for contact forces.

    Unit: median of nonzero sizes. Source: chosen by hand; no benchmark."""

    scale_zero_fraction: float = 0.001
    """Fraction of the upper quantile below which a size counts as zero in the robust scale.

    Unit: upper quantile of the sizes. Source: chosen by hand; no benchmark."""

    huber_threshold: float = 3.0
    """Number of robust standard deviations beyond which a residual vector is weighed down by Huber's weights.

    Unit: robust standard deviations. Source: Huber (Ann. Math. Stat. 35, 73, 1964) with a wide threshold chosen by
    hand; no benchmark."""

    robust_std_per_median: float = 1.2
    """Robust standard deviation of a residual vector as a multiple of the median of its norm.

    Unit: ratio. Source: chosen by hand; no benchmark; exact values for Gaussian vectors are 1.48 in one, 0.85 in
    two and 0.65 in three dimensions (one component)."""

    reweighting_rounds: int = 3
    """Number of rounds in which residuals are weighed anew by the force of the law and by Huber's weights.

    Unit: rounds. Source: chosen by hand; no benchmark."""

    max_cost_increase: float = 1.1
    """Ratio by which the cost may grow when the errors-in-variables bias is taken out of the constants; beyond it
    they are left as they are.

    Unit: cost ratio. Source: chosen by hand; no benchmark."""

    exact_fit_error: float = 1e-07
    """Relative error below which a fit is exact and no further starting point is tried.

    Unit: relative error. Source: chosen by hand; no benchmark."""

    n_starts: int = 4
    """Number of starting points of a fit.

    Unit: starts. Source: chosen by hand; no benchmark."""

    start_log_std: float = 0.5
    """Standard deviation of the natural logarithm of the factors by which constants are multiplied for further
    starting points.

    Unit: log factor. Source: chosen by hand; no benchmark."""

    max_starts_with_thresholds: int = 2
    """Largest number of starting points of a law with thresholds, whose values are scanned from each.

    Unit: starts. Source: chosen by hand; no benchmark (cost)."""

    min_cost_gain: float = 0.99
    """Cost ratio below which the end of a further start replaces the best one.

    Unit: cost ratio. Source: chosen by hand; no benchmark."""

    search_max_pairs: int = 2000
    """Number of pair observations on which starting points are compared.

    Unit: pair observations. Source: chosen by hand; no benchmark (cost)."""

    increments_per_pair: int = 10
    """Number by which all numbers of pair observations are multiplied where these are increments: kicks hide the force
    at each instant, and only many instants together tell of it.

    Unit: factor. Source: chosen by hand; no benchmark (cost)."""

    max_pairs: int = 300000
    """Largest number of pair observations to which constants are fitted.

    Unit: pair observations. Source: chosen by hand; no benchmark (cost)."""

    min_snapshots: int = 20
    """Smallest number of snapshots to which data are thinned.

    Unit: snapshots. Source: chosen by hand; no benchmark."""

    min_jackknife_runs: int = 4
    """Number of runs below which error bars come from the spread of the residuals, not from the jackknife over
    runs.

    Unit: runs. Source: chosen by hand; no benchmark."""

    confidence_level: float = 0.95
    """Confidence level at which the jackknife error is widened by the ratio of Student's to the normal quantile.

    Unit: probability. Source: convention (95%)."""

    latent_min_snapshots: int = 200
    """Smallest number of snapshots with which latent properties are inferred.

    Unit: snapshots. Source: chosen by hand; no benchmark."""

    latent_max_relative_error: float = 0.3
    """Half-width of the 95% interval, relative to the value, below which a latent property counts as determined.

    Unit: relative half-width. Source: chosen by hand; no benchmark."""

    latent_block_counts: tuple[int, ...] = (2, 5, 10, 20)
    """Numbers of contiguous blocks of time over which errors of latent properties are taken as common; the largest
    error counts.

    Unit: blocks. Source: chosen by hand; no benchmark."""

    posterior_warmup_draws: int = 100
    """Number of draws by which the sampler of the posterior adapts its step.

    Unit: draws. Source: chosen by hand; no benchmark."""

    posterior_draws: int = 1000
    """Number of draws from which mean and covariance of the posterior are taken.

    Unit: draws. Source: chosen by hand; no benchmark; the error of a standard deviation from 1000 independent draws
    is 2%."""

    posterior_prior_std: float = 10.0
    """Width of the Gaussian prior in standard errors of the fit, centred on the fit; it is flat in effect.

    Unit: standard errors. Source: chosen by hand; no benchmark."""

    node_held_out_fraction: float = 0.15
    """Fraction of the spatial blocks of a static graph that is held out for selection, and again for testing.

    Unit: fraction of blocks. Source: chosen by hand; no benchmark."""

    node_dense_fraction: float = 0.1
    """Fraction of the nodes of a static graph, those of highest degree, that is kept out as the out-of-distribution
    test.

    Unit: fraction of nodes. Source: chosen by hand; no benchmark."""

    node_blocks_per_axis: int = 4
    """Number of spatial blocks along each axis of a static graph; whole blocks are held out because neighbours are
    correlated.

    Unit: blocks. Source: chosen by hand; no benchmark."""

    node_min_blocks: int = 6
    """Smallest number of spatial blocks with which some can be held out.

    Unit: blocks. Source: chosen by hand; no benchmark."""

    node_huber_threshold: float = 1.5
    """Residual in robust standard deviations beyond which a node is down-weighted in the fit of a node law.

    Unit: robust standard deviations. Source: chosen by hand; no benchmark; form of Huber (1964)."""


@dataclass(frozen=True)
class EquivalenceCriteria(_StageCriteria):
    """Numbers that decide the comparison of a law with known laws."""

    max_rel_deviation: float = 0.001
    """Largest deviation from a known law at which a law still counts as the same, where its constants are known
    more sharply than that.

    Unit: root-mean-square deviation over the local force scale. Source: chosen by hand; no benchmark."""

    n_sigma: float = 3.0
    """Number of standard errors of the law found within which a known law counts as the same.

    Unit: standard errors. Source: convention (three standard errors)."""

    min_share: float = 0.01
    """Smallest mean share of the force that a part of a law, or a summand of a known sum, must contribute to count
    as established.

    Unit: share of the sum of force magnitudes. Source: chosen by hand; no benchmark."""

    max_tolerance: float = 0.1
    """Largest tolerance (`n_sigma` standard errors) at which laws are still compared; beyond it nothing is called
    the same, because too many laws would be.

    Unit: deviation over the local force scale. Source: chosen by hand; no benchmark."""

    identical_rel_deviation: float = 1e-06
    """Mean relative difference below which two fitted known laws count as one function of these data.

    Unit: mean difference over mean magnitude. Source: chosen by hand; no benchmark."""

    max_pair_laws: int = 2
    """Largest number of known pair laws that a law may be composed of and still be called known.

    Unit: laws. Source: chosen by hand; no benchmark."""

    max_constants_in_sum: int = 4
    """Largest number of free constants of a sum of two known laws that is compared with the law found.

    Unit: free constants. Source: chosen by hand; a sum with more constants than the law found is a fit to it and no
    reading of it."""

    n_refined_sums: int = 12
    """Number of sums of two known laws that are refined after screening.

    Unit: sums. Source: chosen by hand; no benchmark."""

    n_screening_samples: int = 250
    """Smallest number of samples on which the grids of constants are screened (every n-th sample is taken).

    Unit: samples. Source: chosen by hand; no benchmark."""

    sharp_rel_error: float = 0.0003
    """Relative standard error of the law below which a softening length beyond the range of the data can still be
    recognised.

    Unit: standard error over the local force scale. Source: chosen by hand when softenings beyond the range were
    introduced; no benchmark."""

    max_softening: float = 3.0
    """Upper bound on the softening length of a form without other shape constants, where the law is known sharply.

    Unit: largest value of the variable in the data. Source: chosen by hand: forms softened for longer are nearly
    any smooth function; no benchmark."""

    max_softening_with_shape: float = 0.3
    """Upper bound on the softening length of every other form, which keeps catalogue forms identifiable.

    Unit: largest value of the variable in the data. Source: chosen by hand: forms softened for longer are nearly
    any smooth function; no benchmark."""

    min_softening: float = 0.0001
    """Lower bound on the softening length of a catalogue form.

    Unit: smallest value of the variable in the data. Source: chosen by hand; no benchmark."""

    max_signed_constant: float = 3.0
    """Bound on the magnitude of a constant that may have either sign.

    Unit: largest value of the variable in the data. Source: chosen by hand; no benchmark."""

    min_length: float = 0.05
    """Lower bound on a length or speed of a catalogue form.

    Unit: smallest value of the variable in the data. Source: chosen by hand; no benchmark."""

    max_length: float = 30.0
    """Upper bound on a length or speed of a catalogue form.

    Unit: largest value of the variable in the data. Source: chosen by hand; no benchmark."""

    min_inverse_length: float = 0.03
    """Lower bound on an inverse length of a catalogue form.

    Unit: inverse of the largest value of the variable in the data. Source: chosen by hand; no benchmark."""

    max_inverse_length: float = 20.0
    """Upper bound on an inverse length of a catalogue form.

    Unit: inverse of the smallest value of the variable in the data. Source: chosen by hand; no benchmark."""

    min_other_constant: float = 0.0001
    """Lower bound on a shape constant of any other unit.

    Unit: units of the data. Source: chosen by hand; no benchmark."""

    max_other_constant: float = 10000.0
    """Upper bound on a shape constant of any other unit.

    Unit: units of the data. Source: chosen by hand; no benchmark."""

    max_snapshots: int = 3000
    """Largest number of snapshots over which a law is sampled for a comparison.

    Unit: snapshots. Source: chosen by hand; no benchmark."""

    max_share_snapshots: int = 400
    """Largest number of snapshots over which the share of each force component is averaged.

    Unit: snapshots. Source: chosen by hand; no benchmark."""

    n_bins: int = 30
    """Number of bins of distance, speed or coordinate from which samples are drawn evenly, and over which the local
    force scale is taken.

    Unit: bins. Source: chosen by hand; no benchmark."""

    max_samples_per_bin: int = 25
    """Largest number of samples that one bin contributes.

    Unit: samples. Source: chosen by hand; no benchmark."""

    force_scale_floor: float = 0.001
    """Part of the median force that is added to the local force scale, so that a zero of the force does no harm.

    Unit: median force magnitude. Source: chosen by hand; no benchmark."""

    recognition_min_distance: float = 0.1
    """Smallest distance over which a formula without data is compared with the catalogue by default.

    Unit: unit of length of the formula. Source: chosen by hand; no benchmark."""

    recognition_max_distance: float = 10.0
    """Largest distance over which a formula without data is compared with the catalogue by default.

    Unit: unit of length of the formula. Source: chosen by hand; no benchmark."""

    recognition_min_finite_share: float = 0.5
    """Share of the samples at which a stated formula has to be finite, so that it is a force at all.

    Unit: share of samples. Source: chosen by hand; no benchmark."""

    recognition_snapshots: int = 1500
    """Number of synthetic snapshots on which a formula without data is compared with the catalogue.

    Unit: snapshots. Source: chosen by hand; no benchmark."""


@dataclass(frozen=True)
class VerdictCriteria(_StageCriteria):
    """Numbers that decide the checks of a law and the verdict on it."""

    node_baseline_radii: tuple[float, ...] = (0.25, 0.5, 1.0)
    """Fractions of the largest distance within which the linear baseline counts neighbours; the best is chosen on
    held-out blocks.

    Unit: fraction of the largest distance. Source: chosen by hand; no benchmark."""

    node_n_sigma: float = 2.0
    """Number of standard errors of the mean difference of absolute errors beyond which a node law is worse than
    another predictor.

    Unit: standard errors. Source: chosen by hand; no benchmark."""

    no_force_min_noise: float = 0.3
    """Relative noise of the target from which on a network that learns nothing may see nothing but noise.

    Unit: share of the target. Source: chosen by hand; no benchmark."""

    no_force_min_network_error: float = 0.9
    """Share of held-out motion that a network must leave unexplained for the claim that there is no force to be
    learnt.

    Unit: sum of residuals over sum of targets. Source: chosen by hand; no benchmark."""

    max_unexplained: float = 0.001
    """Share of held-out motion that a law may leave unexplained where the data are exact.

    Unit: sum of residuals over sum of targets. Source: equal to the deviation at which two laws count as the
    same."""

    max_unexplained_over_noise: float = 3.0
    """Multiple of the relative noise that a law may leave unexplained.

    Unit: relative noise. Source: chosen by hand; no benchmark."""

    max_unexplained_noisy: float = 0.3
    """Largest share of held-out motion that a law may leave unexplained, however noisy the data are.

    Unit: sum of residuals over sum of targets. Source: chosen by hand; no benchmark."""

    max_change_in_step: float = 0.1
    """Largest change of the force of a law within a step, as a part of the force, where increments of kicked motion are
    compared with the force at one instant; constants are off by about the square of it.

    Unit: relative force. Source: chosen by hand; no benchmark."""

    extrapolation_factor: float = 5.0
    """Factor by which the unexplained share may be larger outside the range of training.

    Unit: ratio of errors. Source: chosen by hand; no benchmark."""

    max_error_over_network: float = 1.05
    """Largest ratio of the error of the law to that of the network at which the law is no worse than the network.

    Unit: ratio of errors. Source: chosen by hand; no benchmark."""

    network_error_floor: float = 1e-06
    """Error of a network below which it counts as exact when the law is compared with it.

    Unit: sum of residuals over sum of targets. Source: chosen by hand; no benchmark."""

    missed_structure_ratio: float = 3.0
    """Ratio of the error of the law to that of the network beyond which the network has seen something that the law
    lacks.

    Unit: ratio of errors. Source: chosen by hand; no benchmark."""

    missed_structure_min_error: float = 0.001
    """Error of a law (or the noise, where that is larger) below which nothing can be left for the network.

    Unit: sum of residuals over sum of targets. Source: chosen by hand; no benchmark."""

    min_unconstrained_error_ratio: float = 0.75
    """Smallest ratio of the error of an unconstrained network to that of the best sum over pairs at which forces
    still count as additive.

    Unit: ratio of errors. Source: chosen by hand; no benchmark."""

    max_rel_std_of_constant: float = 0.5
    """Relative standard error of a constant below which it counts as different from zero (0.5 is two standard
    errors).

    Unit: standard error over value. Source: two standard errors, a convention."""

    min_resampling_agreement: float = 0.9
    """Smallest share of bootstrap resamples of the held-out runs that must choose the same form.

    Unit: share of resamples. Source: chosen by hand; no benchmark."""

    min_searches: int = 2
    """Smallest number of independent searches that says something of the stability of a law.

    Unit: searches. Source: at least two are needed to compare any."""

    max_reciprocity_change: float = 0.001
    """Largest change of the pair force under exchange of receiver and sender at which Newton's third law holds.

    Unit: deviation over the local force scale. Source: chosen by hand; no benchmark."""

    max_conservation_drift: float = 0.0001
    """Largest relative drift of momentum, angular momentum or energy along a rollout at which it counts as
    conserved.

    Unit: drift over the size of the quantity. Source: chosen by hand; no benchmark."""

    max_symmetry_change: float = 1e-06
    """Median relative change of the force in a transformed world below which a symmetry of the law holds.

    Unit: change over the force. Source: chosen by hand; no benchmark."""

    symmetry_force_floor: float = 0.1
    """Part of the median force that is added to each force when a change is related to it.

    Unit: median force. Source: chosen by hand; no benchmark."""

    max_error_over_known_laws: float = 0.9
    """Ratio of the mean relative error of a law to that of the best known law below which it is better than every
    known law.

    Unit: ratio of errors. Source: chosen by hand; no benchmark."""

    indistinguishable_error_ratio: float = 0.99
    """Ratio of the error of the law found to that of another known law above which held-out motion cannot tell the
    two apart.

    Unit: ratio of errors. Source: chosen by hand; no benchmark."""

    max_extrapolation_error_over_known_laws: float = 1.05
    """Largest ratio of the error of the law outside the range of training to that of the best known law there.

    Unit: ratio of errors. Source: chosen by hand; no benchmark."""

    n_refitted_known_laws: int = 3
    """Number of known laws that are refitted to the motion and measured beside the law found.

    Unit: laws. Source: chosen by hand; no benchmark."""

    max_ranking_pairs: int = 2000
    """Largest number of pairs, over all snapshots, on which known laws are ranked before any is refitted.

    Unit: pairs. Source: chosen by hand; no benchmark."""

    max_refit_pairs: int = 8000
    """Largest number of pairs, over all snapshots, to which known laws are refitted.

    Unit: pairs. Source: chosen by hand; no benchmark."""

    max_measurement_pairs: int = 100000
    """Largest number of held-out pairs, over all snapshots, on which the laws are compared.

    Unit: pairs. Source: chosen by hand; no benchmark."""

    min_agreement_share: float = 0.9
    """Smallest share of the pairs over which a network must follow a law for the law to be said to be its own.

    Unit: share of pairs. Source: chosen by hand; no benchmark."""

    agreement_bins: int = 40
    """Number of bins of a variable along which network and law are compared.

    Unit: bins. Source: chosen by hand; no benchmark."""

    agreement_min_pairs: int = 8
    """Smallest number of pairs in a bin of an agreement profile.

    Unit: pairs. Source: chosen by hand; no benchmark."""

    agreement_scale_bins: int = 2
    """Number of bins on either side from which the local size of the force is taken.

    Unit: bins. Source: chosen by hand; no benchmark."""

    agreement_force_floor: float = 0.01
    """Part of the typical force below which the network says nothing.

    Unit: median force. Source: chosen by hand; no benchmark."""

    agreement_max_discrete_values: int = 12
    """Largest number of distinct values of a variable of which each is a bin of its own.

    Unit: values. Source: chosen by hand; no benchmark."""

    agreement_extrapolation_bins: int = 12
    """Number of bins past either end of the data.

    Unit: bins. Source: chosen by hand; no benchmark."""

    identification_n_sigma: float = 3.0
    """Number of standard errors within which a constant is identified with a notable value.

    Unit: standard errors. Source: convention (three standard errors)."""

    max_coincidence_probability: float = 0.01
    """Largest probability that a number as precise as the constant lies so near to some notable value by chance.

    Unit: probability. Source: chosen by hand; no benchmark."""

    identification_min_rel_error: float = 1e-09
    """Relative standard error below which none is believed when a constant is identified.

    Unit: standard error over value. Source: chosen by hand; no benchmark."""

    trimmed_fraction: float = 0.1
    """Fraction of the rows with the largest residuals that a trimmed R² leaves out.

    Unit: fraction of rows. Source: Cranmer et al. 2020 (arXiv 2006.11287), table 1."""

    max_reference_deviation: float = 0.05
    """Relative difference of an inferred property from its accepted value above which the report points it out.

    Unit: relative deviation. Source: chosen by hand; no benchmark."""

    constant_force_ratio: float = 1.25
    """Ratio of the network's force at the two ends of an interval below which it is said to stay constant there.

    Unit: ratio of forces. Source: chosen by hand; no benchmark."""

    changing_force_ratio: float = 1.5
    """Ratio of two forces above which they are said to differ by a factor, in sentences on where network and law
    disagree.

    Unit: ratio of forces. Source: chosen by hand; no benchmark."""

    decisive_error_ratio: float = 2.0
    """Ratio of the errors of law and network on held-out motion above which the motion is said to support the
    smaller one.

    Unit: ratio of errors. Source: chosen by hand; no benchmark."""

    fully_visible_fraction: float = 0.9995
    """Fraction of pairs with a visible force from which on the explanation does not mention that others are left
    out.

    Unit: fraction of pairs. Source: chosen by hand; no benchmark."""

    max_symmetry_violation: float = 0.05
    """Relative change of the pair force of the network, and share of the force that its messages do not add up to,
    below which a symmetry or additivity holds.

    Unit: relative change of the force. Source: chosen by hand; no benchmark."""

    max_gauge_disagreement: float = 0.1
    """Relative difference of two readings of the pair force below which they agree.

    Unit: relative difference. Source: chosen by hand; no benchmark."""

    roughness_factor: float = 2.0
    """A network follows a law that is nearer to it than its roughness (residual of a fit by smooth curves) times
    this.

    Unit: ratio of deviations. Source: chosen by hand; no benchmark."""

    max_follow_tolerance: float = 0.1
    """Largest deviation from a law at which a network is said to follow it, however rough the network is.

    Unit: relative deviation. Source: chosen by hand; no benchmark."""

    trimmed_refits: int = 6
    """Number of times that a law is refitted to the pairs that were nearest to it before.

    Unit: count. Source: chosen by hand; no benchmark."""

    probe_extension: float = 3.0
    """A network is asked about pairs this many times nearer and farther than any pair of the data.

    Unit: ratio of distances. Source: chosen by hand; no benchmark."""

    n_probed_pairs: int = 60
    """Number of pairs that are moved to each distance.

    Unit: count. Source: chosen by hand; no benchmark."""

    min_instants_for_error: int = 8
    """Fewest instants from which the error of network and law over an interval is stated.

    Unit: count. Source: chosen by hand; no benchmark."""


@dataclass(frozen=True)
class Criteria:
    """The criteria of all stages.

    Attributes:
        noise: estimation of noise and derivatives, and the decision that nothing but noise is seen.
        order: whether the motion has inertia.
        training: training of networks.
        visibility: which messages, components and contributions count as seen.
        structure: the search for an additive structure of the force.
        search: symbolic regression on profiles.
        selection: selection of a law among candidates.
        estimation: estimation of constants and of their errors.
        equivalence: comparison of a law with known laws.
        verdict: checks of a law and the verdict on it.
    """

    noise: NoiseCriteria = field(default_factory=NoiseCriteria)
    order: OrderCriteria = field(default_factory=OrderCriteria)
    training: TrainingCriteria = field(default_factory=TrainingCriteria)
    visibility: VisibilityCriteria = field(default_factory=VisibilityCriteria)
    structure: StructureCriteria = field(default_factory=StructureCriteria)
    search: SearchCriteria = field(default_factory=SearchCriteria)
    selection: SelectionCriteria = field(default_factory=SelectionCriteria)
    estimation: EstimationCriteria = field(default_factory=EstimationCriteria)
    equivalence: EquivalenceCriteria = field(default_factory=EquivalenceCriteria)
    verdict: VerdictCriteria = field(default_factory=VerdictCriteria)


DEFAULT_CRITERIA = Criteria()
"""The criteria of a discovery that asks for no others."""


def criteria_from_dict(plain: Mapping[str, Mapping[str, Any]]) -> Criteria:
    """Return the criteria that `dataclasses.asdict` made ``plain`` of; lists stand for tuples, as in JSON.

    Raises:
        TypeError: a stage or a field is unknown.
    """
    stages = {stage.name: type(getattr(DEFAULT_CRITERIA, stage.name)) for stage in fields(Criteria)}
    if unknown := sorted(set(plain) - set(stages)):
        raise TypeError(f"there are no criteria of {unknown[0]!r}")
    values = {
        name: stages[name](**{key: tuple(v) if isinstance(v, list) else v for key, v in part.items()})
        for name, part in plain.items()
    }
    return Criteria(**values)
