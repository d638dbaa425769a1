"""What the figures and the verdict are called in sentences, on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.registry.properties import known_properties
from gnn_discovery.report.number_format import format_number, format_r2, format_relative_error
from gnn_discovery.validation.verdict import Check, Verdict

_SUMMARY_LABELS = {
    "direct_r2_trimmed": "R² of the network's pair force against the true one, worst tenth left out",
    "direct_r2_all": "R² of the network's pair force against the true one, all kept",
}


_CONSERVED_QUANTITIES = ("momentum", "angular momentum", "energy")


def is_informational(check: Check) -> bool:
    """Whether a check that is not passed says what kind of law it is, and nothing against it."""
    return check.passed is False and (check.name in _CONSERVED_QUANTITIES or check.name.endswith(" of the law"))


def verdict_headline(verdict: Verdict) -> str:
    """The verdict in a few words."""
    if verdict.status == "known":
        return f"Known physics: {verdict.match}" if verdict.match else "Known physics"
    if verdict.status == "candidate":
        return "A candidate for something new"
    return f"Inconclusive: {verdict.match}" if verdict.match else "Inconclusive"


def as_sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def property_meanings(law: ForceLaw) -> str:
    """What the properties in a law are, as far as it is known by their names."""
    stems = {name[:-2] for term in law.terms for name in term.expression.names if name.endswith(("_i", "_j"))}
    known = known_properties().entries
    return ", ".join(
        f"{name} is the {known[name].meaning}" for name in sorted(stems - set(law.latent)) if name in known
    )


def message_summary_rows(messages: Mapping[str, float | bool | str | None]) -> list[tuple[str, str]]:
    """Name and value of each figure read from the messages, as text."""
    return [(summary_label(name), format_summary_value(name, value)) for name, value in messages.items()]


def summary_label(name: str) -> str:
    """A key of ``Discovery.messages`` in words."""
    words = _SUMMARY_LABELS.get(name, name.replace("_", " ").strip())
    return words[:1].upper() + words[1:].replace(" r2", " R²")


def format_summary_value(name: str, value: float | bool | str | None) -> str:
    """One figure as text: yes or no, R², a share, or a number."""
    match value:
        case None:
            return "not measured"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case _ if "r2" in name.split("_"):
            return format_r2(value)
        case _ if name.endswith("error"):
            return format_relative_error(value)
    return format_number(value, 4)
