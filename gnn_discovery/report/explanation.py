"""Explanation: what a network has learnt, and where network and law part ways; as text, JSON and one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.report.discovery import Discovery
from gnn_discovery.report.discovery_file import discovery_to_json
from gnn_discovery.report.number_format import format_number, format_relative_error
from gnn_discovery.report.summary import discovery_summary
from gnn_discovery.runs.files import to_json_values as plain_values
from gnn_discovery.runs.files import write_bytes, write_json
from gnn_discovery.validation.agreement_profile import AgreementProfile, Interval
from gnn_discovery.validation.verdict import Verdict

RESULT, PAGE = "explanation.json", "explanation.html"
STEADY, CHANGED = 1.25, 1.5
"""A force that changes by no more than the one factor, where the law's does by the other, stays as it is."""
DECISIVE_ERROR_RATIO = 2.0
"""What an error on the motion must be, times the other, for the motion to take sides."""


@dataclass(frozen=True)
class Explanation:
    """The law of a network, the verdict on it, and where the two part ways.

    Attributes:
        found: law, verdict and evidence, as of a discovery; the law is fitted to the network's pair forces, ``fit``
            says how well network and law predict the motion.
        gauge: what messages are read as.
        additivity: what their sums miss of the observed force (median).
        tolerance: relative deviation beyond which network and law part ways.
        profiles: both along the distance and other variables.
        together: the stretch of r in which the network follows the law; None where it nowhere does.
        apart: the stretches in which it does not.
        own: part of the whole force (median) that the network has a particle do to itself.
        seen: part of the pairs whose force can be seen beside the whole on the receiver; the others are left out.
        given: what was known, and taken from the motion before the network learnt it: the observed force, and the
            motion that ``fit`` is about, are what it leaves.
    """

    found: Discovery
    gauge: str
    additivity: float
    tolerance: float
    profiles: tuple[AgreementProfile, ...]
    together: Interval | None
    apart: tuple[Interval, ...]
    own: float
    seen: float
    given: ForceLaw

    @property
    def law(self) -> ForceLaw:
        return self.found.law

    @property
    def verdict(self) -> Verdict:
        return self.found.verdict

    def __str__(self) -> str:
        return "\n".join([f"It has learnt {self.law}", str(self.verdict), *explanation_sentences(self)])


def explanation_sentences(explanation: Explanation) -> list[str]:
    """Where network and law part ways, in sentences."""
    together, fit = explanation.together, explanation.found.fit
    left = " that the given terms leave" if explanation.given.terms else ""
    said = [f"Taken from the motion before it was learnt: {explanation.given}."] if left else []
    sums = f"their sums miss the observed force{left} by {format_relative_error(explanation.additivity)} (median)"
    said.append(f"Its messages are read as {explanation.gauge}; {sums}.")
    if together is not None:
        said.append(
            f"The network follows the law to {format_relative_error(together.deviation)} (median) for {_format_interval(together)}, where "
            f"{format_relative_error(together.share)} of the pairs are."
        )
    said += [_describe_disagreement(stretch) for stretch in explanation.apart]
    if together is not None and not any(s.variable == "r" and not s.share for s in explanation.apart):
        every = explanation.profiles[0]
        wide = f"{format_number(every.low[0], 3)} < r < {format_number(every.high[-1], 3)}"
        said.append(f"It follows it past the data too: it was asked for {wide}.")
    if explanation.own > explanation.tolerance and all(term.kind == "pair" for term in explanation.law.terms):
        said.append(
            f"It also has particles push themselves, with {format_relative_error(explanation.own)} of the force (median)."
        )
    if explanation.seen < 0.9995:
        seen = format_relative_error(explanation.seen)
        said.append(f"Compared are the {seen} of the pairs whose force can be seen beside the others.")
    law, network = fit.law_error[0], fit.network_error[0]
    if law is not None and network is not None:
        both = f"the law misses {format_relative_error(law)} of it, the network {format_relative_error(network)}"
        said.append(f"Held-out motion{left}: {both}. {_better_supported(law, network)}.")
    return said


def _format_interval(stretch: Interval) -> str:
    low, high = format_number(stretch.low, 3), format_number(stretch.high, 3)
    return f"{stretch.variable} = {low}" if stretch.low == stretch.high else f"{low} < {stretch.variable} < {high}"


def _describe_disagreement(stretch: Interval) -> str:
    """One stretch in which network and law differ: where, how many pairs, how, and which of them the motion follows."""
    many = f"{format_relative_error(stretch.share)} of the pairs" if stretch.share else "no data"
    text = f"For {_format_interval(stretch)} ({many}) they part: {_describe_deviation(stretch)}"
    if stretch.network_error is not None and stretch.law_error is not None:
        text += f". {_better_supported(stretch.law_error, stretch.network_error)}"
        text += f" (there the law misses {format_relative_error(stretch.law_error)}, the network {format_relative_error(stretch.network_error)})"
    return text + "."


def _describe_deviation(stretch: Interval) -> str:
    """What the network does there, from where it leaves the law to the far end."""
    both = list(zip(stretch.network, stretch.law, strict=True))
    near, far = sorted(both, key=lambda end: abs(end[0] - end[1]) / (end[0] + end[1] or 1.0))
    steady = max(near[0], far[0]) < STEADY * min(near[0], far[0])
    if stretch.low < stretch.high and steady and max(near[1], far[1]) > CHANGED * min(near[1], far[1]):
        return f"the network's force stays near {format_number(far[0], 2)} while the law's goes to {format_number(far[1], 2)}"
    if far[0] > CHANGED * far[1] or far[1] > CHANGED * far[0]:
        times = format_number(far[0] / far[1], 2) if far[1] else "many"
        return f"the network's force becomes {times} times the law's"
    return f"they differ by {format_relative_error(stretch.deviation)} of the force"


def _better_supported(law: float, network: float) -> str:
    if DECISIVE_ERROR_RATIO * law < network:
        return "The motion follows the law: the network errs"
    if DECISIVE_ERROR_RATIO * network < law:
        return "The motion follows the network: the law lacks something"
    return "The motion does not decide between them"


def explanation_to_json(explanation: Explanation) -> dict[str, Any]:
    """As `discovery_to_json` of a discovery, and the parting."""
    parting = {
        "gauge": explanation.gauge,
        "additivity": explanation.additivity,
        "tolerance": explanation.tolerance,
        "seen": explanation.seen,
        "own": explanation.own,
        "together": explanation.together,
        "apart": explanation.apart,
        "profiles": explanation.profiles,
    }
    return {
        **discovery_to_json(explanation.found),
        "parting": plain_values(parting),
        "text": explanation_text(explanation),
    }


def explanation_text(explanation: Explanation) -> str:
    """A few lines for the terminal."""
    told = "\n".join(
        f"{'' if k else 'parting':>8}  {text}" for k, text in enumerate(explanation_sentences(explanation))
    )
    return f"{discovery_summary(explanation.found)}\n{told}"


def write_explanation(explanation: Explanation, directory: str | Path) -> Path:
    """Write explanation.json, explanation.html and figures/*.svg into ``directory``, each whole or not at all.

    Returns:
        The path of explanation.html.

    Raises:
        StorageError: the directory cannot be written.
    """
    from gnn_discovery.report.agreement_figure import draw_agreement_profile
    from gnn_discovery.report.figures import draw_all
    from gnn_discovery.report.html_page import render_page

    directory = Path(directory)
    drawings = (
        *(draw_agreement_profile(profile, explanation.tolerance) for profile in explanation.profiles),
        *draw_all(explanation.found),
    )
    question, page = "What this network has learnt", directory / PAGE
    for drawing in drawings:
        write_bytes(directory / "figures" / f"explained-{drawing.name}.svg", drawing.svg.encode())
    write_bytes(page, render_page(explanation.found, drawings, question, explanation_sentences(explanation)).encode())
    write_json(directory / RESULT, explanation_to_json(explanation))
    return page
