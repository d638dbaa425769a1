"""Make the table of laws found in different units: ``python benchmarks/units.py``.

The motion of twenty laws is given in astronomical, SI and random units. Each cell is one discovery in a process of its
own, kept in ``results/units/NAME.json`` and never run again; the table in ``results/units.md`` is made of whatever is
there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from command import HERE, arguments, fill
from gnn_discovery_replication.results import median_with_range
from gnn_discovery_replication.tables import markdown_table
from table import every_law, made_with, read_cell, values
from unit_systems import LAWS, OWN, SYSTEMS

from gnn_discovery.laws.law import Constant
from gnn_discovery.laws.serialisation import from_dict
from gnn_discovery.registry.units import conversion_factor
from gnn_discovery.runs import Cell
from gnn_discovery.runs.files import write_bytes

RESULTS = HERE / "results" / "units"
ACCURACY = 1e-6

Record = Mapping[str, Any]

_ODD = 1.2345678
"""Constants are multiplied by this before a law is read, since a factor of 1 would not count as a constant."""


def cells(law: str, seed: int) -> list[Cell]:
    """Return the cells of one law, one in each system of units."""
    return [
        Cell(
            f"{law.replace(' ', '-')}_{system}_s{seed}",
            "unit_systems:discover_in",
            {"law": law, "system": system, "seed": seed},
        )
        for system in SYSTEMS
    ]


def difference(one: Record, other: Record) -> float | None:
    """Return the largest relative difference of constants of two laws in `OWN` units; None where the forms differ."""
    (form, first), (another, second) = (_in_numbers(record) for record in (one, other))
    if form != another:
        return None
    pairs = zip(first, second, strict=True)
    return max((abs(a - b) / max(abs(a), abs(b)) for a, b in pairs if a != b), default=0.0)


def _in_numbers(record: Record) -> tuple[list[tuple[str, str, str]], list[float]]:
    """Return the form of each term, without the names and signs of its constants, and their values in the
    order of the text, in `OWN` units: the unit of each says how."""
    terms = []
    for term in from_dict(record).terms:
        values = {name: _ODD * _converted(constant, record["units"]) for name, constant in term.constants.items()}
        form, lifted = term.expression.substitute(values).lift_constants()
        terms.append(((term.kind, term.direction, form.text), [value / _ODD for value in lifted.values()]))
    terms.sort()
    return [form for form, _ in terms], [value for _, values in terms for value in values]


def _converted(constant: Constant, units: Mapping[str, str]) -> float:
    if constant.unit is None:
        return constant.value
    ours = {unit: OWN[what] for what, unit in units.items()}
    stated = "|".join(map(re.escape, ours))
    own = re.sub(rf"(?<![\w.])({stated})(?!\w)", lambda found: ours[found[1]], constant.unit)
    return constant.value * conversion_factor(constant.unit, own)


def write_table(seed: int) -> str:
    """Write the table, and return a line on it."""
    kept = {law: [read_cell(cell, RESULTS) for cell in cells(law, seed)] for law in LAWS}
    records = [record for some in kept.values() for record in some if record is not None]
    whole = {law: some for law, some in kept.items() if None not in some}
    compared = {law: _compared(some) for law, some in whole.items()}  # type: ignore[arg-type]
    same = [d for d in compared.values() if d is not None and d <= ACCURACY]
    heads = ("law", "exact", "same form", "constants differ by", "the same verdict", "seconds")
    parts = [
        "# The same law in other units",
        "Made by `python benchmarks/units.py` from the cells in `units/`: motion in AU, days, solar masses and "
        "elementary charges; in SI; and in random units up to 1e12 times larger or smaller. Exact: in the first, the "
        "law is the true one, as in [laws.md](laws.md). Constants are converted by their own units.",
        made_with(records, len(SYSTEMS) * len(LAWS)),
        f"Same form in all units, constants within {ACCURACY:g}: **{len(same)} of {len(LAWS)}**.",
        markdown_table(heads, [_row(law, some, compared[law]) for law, some in whole.items()]),  # type: ignore[arg-type]
        *every_law(records),
    ]
    out = HERE / "results" / "units.md"
    write_bytes(out, ("\n\n".join(parts) + "\n").encode())
    return f"{out}: {len(records)} of {len(SYSTEMS) * len(LAWS)} cells"


def _compared(records: Sequence[Record]) -> float | None:
    """Return the larger difference of the other systems from the first."""
    if any(record["outcome"] != "done" for record in records):
        return None
    first, *others = (record["value"] for record in records)
    found = [difference(first, other) for other in others]
    return None if None in found else max(d for d in found if d is not None)


def _row(law: str, records: Sequence[Record], largest: float | None) -> list[str]:
    done = [r["value"] for r in records if r["outcome"] == "done"]
    verdicts = {(v["status"], v["match"]) for v in done}
    return [
        law,
        "yes" if done and done[0]["exact"] else "no",
        "no" if largest is None else "yes",
        "-" if largest is None else f"{largest:.1e}",
        "yes" if len(verdicts) == 1 and len(done) == len(SYSTEMS) else "no",
        median_with_range(values(done, "seconds"), "{:.0f}".format),
    ]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", metavar="LAW", choices=LAWS, default=LAWS, help="laws to run")
    parser.add_argument("--seed", type=int, default=0, help="of the constants, the starts and the search")
    options = parser.parse_args()
    chosen = [cell for law in options.only for cell in cells(law, options.seed)]
    fill(options, chosen, RESULTS, lambda: write_table(options.seed))


if __name__ == "__main__":
    main()
