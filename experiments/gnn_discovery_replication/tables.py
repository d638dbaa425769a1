"""Make the tables of the paper, its values beside ours: medians over seeds, with the range in brackets."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gnn_discovery.report.number_format import format_number, format_r2
from gnn_discovery_replication.matrix import LAW_SYSTEMS, MESSAGE_STRATEGIES
from gnn_discovery_replication.published_values import (
    TABLE_1,
    TABLE_3,
    ValuesBySystem,
    published_recovery,
    published_value,
)
from gnn_discovery_replication.results import ReplicationResult, SeedGroup, group_by_seed, median_with_range

Row = Sequence[str]
"""A row holds one text for each column."""
GROUP_COLUMNS = ("system", "strategy", "recipe", "seeds")
SHIFTED_TEST_NAMES = ("more particles", "wider separations", "heavier masses")
"""These test sets are out of distribution."""


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: short name.
        title: heading above it.
        headings: headings of the columns.
        rows: texts of the cells.
        findings: sentences on the outcome.
    """

    name: str
    title: str
    headings: Row
    rows: Sequence[Row]
    findings: Sequence[str] = ()

    def markdown(self) -> str:
        """Return the table in Markdown."""
        return markdown_table(self.headings, self.rows)

    def text(self) -> str:
        """Return the table in columns, for the terminal."""
        lines = [self.headings, *self.rows]
        widths = [max(len(line[k]) for line in lines) for k in range(len(self.headings))]
        shown = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines]
        return "\n".join([self.title, shown[0], "  ".join("-" * w for w in widths), *shown[1:]])


def make_tables(results: Sequence[ReplicationResult], only: str = "all") -> list[Table]:
    """Return the tables of the cells that are there; those without a row are left out.

    Args:
        results: the cells.
        only: name of one of the paper's tables, or "all"; tables that summarise are always made.
    """
    groups = group_by_seed(results)
    with_messages = [g for g in groups if g.strategy in MESSAGE_STRATEGIES]
    no_network = [r for r in results if r.task == "accelerations"]
    tables = {
        "table1": [_table_1(with_messages)],
        "table3": [_table_3(groups), _energy_table(groups)],
        "table5": [_table_5(with_messages, no_network)],
    }
    chosen = [table for name, parts in tables.items() if only in (name, "all") for table in parts]
    chosen = [_summary_table(with_messages), *chosen, _shift_table(groups), _failure_table(results)]
    return [table for table in chosen if table.rows]


def _table_1(groups: Sequence[SeedGroup]) -> Table:
    selected = [g for g in groups if g.settings["system"] in LAW_SYSTEMS]
    fits = ("paper: messages, fitted", "ours: messages, fitted", "pair force, direct", "the same, nothing left out")
    headings = (*GROUP_COLUMNS, *fits, "components")
    rows = [
        (
            *_group_cells(g),
            _published(g, TABLE_1, "{:.3f}".format),
            *(
                median_with_range(g.values("messages", k), format_r2)
                for k in ("fitted_r2", "direct_r2_trimmed", "direct_r2_all")
            ),
            median_with_range(g.values("messages", "components"), "{:.0f}".format),
        )
        for g in selected
    ]
    return Table("table1", "Table 1: messages and true force, R²", headings, rows)


def _table_3(groups: Sequence[SeedGroup]) -> Table:
    errors = ("paper: mean |Δa|", "ours: mean |Δa|", "Σ|Δa| / Σ|a|", "over the paper's recipe")
    headings = (*GROUP_COLUMNS, *errors, "seconds of training")
    ratios = {id(g): _error_over_paper(g, groups) for g in groups}
    rows = [
        (
            *_group_cells(g),
            _published(g, TABLE_3),
            median_with_range(g.values("prediction"), _format_value),
            median_with_range(g.values("shifted", "held out", "network"), _format_value),
            _format_optional(ratios[id(g)]),
            median_with_range(g.values("seconds", "training"), "{:.0f}".format),
        )
        for g in groups
    ]
    known = [(ratio, g) for g in groups if (ratio := ratios[id(g)]) is not None]
    findings = []
    if known:
        worst, group = max(known, key=lambda pair: pair[0])
        median = _format_value(statistics.median(ratio for ratio, _ in known))
        findings.append(
            f"On the same motion the error is {median} of that of the paper's recipe trained by us (median of "
            f"{len(known)}), {_format_value(worst)} at worst ({group.system}, {group.strategy})."
        )
    return Table("table3", "Table 3: error of predicted accelerations on held-out runs", headings, rows, findings)


def _energy_table(groups: Sequence[SeedGroup]) -> Table:
    """Return the table of the energies of Hamiltonian networks."""
    headings = (*GROUP_COLUMNS, "pair energy", "its force recovered", "self energy", "p²/2m recovered")
    rows = [
        (
            *_group_cells(g),
            _first_formula(g, "pair_energy"),
            g.share("energies", "pair_recovered"),
            _first_formula(g, "self_energy"),
            g.share("energies", "self_recovered"),
        )
        for g in groups
        if g.strategy not in MESSAGE_STRATEGIES
    ]
    return Table("energies", "Table 3: energies of the Hamiltonian network", headings, rows)


def _first_formula(group: SeedGroup, name: str) -> str:
    """Return the formula of the first seed that has one."""
    return next((f"`{text}`" for text in group.values("energies", name) if text is not None), "-")


def _error_over_paper(group: SeedGroup, groups: Sequence[SeedGroup]) -> float | None:
    """Return the error over that of the paper's recipe with the same strategy on the same motion."""
    path = ("shifted", "held out", "network")
    error = group.median(*path)
    for other in groups:
        same = other.results[0].data == group.results[0].data and other.strategy == group.strategy
        paper_error = other.median(*path)
        if (
            same
            and other.settings["recipe"] == "paper" != group.settings["recipe"]
            and error is not None
            and paper_error
        ):
            return error / paper_error
    return None


def _summary_table(groups: Sequence[SeedGroup]) -> Table:
    """Return one row for each strategy: laws recovered in every seed, and the worst system of tables 1 and 3."""
    rows = []
    for (recipe, strategy), members in _group_by(groups, lambda g: (g.recipe, g.strategy)).items():
        selected = [g for g in members if g.settings["system"] in LAW_SYSTEMS]
        published = [published_recovery(strategy, g.settings["system"]) for g in selected]
        ratios = [ratio for g in members if (ratio := _error_over_paper(g, groups)) is not None]
        rows.append(
            (
                strategy,
                recipe,
                f"{min(len(g.results) for g in selected or members)}",
                "-" if not selected or None in published else f"{sum(map(bool, published))} of {len(selected)}",
                *(_in_every_seed(selected, *path) for path in (("recovered",), ("before_refit", "recovered"))),
                *(
                    _format_optional(_lowest(selected, name), format_r2)
                    for name in ("direct_r2_trimmed", "direct_r2_all")
                ),
                f"{_format_value(statistics.median(ratios))}, {_format_value(max(ratios))}" if ratios else "-",
                _format_optional(max(_law_errors(members), default=None)),
            )
        )
    headings = ("strategy", "recipe", "seeds", "laws recovered: paper, one seed", "ours, in every seed")
    further = ("before the refit", "pair force, R²: worst system", "the same, nothing left out")
    last = ("error over the paper's recipe: median, worst", "law out of distribution: worst")
    return Table("short", "In short", (*headings, *further, *last), rows)


def _in_every_seed(groups: Sequence[SeedGroup], *path: str) -> str:
    return f"{sum(g.every('law', *path) for g in groups)} of {len(groups)}" if groups else "-"


def _law_errors(groups: Sequence[SeedGroup]) -> list[float]:
    """Return mean error over mean acceleration, out of distribution, of the laws recovered."""
    recovered = [v["shifted"] for g in groups for v in g.done if v["law"]["recovered"]]
    return [
        shifted[place]["law"]
        for shifted in recovered
        for place in SHIFTED_TEST_NAMES
        if shifted[place]["law"] is not None
    ]


def _table_5(groups: Sequence[SeedGroup], no_network: Sequence[ReplicationResult]) -> Table:
    said = ("paper", "recovered", "before the refit", "no network", "error of constants", "law", "why not")
    headings = (*GROUP_COLUMNS, *said)
    rows = []
    for g in groups:
        alone = [r for r in no_network if r.data == g.results[0].data]
        published = published_recovery(g.strategy, g.settings["system"])
        rows.append(
            (
                *_group_cells(g),
                "-" if published is None else "yes" if published else "no",
                g.share("law", "recovered"),
                g.share("law", "before_refit", "recovered"),
                f"{sum(r.ok and r.value['recovered'] for r in alone)} of {len(alone)}" if alone else "-",
                median_with_range(g.values("law", "error"), "{:.1e}".format),
                next((f"`{v['law']['law']}`" for v in g.done if v["law"]["law"]), "-"),
                "; ".join(dict.fromkeys(v["law"]["why"] for v in g.done if v["law"]["why"])) or "-",
            )
        )
    alone = [r for r in no_network if r.settings["system"] in LAW_SYSTEMS]
    both = [v for g in groups for v in g.done if g.settings["recipe"] == "fast" and g.settings["system"] in LAW_SYSTEMS]
    findings = []
    if both and alone:
        first = [v["law"]["before_refit"] for v in both if v["law"]["before_refit"]]
        findings.append(
            f"With a network {sum(v['law']['recovered'] for v in both)} of {len(both)} laws are recovered, "
            f"{sum(f['recovered'] for f in first)} of them before the refit; the same regression on the accelerations "
            f"alone, with no network, recovers {sum(r.ok and r.value['recovered'] for r in alone)} of {len(alone)}."
        )
    return Table("table5", "Table 5: laws recovered", headings, rows, findings)


def _shift_table(groups: Sequence[SeedGroup]) -> Table:
    places = ("held out", *SHIFTED_TEST_NAMES)
    headings = (*GROUP_COLUMNS, *(f"{place}: law / network" for place in places))
    rows = [
        (
            *_group_cells(g),
            *(" / ".join(_format_optional(g.median("shifted", p, k)) for k in ("law", "network")) for p in places),
        )
        for g in groups
    ]
    laws, findings = _law_errors(groups), []
    if laws:
        networks = [v["shifted"][place]["network"] for g in groups for v in g.done for place in SHIFTED_TEST_NAMES]
        findings.append(
            f"Of the laws recovered the mean error out of distribution is at most {_format_value(max(laws))} of the "
            f"mean acceleration; of the networks it is {_format_value(statistics.median(networks))} (median), at worst "
            f"{_format_value(max(networks))}. The paper's law for dark matter errs by .63 of the error of its network."
        )
    return Table("shifted", "Out of distribution: mean error over mean acceleration", headings, rows, findings)


def _failure_table(results: Sequence[ReplicationResult]) -> Table:
    rows = [(r.name, r.outcome) for r in results if not r.ok]
    return Table("failed", "Cells that failed", ("cell", "why"), rows)


def _group_cells(group: SeedGroup) -> Row:
    return group.system, group.strategy, group.recipe, group.count


def _group_by(
    groups: Iterable[SeedGroup], key: Callable[[SeedGroup], tuple[str, str]]
) -> dict[tuple[str, str], list[SeedGroup]]:
    parts: dict[tuple[str, str], list[SeedGroup]] = {}
    for group in groups:
        parts.setdefault(key(group), []).append(group)
    return parts


def _lowest(groups: Sequence[SeedGroup], name: str) -> float | None:
    medians = [m for g in groups if (m := g.median("messages", name)) is not None]
    return min(medians, default=None)


def _published(group: SeedGroup, table: dict[str, ValuesBySystem], shown: Callable[[float], str] | None = None) -> str:
    """Return the published value for the strategy, system and dimension of a group, or a dash."""
    settings = group.settings
    value = published_value(table, group.strategy, settings["system"], settings["dim"])
    return _format_optional(value, shown or _format_value)


def _format_value(value: float) -> str:
    return format_number(value, 3)


def _format_optional(value: float | None, shown: Callable[[float], str] = _format_value) -> str:
    return "-" if value is None else shown(value)


def markdown_table(headings: Row, rows: Iterable[Row]) -> str:
    """Return a table in Markdown.

    Args:
        headings: headings of the columns.
        rows: texts of the cells.
    """
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
