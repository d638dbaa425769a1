"""Draw figures in one style and one palette, as SVG that follows the light and dark colours of the page."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from gnn_discovery.report.number_format import format_number, power_of_ten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK_COLOUR, MUTED_COLOUR, GRID_COLOUR, PAPER_COLOUR = "#1c1e21", "#6a6f76", "#e3e5e8", "#fffffe"
# The palette of Okabe and Ito (2008) is told apart with any colour vision.
NETWORK_COLOUR, LAW_COLOUR, TRUTH_COLOUR = "#0072b2", "#d55e00", "#009e73"
SERIES_COLOURS = (NETWORK_COLOUR, LAW_COLOUR, TRUTH_COLOUR, "#e69f00", "#cc79a7", "#56b4e9")
_CSS_VARIABLES = {
    INK_COLOUR: "var(--ink)",
    MUTED_COLOUR: "var(--muted)",
    GRID_COLOUR: "var(--grid)",
    PAPER_COLOUR: "var(--panel)",
    NETWORK_COLOUR: "var(--blue)",
    LAW_COLOUR: "var(--red)",
    TRUTH_COLOUR: "var(--green)",
}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.edgecolor": MUTED_COLOUR,
    "axes.facecolor": "none",
    "axes.labelcolor": INK_COLOUR,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID_COLOUR,
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.4,
    "legend.labelcolor": INK_COLOUR,
    "lines.solid_capstyle": "round",
    "text.color": INK_COLOUR,
    "xtick.color": MUTED_COLOUR,
    "ytick.color": MUTED_COLOUR,
    "xtick.labelcolor": MUTED_COLOUR,
    "ytick.labelcolor": MUTED_COLOUR,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
}


@dataclass(frozen=True)
class Drawing:
    """One figure.

    Attributes:
        name: name of the file, without its suffix.
        title: title.
        caption: a few words that say what the figure shows.
        alt: text for readers who cannot see it.
        svg: the figure, a whole SVG file.
    """

    name: str
    title: str
    caption: str
    alt: str
    svg: str

    @property
    def inline(self) -> str:
        """Return the SVG for a page: no fixed size or font, colours by the variables of the page, no addresses."""
        body = self.svg[self.svg.index("<svg") :]
        box = re.search(r'viewBox="([^"]*)"', body)
        assert box is not None
        body = re.sub(r"<svg[^>]*>", f'<svg role="img" aria-hidden="true" viewBox="{box[1]}">', body, count=1)
        body = body.replace("xlink:href", "href")
        body = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", body)
        for colour, variable in _CSS_VARIABLES.items():
            body = body.replace(colour, variable)
        return body


def render_svg(name: str, paint: Callable[..., None], *, rows: Sequence[int] = (1,), height: float = 3.4) -> str:
    """Return the SVG of one figure, the same bytes each time.

    Args:
        name: name of the figure; the ids in the SVG are made from it.
        paint: draws the figure; it is called with one axes a row, which share x.
        rows: relative heights of the rows.
        height: height of the figure in inches.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: Any = {**_STYLE, "svg.hashsalt": name}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(4.4, height))
        FigureCanvasSVG(figure)
        axes = figure.subplots(len(rows), 1, sharex=True, height_ratios=rows, squeeze=False)[:, 0]
        figure.subplots_adjust(left=0.15, right=0.97, top=0.96, bottom=0.44 / height, hspace=0.12)
        paint(*axes)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _remove_redundancy(text.getvalue(), name)


def _remove_redundancy(svg: str, name: str) -> str:
    """Return the SVG without what matplotlib repeats: unused ids of groups, and the style of each marker."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!DOCTYPE.*?>\s*|<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(rf' id="(?!{name}-|[mph][0-9a-f]{{8,}})[^"]*"', "", svg)
    svg = re.sub(r'(<g clip-path="[^"]*")>((?:\s*<use [^>]*/>)+)', _share_style, svg)
    return re.sub(r"\n\s*", "\n", svg)


def _share_style(group: re.Match[str]) -> str:
    """Put the style on a group of markers in the place of the same style on each."""
    style = re.search(r' style="[^"]*"', group[2])
    return group[0] if style is None else f"{group[1]}{style[0]}>{group[2].replace(style[0], '')}"


def spans_decades(values: Float[np.ndarray, "*shape"]) -> bool:
    """Return True where positive values span so much that a logarithmic axis reads better."""
    positive = values[np.isfinite(values) & (values > 0)]
    return len(positive) > 1 and bool(positive.max() > 30 * positive.min())


def log_axis(axes: Axes, which: str, max_ticks: int = 7) -> None:
    """Make an axis logarithmic, with ticks in plain text.

    Args:
        axes: the axes.
        which: "x" or "y".
        max_ticks: limit of the number of ticks.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    low, high = getattr(axes, f"get_{which}lim")()
    axis.set_major_locator(FixedLocator(_log_ticks(low, high, max_ticks)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _tick_label(value)))
    axis.set_minor_locator(NullLocator())


def _log_ticks(low: float, high: float, max_ticks: int) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks: list[float] = []
    for parts, step in (
        (range(1, 10), 1),
        ((1, 2, 5), 1),
        ((1, 3), 1),
        *(((1,), step) for step in range(1, 99)),
    ):
        exponents = (k for k in range(first, last + 1) if k % step == 0)
        ticks = [tick for k in exponents for part in parts if low <= (tick := part * 10.0**k) <= high]
        if len(ticks) <= max_ticks:
            break
    return ticks


def integer_axis(axes: Axes) -> None:
    """Put ticks at whole numbers only along x."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))


def _tick_label(value: float) -> str:
    exponent = np.log10(value)
    if -2.01 < exponent < 3.01:
        return format_number(value, 3)
    return power_of_ten(round(exponent)) if abs(exponent - round(exponent)) < 1e-9 else format_number(value, 2)


def symmetric_log_axis(axes: Axes, which: str, width: float, largest: float) -> None:
    """Make an axis linear near zero and logarithmic beyond, on both sides.

    Args:
        axes: the axes.
        which: "x" or "y".
        width: the axis is linear below this magnitude.
        largest: largest magnitude that is shown.
    """
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    getattr(axes, f"set_{which}scale")("asinh", linear_width=width)
    axis = getattr(axes, f"{which}axis")
    low, high = int(np.ceil(np.log10(3 * width))), int(np.floor(np.log10(max(largest, 10 * width))))
    powers = list(range(low, high + 1, max(1, (high - low + 2) // 3)))
    ticks = [-(10.0**k) for k in reversed(powers)] + [0.0] + [10.0**k for k in powers]
    names = [f"−{_tick_label(10.0**k)}" for k in reversed(powers)] + ["0"] + [_tick_label(10.0**k) for k in powers]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FixedFormatter(names))
    axis.set_minor_locator(NullLocator())


def draw_points(
    axes: Axes,
    gid: str,
    x: Any,
    y: Any,
    colour: str,
    *,
    size: float = 2.6,
    alpha: float = 0.5,
    label: str = "",
) -> None:
    """Draw points, each of which stays one element of the SVG.

    Args:
        axes: the axes.
        gid: id of their group in the SVG.
        x, y: (K,) coordinates.
        colour: of the points.
        size: diameter of a point, in typographic points.
        alpha: opacity.
        label: entry of the legend, empty for none.
    """
    (line,) = axes.plot(
        x,
        y,
        "o",
        color=colour,
        markersize=size,
        markeredgewidth=0,
        alpha=alpha,
        label=label or "_",
        rasterized=False,
    )
    line.set_gid(gid)


def subsample_indices(count: int, limit: int) -> Int[np.ndarray, " K"]:
    """Return at most ``limit`` of ``count`` indices, drawn at random but always the same."""
    return np.sort(np.random.default_rng(0).permutation(count)[:limit])
