"""Write the page of the docs: each table beside the published one, the cost, departures from the paper, findings."""

from __future__ import annotations

from collections.abc import Sequence

from gnn_discovery_replication.recovery import RECOVERY_CRITERION
from gnn_discovery_replication.results import ReplicationResult, recipe_name
from gnn_discovery_replication.tables import make_tables, markdown_table

INTRODUCTION = """# Replication

The tables of Cranmer et al. 2020, "Discovering Symbolic Models from Deep Learning with Inductive Biases" (arXiv
2006.11287), made again. This page is written by `gnn-discovery replicate` from the cells that it keeps; each is one
training in a process of its own, and none is run twice. Figures are medians over seeds, with the range in brackets.

The true law is looked at only after all is found. The data are those of the paper but for two corrections: the
damping is the same for each particle (in the paper's code it depends on the index), and whole runs are held out
(the paper's test set is the later part of the runs that it trains on, so that published errors are shown beside
ours and are not measured on the same motion)."""

DEPARTURES = """## Where each recipe departs from the paper

`--recipe paper` is the paper's: widths of 300 with ReLU, 100 message components (D for the bottleneck), positions,
velocities and properties of both particles as they are, the mean absolute error with the strategy's term (L1 1e-2,
KL 1), Adam at 1e-3 on a one-cycle schedule, batches of 64·(4/n)² snapshots, places shifted at random by σ = 3,
10,000 runs of 100 frames, a linear fit that leaves out the worst tenth, and regression on 5,000 samples of the
strongest raw component, chosen by the largest −Δlog(error)/Δcomplexity. It departs from it in this:

- `--budget` scales the 10⁶ steps; the table says by how much.
- The engine is Operon in the place of Eureqa, without `>`, `<` and IF, which only the discontinuous force needs.
- KL: the log-variance comes from a small network of its own.
- Layers begin at normal numbers of variance 1/inputs, which is not torch's choice.
- A formula is scored on form alone, as its constants are free by the gauge: it has to be a linear combination of
  the components of the true force, the receiver's properties and the softening may be missing, nothing else.
- The Hamiltonian network (width 300 with softplus) is trained on velocities too, so that dH/dp is dx/dt and the self
  energy is that of motion; the paper's code trains it on accelerations alone, with a faint price (1e-6) on the energy.
- Pruning is that of SymTorch (arXiv 2602.21307) and the fixed node function that of arXiv 2202.00299; the paper has
  neither.

`--recipe fast` is ours, the settings of `gnn-discovery discover` with the paper's node function. It departs from
the paper where its predecessors fall short: differences of position and velocity, so that nobody has to learn that
places do not matter; messages u·exp(w), since close encounters span decades; a relative error, so that they do not
outweigh all else; 64 wide, 10,000 steps, 1,000 runs (the first of the paper's 10,000; `--runs` gives both recipes
the same); the gauge is fixed from the network itself before regression; candidates are refitted on the motion and
chosen on held-out runs."""

TABLE_1_NOTE = (
    "*Messages, fitted* is the paper's way: the D raw components that vary most, each the best linear fit of the true "
    "force, the worst tenth of the residuals left out. *Pair force, direct* has nothing fitted: the contribution of "
    "each neighbour as the network itself gives it, against the true force in physical units. A message may carry "
    "anything of its receiver besides the force, and a network whose node function is free to undo that need not give "
    "a linear message: then the fit is poor where the pair force is right."
)

ENERGIES_NOTE = (
    "H = ΣH_self + ΣH_pair, and the motion follows from Hamilton's equations. A pair energy is known up to what does "
    "not change with r, which is left out; it counts as recovered where its slope is the true force. The fast recipe "
    "gives H_pair the difference of places alone, so that forces are opposite by construction. Systems that dissipate "
    "have no such energy: a network that conserves one cannot learn the drag of *damped*, and its cells stand here, as "
    "in the paper, to show that."
)
SUMMARY_NOTE = (
    "One line for each strategy and recipe; of the systems of tables 1 and 5 where it is about laws. R² of the pair "
    "force is that of the worst system (median over seeds), nothing fitted, the worst tenth of the residuals left out. "
    "The error of predicted accelerations is divided by that of the paper's recipe, same strategy, same motion. Out of "
    "distribution: more particles, wider separations, heavier masses."
)
TABLE_NOTES = {"short": SUMMARY_NOTE, "table1": TABLE_1_NOTE, "energies": ENERGIES_NOTE}
"""These notes stand above the tables, by name."""


def make_page(results: Sequence[ReplicationResult]) -> str:
    """Return the page in Markdown."""
    parts = [
        INTRODUCTION,
        _cost_section(results),
        f"## When a law counts as recovered\n\n{RECOVERY_CRITERION}",
        DEPARTURES,
    ]
    for table in make_tables(results):
        parts.append(f"## {table.title}")
        if table.name in TABLE_NOTES:
            parts.append(TABLE_NOTES[table.name])
        parts.append(table.markdown())
        if table.findings:
            parts.append("\n".join(["What was learnt:", "", *(f"- {sentence}" for sentence in table.findings)]))
    return "\n\n".join(parts) + "\n"


def _cost_section(results: Sequence[ReplicationResult]) -> str:
    """Return the section on the cost of each recipe."""
    if not results:
        return "No cell is done yet."
    rows: dict[str, list[ReplicationResult]] = {}
    for result in results:
        rows.setdefault(recipe_name(result.settings) if result.task == "network" else "no network", []).append(result)
    headings = ("recipe", "cells", "failed", "seeds", "steps", "hours in all", "dates", "machine")
    return "## What was spent\n\n" + markdown_table(headings, [_cost_row(name, group) for name, group in rows.items()])


def _cost_row(name: str, results: Sequence[ReplicationResult]) -> tuple[str, ...]:
    dates = sorted(r.date[:10] for r in results)
    steps = sorted({r.value["steps"] for r in results if r.ok and r.task == "network"})
    return (
        name,
        str(len(results)),
        str(sum(not r.ok for r in results)),
        str(len({r.settings["seed"] for r in results})),
        " to ".join(dict.fromkeys(f"{s:,}" for s in (steps[0], steps[-1]))) if steps else "-",
        f"{sum(r.seconds for r in results) / 3600:.1f}",
        " to ".join(dict.fromkeys((dates[0], dates[-1]))),
        "; ".join(sorted({r.machine for r in results})),
    )
