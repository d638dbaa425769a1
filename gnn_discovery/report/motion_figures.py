"""Figures of motion: a held-out run beside the motion under the law from the same start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from gnn_discovery.report.canvas import (
    LAW_COLOUR,
    NETWORK_COLOUR,
    SERIES_COLOURS,
    Drawing,
    draw_points,
    log_axis,
    render_svg,
)
from gnn_discovery.report.discovery import Evidence
from gnn_discovery.report.number_format import format_relative_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_trajectory(evidence: Evidence, particles: tuple[str, ...]) -> Drawing:
    """Draw a held-out run, and the motion under the law from the same start.

    Args:
        evidence: the run and the rollout.
        particles: names of the particles, for the legend.
    """
    observed, rollout = evidence.observed, evidence.rollout
    drawn = np.unique(np.linspace(0, len(observed) - 1, min(len(observed), 40)).astype(int))
    flat = observed.shape[-1] == 1

    def paint(axes: Axes) -> None:
        for n in range(observed.shape[1]):
            colour = SERIES_COLOURS[n % len(SERIES_COLOURS)]
            if flat:
                axes.plot(rollout[:, n, 0], color=colour, linewidth=1.4)
                draw_points(axes, f"trajectory-{n}", drawn, observed[drawn, n, 0], colour, size=3.4, alpha=0.8)
                continue
            axes.plot(rollout[:, n, 0], rollout[:, n, 1], color=colour, linewidth=1.4)
            label = particles[n] if n < len(particles) and len(particles) <= 10 else ""
            x, y = observed[drawn, n, 0], observed[drawn, n, 1]
            draw_points(axes, f"trajectory-{n}", x, y, colour, size=3.4, alpha=0.8, label=_mathless(label))
        if not flat:
            axes.set_aspect("equal", adjustable="datalim")
        axes.set_xlabel("frame" if flat else "x")
        axes.set_ylabel("x" if flat else "y")
        if particles and len(particles) <= 10 and not flat:
            axes.legend(loc="best", ncols=2, fontsize=7.5, handletextpad=0.2, columnspacing=0.8)

    plane = " The view is along z." if observed.shape[-1] == 3 else ""
    caption = f"Points are the data of a held-out run, lines the motion under the law from the same start.{plane}"
    title = "Motion under the law"
    return Drawing("trajectory", title, caption, f"{title}. {caption}", render_svg("trajectory", paint))


def _mathless(label: str) -> str:
    """Return a label that matplotlib shows as it stands, neither as mathematics nor hidden by an underscore."""
    return label.replace("$", r"\$").lstrip("_")


def draw_departure(evidence: Evidence) -> Drawing:
    """Draw the distance of the motion under the law from the data, over time."""
    count = min(len(evidence.observed), len(evidence.rollout))
    observed, rollout = evidence.observed[:count], evidence.rollout[:count]
    distance = np.linalg.norm(rollout - observed, axis=-1)
    extent = float(np.sqrt(np.mean((observed - observed.mean(axis=(0, 1))) ** 2) * observed.shape[-1])) or 1.0
    worst, median = (
        np.maximum(distance.max(axis=1) / extent, 1e-16),
        np.maximum(np.median(distance, axis=1) / extent, 1e-16),
    )

    def paint(axes: Axes) -> None:
        frames = np.arange(count)
        axes.plot(frames[1:], worst[1:], color=LAW_COLOUR, linewidth=1.5, label="worst particle")
        axes.plot(frames[1:], median[1:], color=NETWORK_COLOUR, linewidth=1.5, label="median particle")
        log_axis(axes, "y")
        axes.set_xlabel("frame")
        axes.set_ylabel("distance / size of the system")
        axes.legend(loc="lower right")

    title = "Departure of the law from the data"
    caption = (
        f"At the end the worst particle is {format_relative_error(float(worst[-1]))} of the size of the system away."
    )
    if count < len(evidence.observed):
        caption += f" The motion under the law was followed for {count} of {len(evidence.observed)} frames."
    return Drawing("departure", title, caption, f"{title}. {caption}", render_svg("departure", paint))


def draw_band(
    observed: Float[np.ndarray, "T N D"],
    realisations: Float[np.ndarray, "R t N D"],
    particles: tuple[str, ...],
    *,
    band: float = 0.9,
    most: int = 4,
) -> Drawing:
    """Draw a coordinate of a held-out run, and the band in which kicks leave it under the law from the same start.

    Args:
        observed: the run.
        realisations: of the motion under the law and its kicks.
        particles: names of the particles, for the legend.
        band: share of realisations that the band holds.
        most: largest number of particles that are drawn.
    """
    count = min(len(observed), realisations.shape[1])
    low, middle, high = np.quantile(realisations[:, :count], (0.5 - band / 2, 0.5, 0.5 + band / 2), axis=0)
    inside = float(np.mean((observed[1:count] >= low[1:]) & (observed[1:count] <= high[1:]))) if count > 1 else np.nan
    frames = np.arange(count)
    drawn = np.unique(np.linspace(0, count - 1, min(count, 40)).astype(int))

    def paint(axes: Axes) -> None:
        for n in range(min(observed.shape[1], most)):
            colour = SERIES_COLOURS[n % len(SERIES_COLOURS)]
            axes.fill_between(frames, low[:, n, 0], high[:, n, 0], color=colour, alpha=0.18, linewidth=0)
            axes.plot(frames, middle[:, n, 0], color=colour, linewidth=1.2)
            label = _mathless(particles[n]) if n < len(particles) else ""
            draw_points(axes, f"band-{n}", drawn, observed[drawn, n, 0], colour, size=3.4, alpha=0.8, label=label)
        axes.set_xlabel("frame")
        axes.set_ylabel("x")
        if particles:
            axes.legend(loc="best", ncols=2, fontsize=7.5, handletextpad=0.2, columnspacing=0.8)

    title = "Motion under the law and its kicks"
    caption = (
        f"Points are the data of a held-out run, lines and bands the median and {band:.0%} of "
        f"{len(realisations)} realisations from the same start. Of all coordinates of the run, {inside:.0%} lie in it."
    )
    return Drawing("trajectory", title, caption, f"{title}. {caption}", render_svg("trajectory", paint))
