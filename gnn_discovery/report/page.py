"""report.html: the story of one discovery on one page that needs no network, no script and no wide screen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from gnn_discovery.law.latex import pieces, scalar_latex
from gnn_discovery.physics.record import Check
from gnn_discovery.report.canvas import Drawing
from gnn_discovery.report.digits import interval, measured, minus, plain, r_squared, share
from gnn_discovery.report.formula import svg
from gnn_discovery.report.record import Discovery
from gnn_discovery.report.words import found_rows, headline, lacking, meanings, sentence

NORMAL_95 = 1.96
WELL_KNOWN = 0.05
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


def render(
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
        equation=_set(pieces(law)),
        symbolic=[_set((scalar_latex(term, numeric=False),)) for term in law.terms],
        verdict=verdict,
        headline=headline(verdict),
        meanings=meanings(law),
        reason=sentence(verdict.reason),
        tiles=list(_tiles(discovery)),
        fit=list(_fit(discovery)),
        checks=[(check, *_outcome(check), _figure(check.figure)) for check in verdict.checks],
        tested=list(_tested(verdict.checks)),
        constants=list(_constants(discovery)),
        latent={name: list(_latent(discovery, name)) for name in law.latent},
        found=found_rows(discovery.messages),
        drawings=[(drawing, Markup(drawing.inline)) for drawing in drawings],
        front=sorted(discovery.evidence.front, key=lambda p: p.complexity) if discovery.evidence else [],
        plain=plain,
        share=share,
        total=plain(sum(discovery.seconds.values()), 3),
    )


def _set(latex: Sequence[str]) -> Markup | None:
    """The pieces as inline SVG; None where one of them cannot be set."""
    drawn = [svg(piece) for piece in latex]
    if any(piece is None for piece in drawn):
        return None
    return Markup(" ").join(Markup(piece) for piece in drawn if piece is not None)


def _tiles(discovery: Discovery) -> Iterator[tuple[str, str, str]]:
    fit = discovery.fit
    yield "Error of the law", share(fit.law_error[0]), "of the motion, on held-out runs"
    yield "Out of distribution", share(fit.law_error[1]), "error of the law at the extremes"
    yield "Error of the network", share(fit.network_error[0]), "on the same held-out runs"
    yield "R² of the law", r_squared(fit.r2[0]), "held-out runs, nothing left out"


def _fit(discovery: Discovery) -> Iterator[tuple[str, str, str]]:
    fit = discovery.fit
    yield "R² of the law, all kept", r_squared(fit.r2[0]), r_squared(fit.r2[1])
    yield "R² of the law, worst tenth left out", r_squared(fit.r2_trimmed[0]), r_squared(fit.r2_trimmed[1])
    yield "Relative error of the law", share(fit.law_error[0]), share(fit.law_error[1])
    yield "Relative error of the network", share(fit.network_error[0]), share(fit.network_error[1])
    for known in discovery.known_laws:
        yield f"Relative error of {known.name}, refitted", share(known.error[0]), share(known.error[1])


def _outcome(check: Check) -> tuple[str, str]:
    """The outcome of a check in a word, and the tone of it."""
    if check.passed is None:
        return ("– open", "open") if check.figure is None else ("– figure", "open")
    if lacking(check):
        return "– not kept", "open"
    return ("✓ passed", "pass") if check.passed else ("✕ failed", "fail")


def _tested(checks: Sequence[Check]) -> Iterator[tuple[str, str, list[str]]]:
    """The names of the checks by outcome, each name once."""
    for passed, kept, word, tone in (
        (True, True, "Holds", "pass"),
        (False, True, "Fails", "fail"),
        (False, False, "Is not kept", "open"),
        (None, True, "Left open", "open"),
    ):
        names = [check.name for check in checks if check.passed is passed and lacking(check) is not kept]
        if names:
            yield word, tone, list(dict.fromkeys(names))


def _figure(figure: float | None) -> str:
    return "" if figure is None else plain(figure, 3)


def _constants(discovery: Discovery) -> Iterator[ConstantRow]:
    for number, term in enumerate(discovery.law.terms, start=1):
        for name, constant in term.constants.items():
            relative = abs(constant.std / constant.value) if constant.std and constant.value else None
            yield ConstantRow(
                term=number,
                name=name,
                value=measured(constant.value, constant.std),
                relative=share(relative),
                unit=constant.unit or "",
                notable=minus(str(constant.notable)) if constant.notable else "",
            )


def _latent(discovery: Discovery, name: str) -> Iterator[LatentRow]:
    latent, accepted = discovery.law.latent[name], discovery.reference.get(name)
    for n, value in enumerate(np.asarray(latent.values, dtype=float).tolist()):
        std, reference = float(latent.std[n]), None if accepted is None else float(accepted[n])
        determined = bool(latent.determined[n])
        away = None if not reference or not math.isfinite(value) else value / reference - 1
        yield LatentRow(
            particle=discovery.particles[n] if n < len(discovery.particles) else f"particle {n}",
            value=measured(value, std) if determined else "–",
            interval=interval(value, NORMAL_95 * std),
            determined=determined,
            reference="" if reference is None else plain(reference, 6),
            difference="" if away is None or not determined else ("+" if away > 0 else "") + share(away),
            far=away is not None and determined and abs(away) > WELL_KNOWN,
        )
