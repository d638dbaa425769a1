"""Write the few lines that end a command: the law, the verdict, the errors, and the place of the report."""

from __future__ import annotations

import math
from pathlib import Path

from gnn_discovery.report.discovery import Discovery
from gnn_discovery.report.number_format import format_r2, format_relative_error, format_with_error, with_minus_signs
from gnn_discovery.report.wording import as_sentence, is_property_not_kept, verdict_headline

Lines = list[tuple[str, str]]
"""Pairs of a label, empty where the line continues the one before, and a text."""


def discovery_summary(discovery: Discovery, report: str | Path | None = None) -> str:
    """Return a few lines for the terminal; every number is measured on held-out motion.

    Args:
        discovery: the result.
        report: path of the page, named in the last line; None names none.
    """
    verdict = discovery.verdict
    lines = [*_law_lines(discovery), ("verdict", verdict_headline(verdict)), ("", as_sentence(verdict.reason))]
    lines += _error_lines(discovery)
    failed = [check for check in verdict.checks if check.passed is False]
    for key, kind in (("failed", False), ("not kept", True)):
        if labels := dict.fromkeys(check.label for check in failed if is_property_not_kept(check) is kind):
            lines.append((key, ", ".join(labels)))
    if report is not None:
        lines.append(("report", str(report)))
    return "\n".join(f"{key:>8}  {text}" for key, text in lines)


def _law_lines(discovery: Discovery) -> Lines:
    law = discovery.law
    lines = [("law", str(law))]
    for number, term in enumerate(law.terms, start=1):
        for name, constant in term.constants.items():
            unit = f" {constant.unit}" if constant.unit else ""
            of = f"  (term {number})" if len(law.terms) > 1 else ""
            near = f", {with_minus_signs(str(constant.notable))}" if constant.notable else ""
            lines.append(("", f"{name} = {format_with_error(constant.value, constant.std)}{unit}{near}{of}"))
    return lines + [(name, _latent_values(discovery, name)) for name in law.latent]


def _error_lines(discovery: Discovery) -> Lines:
    fit, error = discovery.fit, format_relative_error
    law, network = fit.law_error, fit.network_error
    lines = [("error", f"law {error(law[0])}, network {error(network[0])} on held-out runs")]
    if law[1] is not None:
        lines.append(("", f"law {error(law[1])}, network {error(network[1])} out of distribution"))
    if discovery.known_laws:
        best = min(discovery.known_laws, key=lambda known: math.inf if known.error[0] is None else known.error[0])
        lines.append(("", f"{best.name}, refitted: {error(best.error[0])}, {error(best.error[1])} out of distribution"))
    return [*lines, ("R²", f"{format_r2(fit.r2[0])} (all kept), {format_r2(fit.r2_trimmed[0])} (worst tenth left out)")]


def _latent_values(discovery: Discovery, name: str) -> str:
    latent = discovery.law.latent[name]
    determined = [n for n, is_determined in enumerate(latent.determined) if is_determined]
    names = discovery.particles or tuple(f"particle {n}" for n in range(len(latent.values)))
    others = [names[n] for n in range(len(latent.values)) if n not in determined]
    values = ", ".join(
        f"{names[n]} {format_with_error(float(latent.values[n]), float(latent.std[n]))}" for n in determined
    )
    text = values or "of no particle determined"
    return f"{text}; not determined: {', '.join(others)}" if others and determined else text
