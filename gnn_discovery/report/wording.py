"""Put figures and verdicts into words, for the page and the terminal."""

from __future__ import annotations

from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.registry.properties import known_properties
from gnn_discovery.report.discovery import MessageSummary
from gnn_discovery.report.number_format import format_number, format_r2, format_relative_error
from gnn_discovery.validation.verdict import Check, Verdict

_SUMMARY_LABELS = {
    "direct_r2_trimmed": "R² of the network's pair force against the true one, worst tenth left out",
    "direct_r2_all": "R² of the network's pair force against the true one, all kept",
}


def is_property_not_kept(check: Check) -> bool:
    """Return True for a failed check that says what kind of law it is, and counts nothing against it."""
    return check.passed is False and check.is_law_property


def verdict_headline(verdict: Verdict) -> str:
    """Return the verdict in a few words."""
    if verdict.status == "known":
        return f"Known physics: {verdict.match}" if verdict.match else "Known physics"
    if verdict.status == "candidate":
        return "A candidate for something new"
    return f"Inconclusive: {verdict.match}" if verdict.match else "Inconclusive"


def as_sentence(text: str) -> str:
    """Return the text with a capital letter and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def property_meanings(law: ForceLaw) -> str:
    """Explain the properties in a law, "m is the mass, ...", those whose names are registered."""
    stems = {name[:-2] for term in law.terms for name in term.expression.names if name.endswith(("_i", "_j"))}
    known = known_properties().entries
    return ", ".join(
        f"{name} is the {known[name].meaning}" for name in sorted(stems - set(law.latent)) if name in known
    )


def message_summary_rows(messages: MessageSummary | None) -> list[tuple[str, str]]:
    """Return label and value of each figure read from the messages, as text; nothing where there was no network."""
    figures = {} if messages is None else messages.to_json()
    return [(summary_label(name), format_summary_value(name, value)) for name, value in figures.items()]


def summary_label(name: str) -> str:
    """Return a key of `MessageSummary.to_json` in words."""
    words = _SUMMARY_LABELS.get(name, name.replace("_", " ").strip())
    return words[:1].upper() + words[1:].replace(" r2", " R²")


def format_summary_value(name: str, value: float | str | None) -> str:
    """Return one figure as text.

    Args:
        name: key of the figure; it tells an R² from a relative error and from any other number.
        value: the figure, None where it was not measured.
    """
    match value:
        case None:
            return "not measured"
        case str():
            return value
        case _ if "r2" in name.split("_"):
            return format_r2(value)
        case _ if name.endswith("error"):
            return format_relative_error(value)
    return format_number(value, 4)
