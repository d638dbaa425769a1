"""The few lines that end the command: the law, what it is, how good, where the report lies."""

from __future__ import annotations

import math
from pathlib import Path

from gnn_discovery.report.discovery import Discovery
from gnn_discovery.report.number_format import format_r2, format_relative_error, format_with_error, with_minus_signs
from gnn_discovery.report.wording import as_sentence, is_informational, verdict_headline


def discovery_summary(discovery: Discovery, report: str | Path | None = None) -> str:
    """A few lines for the terminal; every number is measured on held-out motion."""
    law, fit = discovery.law, discovery.fit
    lines = [("law", str(law))]
    for number, term in enumerate(law.terms, start=1):
        for name, constant in term.constants.items():
            unit = f" {constant.unit}" if constant.unit else ""
            of = f"  (term {number})" if len(law.terms) > 1 else ""
            near = f", {with_minus_signs(str(constant.notable))}" if constant.notable else ""
            lines.append(("", f"{name} = {format_with_error(constant.value, constant.std)}{unit}{near}{of}"))
    for name in law.latent:
        lines.append((name, _latent_values(discovery, name)))
    lines.append(("verdict", verdict_headline(discovery.verdict)))
    lines.append(("", as_sentence(discovery.verdict.reason)))
    lines.append(
        (
            "error",
            f"law {format_relative_error(fit.law_error[0])}, network {format_relative_error(fit.network_error[0])} on held-out runs",
        )
    )
    if fit.law_error[1] is not None:
        lines.append(
            (
                "",
                f"law {format_relative_error(fit.law_error[1])}, network {format_relative_error(fit.network_error[1])} out of distribution",
            )
        )
    if discovery.known_laws:
        best = min(discovery.known_laws, key=lambda known: math.inf if known.error[0] is None else known.error[0])
        lines.append(
            (
                "",
                f"{best.name}, refitted: {format_relative_error(best.error[0])}, {format_relative_error(best.error[1])} out of distribution",
            )
        )
    lines.append(("R²", f"{format_r2(fit.r2[0])} (all kept), {format_r2(fit.r2_trimmed[0])} (worst tenth left out)"))
    failed = [check for check in discovery.verdict.checks if check.passed is False]
    for key, kind in (("failed", False), ("not kept", True)):
        if names := dict.fromkeys(check.name for check in failed if is_informational(check) is kind):
            lines.append((key, ", ".join(names)))
    if report is not None:
        lines.append(("report", str(report)))
    return "\n".join(f"{key:>8}  {text}" for key, text in lines)


def _latent_values(discovery: Discovery, name: str) -> str:
    latent = discovery.law.latent[name]
    sure = [n for n, determined in enumerate(latent.determined) if determined]
    names = discovery.particles or tuple(f"particle {n}" for n in range(len(latent.values)))
    unsure = [names[n] for n in range(len(latent.values)) if n not in sure]
    values = ", ".join(f"{names[n]} {format_with_error(float(latent.values[n]), float(latent.std[n]))}" for n in sure)
    text = values or "of no particle determined"
    return f"{text}; not determined: {', '.join(unsure)}" if unsure and sure else text
