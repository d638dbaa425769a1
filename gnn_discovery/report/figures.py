"""Draw the figures of the report, each from plain arrays of the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.report.canvas import (
    GRID_COLOUR,
    LAW_COLOUR,
    MUTED_COLOUR,
    NETWORK_COLOUR,
    SERIES_COLOURS,
    TRUTH_COLOUR,
    Drawing,
    draw_points,
    integer_axis,
    log_axis,
    render_svg,
    spans_decades,
    subsample_indices,
    symmetric_log_axis,
)
from gnn_discovery.report.discovery import Curve, Discovery, Evidence
from gnn_discovery.report.ground_truth import direct_r2
from gnn_discovery.report.motion_figures import draw_band, draw_departure, draw_trajectory
from gnn_discovery.report.number_format import format_number, format_r2, format_relative_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_all(discovery: Discovery) -> tuple[Drawing, ...]:
    """Draw every figure for which there is evidence, in the order of the report."""
    evidence = discovery.evidence
    return () if evidence is None else tuple(_drawings(discovery, evidence))


def _drawings(discovery: Discovery, evidence: Evidence) -> Iterator[Drawing]:
    for number, curve in enumerate(evidence.curves, start=1):
        if np.isfinite(curve.x + curve.network + curve.law).any():
            yield draw_curve(curve, f"curve-{number}")
    if len(evidence.message):
        criteria = discovery.criteria
        yield draw_messages("messages", evidence.message_law, evidence.message, "the found law", criteria=criteria)
        if evidence.message_truth is not None:
            truth = evidence.message_truth
            yield draw_messages("truth", truth, evidence.message, "the true force", criteria=criteria)
    if len(evidence.spectrum):
        yield draw_spectrum(evidence.spectrum, evidence.n_active_components)
    if evidence.front:
        yield draw_front(evidence)
    if np.isfinite(evidence.residuals).any():
        yield draw_residuals(evidence.residuals)
    if evidence.realisations is not None:
        yield draw_band(evidence.observed, evidence.realisations, discovery.particles)
    elif len(evidence.rollout) > 1:
        yield draw_trajectory(evidence, discovery.particles)
        yield draw_departure(evidence)
    if len(evidence.history) > 1:
        yield draw_history(evidence.history)


def draw_curve(curve: Curve, name: str) -> Drawing:
    """Draw a scalar of the law over one variable, with the points of the network and, where known, the truth.

    Below stands the gap |network - law| / max(|law|, a tenth of the typical |law|).

    Args:
        curve: the scalar.
        name: name of the file.
    """
    finite = np.isfinite(curve.x) & np.isfinite(curve.network) & np.isfinite(curve.law)
    order = np.flatnonzero(finite)[np.argsort(curve.x[finite])]
    x, network, law = curve.x[order], curve.network[order], curve.law[order]
    truth = None if curve.truth is None else curve.truth[order]
    one_sign = bool((law > 0).all() or (law < 0).all())
    log_y = one_sign and spans_decades(np.abs(law))
    log_x = bool((x > 0).all()) and (log_y or x.max() > 300 * x.min()) and spans_decades(x)
    sign = -1.0 if log_y and law[0] < 0 else 1.0
    scale = float(np.median(np.abs(law))) or float(np.median(np.abs(network))) or 1.0
    # The floor keeps the gap finite where the law passes through zero.
    gap = np.abs(network - law) / np.maximum(np.abs(law), 0.1 * scale)
    label = "force" if (curve.kind, curve.direction) == ("pair", "radial") else f"{curve.kind} {curve.direction}"

    def paint(top: Axes, bottom: Axes) -> None:
        draw_points(top, f"{name}-points", x, sign * network, NETWORK_COLOUR, size=4.0, alpha=0.75, label="network")
        top.plot(x, sign * law, color=LAW_COLOUR, linewidth=1.8, label="law")
        if truth is not None:
            top.plot(x, sign * truth, color=TRUTH_COLOUR, linewidth=1.4, linestyle=(0, (2, 2)), label="truth")
        if log_x:
            log_axis(top, "x")
        if log_y:
            log_axis(top, "y")
        else:
            top.axhline(0, color=MUTED_COLOUR, linewidth=0.7)
            _limit_to_bulk(top, sign * law)
        top.set_ylabel(f"− {label}" if sign < 0 else label)
        top.legend(loc="best")
        top.tick_params(axis="x", length=0)
        draw_points(bottom, f"{name}-gap", x, np.maximum(gap, 1e-12), NETWORK_COLOUR, size=3.0, alpha=0.75)
        log_axis(bottom, "y", max_ticks=3)
        bottom.set_ylabel("gap")
        bottom.set_xlabel(curve.variable)

    median = format_relative_error(float(np.nanmedian(gap)))
    others = ", ".join(f"{key} = {format_number(value, 3)}" for key, value in curve.fixed.items())
    dashes = "" if truth is None else ", the dashed line is the truth"
    caption = f"The points are read from the network, the line is the law{dashes}"
    caption += f"; {others}" if others else ""
    caption += f". The median gap between network and law is {median} of the force."
    if sign < 0:
        caption += " The force is attractive throughout; its size is drawn."
    return Drawing(name, curve.title, caption, f"{curve.title}. {caption}", render_svg(name, paint, rows=(3, 1)))


def _limit_to_bulk(axes: Axes, values: Float[np.ndarray, " K"]) -> None:
    """Set the limits of y such that they show the bulk of the law, not one point at a singularity."""
    low, high = np.percentile(values, (2, 98))
    margin = 0.25 * (high - low) or 0.1 * abs(high) or 1.0
    axes.set_ylim(low - margin, high + margin)


def draw_messages(
    name: str,
    reference: Float[np.ndarray, "K D"],
    message: Float[np.ndarray, "K D"],
    reference_name: str,
    *,
    max_points: int = 1500,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> Drawing:
    """Draw every component of the network's pair force against a reference, on axes that show all sizes.

    Args:
        name: name of the file.
        reference: (K D) pair forces to compare with.
        message: (K D) pair forces of the network.
        reference_name: name of the reference, as in "the true force".
        max_points: limit of the points that are drawn.
        criteria: `VerdictCriteria.trimmed_fraction` defines the trimmed R².
    """
    finite = np.isfinite(message).all(axis=1) & np.isfinite(reference).all(axis=1)
    message, reference = message[finite], reference[finite]
    trimmed, full = direct_r2(message, reference, criteria=criteria)
    rows = subsample_indices(len(message), max_points // message.shape[1])
    size = np.abs(reference)
    width = float(np.median(size[size > 0])) / 3 if (size > 0).any() else 1.0
    largest = float(size.max()) if size.size else 1.0

    def paint(axes: Axes) -> None:
        reach = 1.3 * largest or 1.0
        axes.plot([-reach, reach], [-reach, reach], color=MUTED_COLOUR, linewidth=0.8)
        for axis in range(message.shape[1]):
            label = f"{'xyz'[axis]} component"
            draw_points(
                axes,
                f"{name}-{'xyz'[axis]}",
                reference[rows, axis],
                message[rows, axis],
                SERIES_COLOURS[axis],
                label=label,
            )
        for which in "xy":
            symmetric_log_axis(axes, which, width, largest)
        axes.set_xlim(-reach, reach)
        axes.set_ylim(-reach, reach)
        axes.set_xlabel(reference_name.removeprefix("the "))
        axes.set_ylabel("network")
        axes.legend(loc="upper left", markerscale=2)

    r2 = f"R² is {format_r2(trimmed)} with the worst tenth left out, {format_r2(full)} with all kept"
    title = f"Pair force of the network against {reference_name}"
    caption = f"{r2}; nothing is fitted between the two. {len(rows)} of {len(message)} pairs are drawn."
    return Drawing(name, title, caption, f"{title}. {caption}", render_svg(name, paint))


def draw_spectrum(spectrum: Float[np.ndarray, " M"], n_active: int) -> Drawing:
    """Draw the share of each message component in the variance of the messages.

    Args:
        spectrum: (M,) shares, descending.
        n_active: number of components that carry the messages.
    """
    shown = spectrum[: max(16, min(2 * n_active, 40))]
    values = np.maximum(shown, 1e-12)

    def paint(axes: Axes) -> None:
        index = np.arange(1, len(values) + 1)
        axes.vlines(index, 1e-13, values, color=GRID_COLOUR, linewidth=1.0)
        active, silent = slice(None, n_active), slice(n_active, None)
        draw_points(
            axes, "spectrum-active", index[active], values[active], NETWORK_COLOUR, size=7.0, alpha=1.0, label="active"
        )
        if n_active < len(values):
            draw_points(
                axes,
                "spectrum-silent",
                index[silent],
                values[silent],
                MUTED_COLOUR,
                size=4.0,
                alpha=0.8,
                label="silent",
            )
        axes.set_ylim(max(values.min() / 5, 1e-13), 2)
        axes.set_xlim(0.4, len(values) + 0.6)
        log_axis(axes, "y")
        axes.grid(False, axis="x")
        integer_axis(axes)
        axes.set_xlabel("message component")
        axes.set_ylabel("share of the variance")
        axes.legend(loc="upper right")

    carried = (
        f"{format_number(100 * float(spectrum[:n_active].sum() / spectrum.sum()), 4)} %" if spectrum.sum() > 0 else "–"
    )
    caption = f"{n_active} of {len(spectrum)} components are active and carry {carried} of the variance."
    return Drawing(
        "spectrum", "Message spectrum", caption, f"Message spectrum. {caption}", render_svg("spectrum", paint)
    )


def draw_front(evidence: Evidence) -> Drawing:
    """Draw the error on held-out runs against complexity; the chosen law stands out."""
    front = sorted(evidence.front, key=lambda point: point.complexity)
    complexity = np.array([point.complexity for point in front])
    error = np.maximum([point.error for point in front], 1e-16)
    best = np.minimum.accumulate(error)
    chosen = [(point.complexity, max(point.error, 1e-16)) for point in front if point.chosen]

    def paint(axes: Axes) -> None:
        axes.step(complexity, best, where="post", color=MUTED_COLOUR, linewidth=1.0)
        draw_points(axes, "front-points", complexity, error, NETWORK_COLOUR, size=5.0, alpha=0.9, label="candidates")
        if chosen:
            x, y = zip(*chosen, strict=True)
            axes.plot(
                x,
                y,
                "o",
                markersize=12,
                markerfacecolor="none",
                markeredgecolor=LAW_COLOUR,
                markeredgewidth=1.8,
                label="chosen",
            )
        axes.margins(0.08, 0.15)
        if spans_decades(error):
            log_axis(axes, "y")
        integer_axis(axes)
        axes.set_xlabel("complexity (nodes of the formula)")
        axes.set_ylabel("error on held-out runs")
        axes.legend(loc="upper right", handletextpad=0.6, labelspacing=0.9)

    caption = f"{len(front)} candidate laws were refitted on the observed motion and scored on held-out runs."
    return Drawing("front", "Simplicity against error", caption, f"Pareto front. {caption}", render_svg("front", paint))


def draw_residuals(residuals: Float[np.ndarray, " Q"]) -> Drawing:
    """Draw the distribution of the residuals of the law on held-out motion, over all decades."""
    size = np.maximum(np.abs(residuals[np.isfinite(residuals)]), 1e-16)
    half, ninth = np.quantile(size, (0.5, 0.9))

    def paint(axes: Axes) -> None:
        low, high = np.floor(np.log10(size.min())), np.ceil(np.log10(size.max()) + 1e-9)
        bins = np.logspace(low, max(high, low + 1), int(np.clip(8 * (high - low), 24, 60)))
        axes.hist(size, bins.tolist(), weights=np.full(size.size, 100 / size.size), color=NETWORK_COLOUR, alpha=0.85)
        for value, text, style in ((half, "half", "-"), (ninth, "nine tenths", "--")):
            axes.axvline(
                value, color=LAW_COLOUR, linewidth=1.3, linestyle=style, label=f"{text} below {format_number(value, 2)}"
            )
        log_axis(axes, "x")
        axes.set_xlabel("|residual| / median |target|")
        axes.set_ylabel("share of the instants (%)")
        axes.margins(y=0.25)
        axes.legend(loc="upper left")

    caption = f"Half of the residuals on held-out data lie below {format_number(half, 2)} of the median |target|, "
    caption += f"nine tenths below {format_number(ninth, 2)}."
    return Drawing(
        "residuals", "Residuals of the law", caption, f"Residuals. {caption}", render_svg("residuals", paint)
    )


def draw_history(history: Float[np.ndarray, "L 3"]) -> Drawing:
    """Draw the training loss, and the loss on held-out runs."""
    step, train, held = history[:, 0], history[:, 1], history[:, 2]

    def paint(axes: Axes) -> None:
        axes.plot(step, train, color=NETWORK_COLOUR, linewidth=1.3, label="training")
        seen = np.isfinite(held)
        axes.plot(step[seen], held[seen], color=LAW_COLOUR, linewidth=1.3, label="held-out runs")
        log_axis(axes, "y")
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.legend(loc="upper right")

    caption = f"The network trained for {format_number(float(step[-1]))} steps."
    return Drawing("history", "Training of the network", caption, f"Training. {caption}", render_svg("history", paint))
