"""Draw network and law side by side along one variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gnn_discovery.report.canvas import (
    GRID_COLOUR,
    LAW_COLOUR,
    MUTED_COLOUR,
    NETWORK_COLOUR,
    Drawing,
    draw_points,
    log_axis,
    render_svg,
    spans_decades,
)
from gnn_discovery.report.number_format import format_relative_error
from gnn_discovery.validation.agreement_profile import AgreementProfile

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_agreement_profile(profile: AgreementProfile, tolerance: float) -> Drawing:
    """Draw the size of the pair force by network and by law, and their deviation below it; grey marks missing data.

    Args:
        profile: network and law in bins of one variable.
        tolerance: relative deviation up to which they agree, drawn as a dashed line.
    """
    x = 0.5 * (profile.low + profile.high)
    name = f"parting-{profile.variable.replace('_', '-')}"
    inside = profile.share > 0
    first, last = profile.low[inside][0], profile.high[inside][-1]
    deviation = np.clip(profile.deviation, 1e-12, 1e3)

    def paint(top: Axes, bottom: Axes) -> None:
        draw_points(top, f"{name}-network", x, profile.network, NETWORK_COLOUR, size=4.0, alpha=0.8, label="network")
        top.plot(x, profile.law, color=LAW_COLOUR, linewidth=1.6, label="law")
        if (profile.law[inside] > 0).all() and spans_decades(profile.law[inside]):
            log_axis(top, "y")
        if (x > 0).all() and spans_decades(x):
            log_axis(top, "x")
        draw_points(bottom, f"{name}-deviation", x, deviation, NETWORK_COLOUR, size=3.4, alpha=0.8)
        bottom.axhline(tolerance, color=MUTED_COLOUR, linewidth=0.8, linestyle=(0, (2, 2)))
        log_axis(bottom, "y", max_ticks=3)
        for axes in (top, bottom):
            for ends in ((profile.low[0], first), (last, profile.high[-1])):
                if ends[0] < ends[1]:
                    axes.axvspan(*ends, color=GRID_COLOUR, linewidth=0)
        top.set_ylabel("size of the pair force")
        top.legend(loc="best")
        top.tick_params(axis="x", length=0)
        bottom.set_ylabel("deviation")
        bottom.set_xlabel(profile.variable)

    caption = (
        "The points are medians over bins of pairs. Below stands the deviation of the network's force from the law's, "
        f"relative to the force; beyond the dashed line, {format_relative_error(tolerance)}, the two disagree."
    )
    if not inside.all():
        caption += " In the grey range there are no data: pairs of the data were moved there."
    title = f"Network and law along {profile.variable}"
    return Drawing(name, title, caption, f"{title}. {caption}", render_svg(name, paint, rows=(2, 1)))
