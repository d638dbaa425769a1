"""Network and law side by side along one variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gnn_discovery.report.canvas import (
    GRID,
    LAW,
    MUTED,
    NETWORK,
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
    """The size of the pair force by network and by law, and how far they are apart; grey where there are no data."""
    x = 0.5 * (profile.low + profile.high)
    name = f"parting-{profile.variable.replace('_', '-')}"
    inside = profile.share > 0
    first, last = profile.low[inside][0], profile.high[inside][-1]
    deviation = np.clip(profile.deviation, 1e-12, 1e3)

    def paint(top: Axes, low: Axes) -> None:
        draw_points(top, f"{name}-network", x, profile.network, NETWORK, size=4.0, alpha=0.8, label="network")
        top.plot(x, profile.law, color=LAW, linewidth=1.6, label="law")
        if (profile.law[inside] > 0).all() and spans_decades(profile.law[inside]):
            log_axis(top, "y")
        if (x > 0).all() and spans_decades(x):
            log_axis(top, "x")
        draw_points(low, f"{name}-deviation", x, deviation, NETWORK, size=3.4, alpha=0.8)
        low.axhline(tolerance, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)))
        log_axis(low, "y", most=3)
        for axes in (top, low):
            for ends in ((profile.low[0], first), (last, profile.high[-1])):
                if ends[0] < ends[1]:
                    axes.axvspan(*ends, color=GRID, linewidth=0)
        top.set_ylabel("size of the pair force")
        top.legend(loc="best")
        top.tick_params(axis="x", length=0)
        low.set_ylabel("deviation")
        low.set_xlabel(profile.variable)

    caption = (
        "Medians over bins of pairs. Below, how far the network's force is from the law's, relative to the force; "
    )
    caption += f"beyond the dashes, {format_relative_error(tolerance)}, they part."
    if not inside.all():
        caption += " Grey: pairs of the data moved to where there are none."
    title = f"Network and law along {profile.variable}"
    return Drawing(name, title, caption, f"{title}. {caption}", render_svg(name, paint, rows=(2, 1)))
