"""Render report.html: one discovery on one page that needs no network, no script and no wide screen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from gnn_discovery.laws.latex import equation_parts, scalar_latex
from gnn_discovery.report.canvas import Drawing
from gnn_discovery.report.discovery import Discovery
from gnn_discovery.report.equation_svg import equation_to_svg
from gnn_discovery.report.number_format import (
    format_interval,
    format_number,
    format_r2,
    format_relative_error,
    format_with_error,
    with_minus_signs,
)
from gnn_discovery.report.wording import (
    as_sentence,
    is_property_not_kept,
    message_summary_rows,
    property_meanings,
    verdict_headline,
)
from gnn_discovery.validation.verdict import Check


@dataclass(frozen=True)
class ConstantRow:
    """A row of the table of constants, as text.

    Attributes:
        term: number of the term, from 1.
        name: of the constant.
        value: value ± one standard error.
        relative: standard error over value.
        unit: unit, empty where there is none.
        notable: the notable value that the constant is near, empty where there is none.
    """

    term: int
    name: str
    value: str
    relative: str
    unit: str
    notable: str


@dataclass(frozen=True)
class LatentRow:
    """A row of the table of an inferred property, as text.

    Attributes:
        particle: name of the particle.
        value: value ± one standard error.
        interval: 95% interval.
        determined: False where the interval is too wide for the value to be stated.
        reference: accepted value, empty where there is none.
        difference: relative difference from the accepted value.
        is_far: True where that exceeds `VerdictCriteria.max_reference_deviation`.
    """

    particle: str
    value: str
    interval: str
    determined: bool
    reference: str
    difference: str
    is_far: bool


def render_page(
    discovery: Discovery,
    drawings: Sequence[Drawing],
    question: str = "What moves these particles",
    disagreement: Sequence[str] = (),
) -> str:
    """Return the page as text. Everything that comes from outside is escaped.

    Args:
        discovery: the result to show.
        drawings: the figures, in order.
        question: the question that the page answers, above its title.
        disagreement: sentences on where network and law disagree.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    law, verdict = discovery.law, discovery.verdict
    return template.render(
        discovery=discovery,
        question=question,
        disagreement=disagreement,
        law=law,
        equation=_typeset(equation_parts(law)),
        symbolic=[_typeset((scalar_latex(term, numeric=False),)) for term in law.terms],
        verdict=verdict,
        headline=verdict_headline(verdict),
        meanings=property_meanings(law),
        reason=as_sentence(verdict.reason),
        tiles=list(_tiles(discovery)),
        fit=list(_fit_rows(discovery)),
        checks=[(check, *_check_outcome(check), _format_figure(check.figure)) for check in verdict.checks],
        tested=list(_checks_by_outcome(verdict.checks)),
        constants=list(_constant_rows(discovery)),
        latent={name: list(_latent_rows(discovery, name)) for name in law.latent},
        message_figures=message_summary_rows(discovery.messages),
        drawings=[(drawing, Markup(drawing.inline)) for drawing in drawings],
        front=sorted(discovery.evidence.front, key=lambda p: p.complexity) if discovery.evidence else [],
        format_number=format_number,
        format_relative_error=format_relative_error,
        total=format_number(sum(discovery.seconds.values()), 3),
    )


def _typeset(parts: Sequence[str]) -> Markup | None:
    """Return pieces of LaTeX as inline SVG; None where one of them cannot be set."""
    drawn = [equation_to_svg(part) for part in parts]
    if any(part is None for part in drawn):
        return None
    return Markup(" ").join(Markup(part) for part in drawn if part is not None)


def _tiles(discovery: Discovery) -> Iterator[tuple[str, str, str]]:
    fit = discovery.fit
    yield "Error of the law", format_relative_error(fit.law_error[0]), "of the motion, on held-out runs"
    yield "Out of distribution", format_relative_error(fit.law_error[1]), "error of the law at the extremes"
    yield "Error of the network", format_relative_error(fit.network_error[0]), "on the same held-out runs"
    yield "R² of the law", format_r2(fit.r2[0]), "held-out runs, nothing left out"


def _fit_rows(discovery: Discovery) -> Iterator[tuple[str, str, str]]:
    fit, error = discovery.fit, format_relative_error
    yield "R² of the law, all kept", format_r2(fit.r2[0]), format_r2(fit.r2[1])
    yield "R² of the law, worst tenth left out", format_r2(fit.r2_trimmed[0]), format_r2(fit.r2_trimmed[1])
    yield "Relative error of the law", error(fit.law_error[0]), error(fit.law_error[1])
    yield "Relative error of the network", error(fit.network_error[0]), error(fit.network_error[1])
    for known in discovery.known_laws:
        yield f"Relative error of {known.name}, refitted", error(known.error[0]), error(known.error[1])


def _check_outcome(check: Check) -> tuple[str, str]:
    """Return the outcome of a check in a word, and the class of its style."""
    if check.passed is None:
        return ("– open", "open") if check.figure is None else ("– figure", "open")
    if is_property_not_kept(check):
        return "– not kept", "open"
    return ("✓ passed", "pass") if check.passed else ("✕ failed", "fail")


def _checks_by_outcome(checks: Sequence[Check]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield outcome, class of its style and the labels of its checks, each label once."""
    for passed, counts, word, style in (
        (True, True, "Holds", "pass"),
        (False, True, "Fails", "fail"),
        (False, False, "Is not kept", "open"),
        (None, True, "Left open", "open"),
    ):
        labels = [c.label for c in checks if c.passed is passed and is_property_not_kept(c) is not counts]
        if labels:
            yield word, style, list(dict.fromkeys(labels))


def _format_figure(figure: float | None) -> str:
    return "" if figure is None else format_number(figure, 3)


def _constant_rows(discovery: Discovery) -> Iterator[ConstantRow]:
    for number, term in enumerate(discovery.law.terms, start=1):
        for name, constant in term.constants.items():
            relative = abs(constant.std / constant.value) if constant.std and constant.value else None
            yield ConstantRow(
                term=number,
                name=name,
                value=format_with_error(constant.value, constant.std),
                relative=format_relative_error(relative),
                unit=constant.unit or "",
                notable=with_minus_signs(str(constant.notable)) if constant.notable else "",
            )


def _latent_rows(discovery: Discovery, name: str) -> Iterator[LatentRow]:
    latent, accepted = discovery.law.latent[name], discovery.reference.get(name)
    max_deviation = discovery.criteria.verdict.max_reference_deviation
    quantile = 1.96  # a 95% interval of a normal distribution reaches so many standard errors to either side
    for n, value in enumerate(np.asarray(latent.values, dtype=float).tolist()):
        std, reference = float(latent.std[n]), None if accepted is None else float(accepted[n])
        determined = bool(latent.determined[n])
        deviation = None if not reference or not math.isfinite(value) else value / reference - 1
        sign = "+" if deviation is not None and deviation > 0 else ""
        yield LatentRow(
            particle=discovery.particles[n] if n < len(discovery.particles) else f"particle {n}",
            value=format_with_error(value, std) if determined else "–",
            interval=format_interval(value, quantile * std),
            determined=determined,
            reference="" if reference is None else format_number(reference, 6),
            difference="" if deviation is None or not determined else sign + format_relative_error(deviation),
            is_far=deviation is not None and determined and abs(deviation) > max_deviation,
        )
