"""report.html: the story of one discovery on one page that needs no network, no script and no wide screen."""

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
    is_informational,
    message_summary_rows,
    property_meanings,
    verdict_headline,
)
from gnn_discovery.validation.verdict import Check

NORMAL_95 = 1.96
MAX_REFERENCE_DEVIATION = 0.05
"""A difference from an accepted value beyond this share is pointed out."""


@dataclass(frozen=True)
class ConstantRow:
    term: int
    name: str
    value: str
    relative: str
    unit: str
    notable: str


@dataclass(frozen=True)
class LatentRow:
    particle: str
    value: str
    interval: str
    determined: bool
    reference: str
    difference: str
    far: bool


def render_page(
    discovery: Discovery,
    drawings: Sequence[Drawing],
    question: str = "What moves these particles",
    parting: Sequence[str] = (),
) -> str:
    """The page as text. Everything that comes from outside is escaped.

    Args:
        question: that the page answers.
        parting: sentences on where network and law part ways.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    law, verdict = discovery.law, discovery.verdict
    return template.render(
        discovery=discovery,
        question=question,
        parting=parting,
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
        found=message_summary_rows(discovery.messages),
        drawings=[(drawing, Markup(drawing.inline)) for drawing in drawings],
        front=sorted(discovery.evidence.front, key=lambda p: p.complexity) if discovery.evidence else [],
        plain=format_number,
        share=format_relative_error,
        total=format_number(sum(discovery.seconds.values()), 3),
    )


def _typeset(latex: Sequence[str]) -> Markup | None:
    """The pieces as inline SVG; None where one of them cannot be set."""
    drawn = [equation_to_svg(piece) for piece in latex]
    if any(piece is None for piece in drawn):
        return None
    return Markup(" ").join(Markup(piece) for piece in drawn if piece is not None)


def _tiles(discovery: Discovery) -> Iterator[tuple[str, str, str]]:
    fit = discovery.fit
    yield "Error of the law", format_relative_error(fit.law_error[0]), "of the motion, on held-out runs"
    yield "Out of distribution", format_relative_error(fit.law_error[1]), "error of the law at the extremes"
    yield "Error of the network", format_relative_error(fit.network_error[0]), "on the same held-out runs"
    yield "R² of the law", format_r2(fit.r2[0]), "held-out runs, nothing left out"


def _fit_rows(discovery: Discovery) -> Iterator[tuple[str, str, str]]:
    fit = discovery.fit
    yield "R² of the law, all kept", format_r2(fit.r2[0]), format_r2(fit.r2[1])
    yield "R² of the law, worst tenth left out", format_r2(fit.r2_trimmed[0]), format_r2(fit.r2_trimmed[1])
    yield "Relative error of the law", format_relative_error(fit.law_error[0]), format_relative_error(fit.law_error[1])
    yield (
        "Relative error of the network",
        format_relative_error(fit.network_error[0]),
        format_relative_error(fit.network_error[1]),
    )
    for known in discovery.known_laws:
        yield (
            f"Relative error of {known.name}, refitted",
            format_relative_error(known.error[0]),
            format_relative_error(known.error[1]),
        )


def _check_outcome(check: Check) -> tuple[str, str]:
    """The outcome of a check in a word, and the tone of it."""
    if check.passed is None:
        return ("– open", "open") if check.figure is None else ("– figure", "open")
    if is_informational(check):
        return "– not kept", "open"
    return ("✓ passed", "pass") if check.passed else ("✕ failed", "fail")


def _checks_by_outcome(checks: Sequence[Check]) -> Iterator[tuple[str, str, list[str]]]:
    """The names of the checks by outcome, each name once."""
    for passed, kept, word, tone in (
        (True, True, "Holds", "pass"),
        (False, True, "Fails", "fail"),
        (False, False, "Is not kept", "open"),
        (None, True, "Left open", "open"),
    ):
        names = [check.name for check in checks if check.passed is passed and is_informational(check) is not kept]
        if names:
            yield word, tone, list(dict.fromkeys(names))


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
    for n, value in enumerate(np.asarray(latent.values, dtype=float).tolist()):
        std, reference = float(latent.std[n]), None if accepted is None else float(accepted[n])
        determined = bool(latent.determined[n])
        away = None if not reference or not math.isfinite(value) else value / reference - 1
        yield LatentRow(
            particle=discovery.particles[n] if n < len(discovery.particles) else f"particle {n}",
            value=format_with_error(value, std) if determined else "–",
            interval=format_interval(value, NORMAL_95 * std),
            determined=determined,
            reference="" if reference is None else format_number(reference, 6),
            difference=""
            if away is None or not determined
            else ("+" if away > 0 else "") + format_relative_error(away),
            far=away is not None and determined and abs(away) > MAX_REFERENCE_DEVIATION,
        )
