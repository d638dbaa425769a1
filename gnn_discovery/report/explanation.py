"""Report the law that a network has learnt, and where network and law disagree: as text, JSON and one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnn_discovery.criteria import Criteria
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.report.discovery import Discovery
from gnn_discovery.report.discovery_file import discovery_to_json
from gnn_discovery.report.number_format import format_number, format_relative_error
from gnn_discovery.report.summary import discovery_summary
from gnn_discovery.runs.files import to_json_values, write_bytes, write_json
from gnn_discovery.validation.agreement_profile import AgreementProfile, Interval
from gnn_discovery.validation.verdict import Verdict

EXPLANATION_FILE = "explanation.json"
EXPLANATION_PAGE = "explanation.html"


@dataclass(frozen=True)
class Explanation:
    """The law of a network, the verdict on it, and where the two disagree.

    Attributes:
        discovery: law, verdict and evidence. The law is fitted to the network's pair forces; ``fit`` says how well
            network and law predict the motion.
        gauge: the gauge in which the messages are read, in words.
        additivity_error: part of the observed force that the sums of the messages miss (median, relative).
        tolerance: relative deviation up to which network and law agree.
        profiles: network and law along the distance and other variables.
        agreement: the interval of r in which the network follows the law; None where there is none.
        disagreements: the intervals in which it does not.
        self_force_share: part of the whole force (median) that the network has each particle exert on itself.
        visible_fraction: fraction of the pairs whose force is visible beside the total force on the receiver; the
            others are not compared.
        known_terms: terms that were stated, and subtracted from the motion before the network learnt it: the observed
            force, and the motion that ``fit`` is about, are the residual.
    """

    discovery: Discovery
    gauge: str
    additivity_error: float
    tolerance: float
    profiles: tuple[AgreementProfile, ...]
    agreement: Interval | None
    disagreements: tuple[Interval, ...]
    self_force_share: float
    visible_fraction: float
    known_terms: ForceLaw

    @property
    def law(self) -> ForceLaw:
        """Return the law that the network follows."""
        return self.discovery.law

    @property
    def verdict(self) -> Verdict:
        """Return the verdict on the law."""
        return self.discovery.verdict

    def __str__(self) -> str:
        return "\n".join([f"It has learnt {self.law}", str(self.verdict), *explanation_sentences(self)])


def explanation_sentences(explanation: Explanation) -> list[str]:
    """Return sentences on where network and law disagree, and on which of the two the motion follows."""
    criteria, fit = explanation.discovery.criteria, explanation.discovery.fit
    sentences = _reading_sentences(explanation)
    sentences += _agreement_sentences(explanation)
    if explanation.self_force_share > explanation.tolerance and all(t.kind == "pair" for t in explanation.law.terms):
        share = format_relative_error(explanation.self_force_share)
        sentences.append(f"The network also has particles push themselves, with {share} of the force (median).")
    if explanation.visible_fraction < criteria.verdict.fully_visible_fraction:
        visible = format_relative_error(explanation.visible_fraction)
        sentences.append(f"The comparison covers the {visible} of the pairs whose force is visible beside the others.")
    law, network = fit.law_error[0], fit.network_error[0]
    if law is not None and network is not None:
        both = f"the law misses {format_relative_error(law)} of it, the network {format_relative_error(network)}"
        residual = _residual_phrase(explanation)
        sentences.append(f"Held-out motion{residual}: {both}. {_better_supported(law, network, criteria)}.")
    return sentences


def _residual_phrase(explanation: Explanation) -> str:
    return " that the given terms leave" if explanation.known_terms.terms else ""


def _reading_sentences(explanation: Explanation) -> list[str]:
    sentences = []
    if explanation.known_terms.terms:
        sentences.append(
            f"These terms were subtracted from the motion before it was learnt: {explanation.known_terms}."
        )
    force = f"the observed force{_residual_phrase(explanation)}"
    error = format_relative_error(explanation.additivity_error)
    sentences.append(f"Its messages are read as {explanation.gauge}; their sums miss {force} by {error} (median).")
    return sentences


def _agreement_sentences(explanation: Explanation) -> list[str]:
    agreement, criteria = explanation.agreement, explanation.discovery.criteria
    sentences = []
    if agreement is not None:
        sentences.append(
            f"The network follows the law to {format_relative_error(agreement.deviation)} (median) for "
            f"{_format_interval(agreement)}, where {format_relative_error(agreement.share)} of the pairs are."
        )
    sentences += [_describe_disagreement(interval, criteria) for interval in explanation.disagreements]
    if agreement is not None and not any(s.variable == "r" and not s.share for s in explanation.disagreements):
        along_r = explanation.profiles[0]
        probed = f"{format_number(along_r.low[0], 3)} < r < {format_number(along_r.high[-1], 3)}"
        sentences.append(f"It follows the law beyond the data too, over all of {probed}, where it was probed.")
    return sentences


def _format_interval(interval: Interval) -> str:
    low, high = format_number(interval.low, 3), format_number(interval.high, 3)
    if interval.low == interval.high:
        return f"{interval.variable} = {low}"
    return f"{low} < {interval.variable} < {high}"


def _describe_disagreement(interval: Interval, criteria: Criteria) -> str:
    """Describe an interval of disagreement: its range, its pairs, the deviation, and what the motion follows."""
    pairs = f"{format_relative_error(interval.share)} of the pairs" if interval.share else "no data"
    text = f"For {_format_interval(interval)} ({pairs}) they disagree: {_describe_deviation(interval, criteria)}"
    law, network = interval.law_error, interval.network_error
    if network is not None and law is not None:
        text += f". {_better_supported(law, network, criteria)}"
        text += f" (there the law misses {format_relative_error(law)}, the network {format_relative_error(network)})"
    return text + "."


def _describe_deviation(interval: Interval, criteria: Criteria) -> str:
    """Describe the force of the network there, from where it leaves the law to the far end."""
    limits = criteria.verdict
    ends = list(zip(interval.network, interval.law, strict=True))
    near, far = sorted(ends, key=lambda end: abs(end[0] - end[1]) / (end[0] + end[1] or 1.0))
    is_constant = max(near[0], far[0]) < limits.constant_force_ratio * min(near[0], far[0])
    law_changes = max(near[1], far[1]) > limits.changing_force_ratio * min(near[1], far[1])
    if interval.low < interval.high and is_constant and law_changes:
        constant, law = format_number(far[0], 2), format_number(far[1], 2)
        return f"the network's force stays near {constant} while the law's goes to {law}"
    if far[0] > limits.changing_force_ratio * far[1] or far[1] > limits.changing_force_ratio * far[0]:
        ratio = format_number(far[0] / far[1], 2) if far[1] else "many"
        return f"the network's force becomes {ratio} times the law's"
    return f"they differ by {format_relative_error(interval.deviation)} of the force"


def _better_supported(law: float, network: float, criteria: Criteria) -> str:
    """Say which of the two the motion follows, given their errors on it."""
    ratio = criteria.verdict.decisive_error_ratio
    if ratio * law < network:
        return "The motion follows the law: the network errs"
    if ratio * network < law:
        return "The motion follows the network: the law lacks something"
    return "The motion does not decide between them"


def explanation_to_json(explanation: Explanation) -> dict[str, Any]:
    """Return the record of explanation.json: that of the discovery, and the disagreement under ``parting``."""
    disagreement = {
        "gauge": explanation.gauge,
        "additivity": explanation.additivity_error,
        "tolerance": explanation.tolerance,
        "seen": explanation.visible_fraction,
        "own": explanation.self_force_share,
        "together": explanation.agreement,
        "apart": explanation.disagreements,
        "profiles": explanation.profiles,
    }
    return {
        **discovery_to_json(explanation.discovery),
        "parting": to_json_values(disagreement),
        "text": explanation_text(explanation),
    }


def explanation_text(explanation: Explanation) -> str:
    """Return a few lines for the terminal."""
    sentences = explanation_sentences(explanation)
    lines = "\n".join(f"{'' if k else 'parting':>8}  {text}" for k, text in enumerate(sentences))
    return f"{discovery_summary(explanation.discovery)}\n{lines}"


def write_explanation(explanation: Explanation, directory: str | Path) -> Path:
    """Write explanation.json, explanation.html and figures/*.svg, each whole or not at all.

    Args:
        explanation: the result.
        directory: where they are written; it is made if it is missing.

    Returns:
        The path of explanation.html.

    Raises:
        StorageError: the directory cannot be written.
    """
    from gnn_discovery.report.agreement_figure import draw_agreement_profile
    from gnn_discovery.report.figures import draw_all
    from gnn_discovery.report.html_page import render_page

    directory, discovery = Path(directory), explanation.discovery
    drawings = (
        *(draw_agreement_profile(profile, explanation.tolerance) for profile in explanation.profiles),
        *draw_all(discovery),
    )
    page = directory / EXPLANATION_PAGE
    for drawing in drawings:
        write_bytes(directory / "figures" / f"explained-{drawing.name}.svg", drawing.svg.encode())
    sentences = explanation_sentences(explanation)
    write_bytes(page, render_page(discovery, drawings, "What this network has learnt", sentences).encode())
    write_json(directory / EXPLANATION_FILE, explanation_to_json(explanation))
    return page
