"""The header of a table of tracks: the meaning of its columns, which may have many names, and their units."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gnn_discovery.errors import DataError

AXIS_NAMES = "xyz"
"""The columns of positions have these names."""
COLUMN_SYNONYMS: dict[str, tuple[str, ...]] = {
    "time": ("time", "t", "position_t", "seconds"),
    "frame": ("frame", "frames", "frame_number", "frame_id", "step", "timestep"),
    "particle": ("particle", "particle_id", "track_id", "trackid", "track", "id", "body", "object", "atom", "name"),
    "run": ("run", "run_id", "trial", "episode", "simulation"),
    "m": ("m", "mass"),
    "q": ("q", "charge"),
    **{c: (c, f"{c}_pos", f"pos_{c}", f"position_{c}", f"p{c}", f"{c}_position") for c in AXIS_NAMES},
    **{f"v{c}": (f"v{c}", f"v_{c}", f"vel_{c}", f"velocity_{c}", f"{c}_velocity") for c in AXIS_NAMES},
    **{f"a{c}": (f"a{c}", f"a_{c}", f"acc_{c}", f"acceleration_{c}", f"{c}_acceleration") for c in AXIS_NAMES},
}
"""A column may have any of these names, the likelier first, in letters of any case."""

_UNIT = re.compile(r"\s*[\[(]\s*([^\])]*?)\s*[\])]\s*$")


@dataclass(frozen=True)
class TableHeader:
    """A frozen record of the header of a table.

    Attributes:
        delimiter: the character between two cells; None for white space.
        columns: the place of each column by its standard name.
        units: the units of length, time and properties that the header states.
        first_row: number of lines before the first row of data.
    """

    delimiter: str | None
    columns: Mapping[str, int]
    units: Mapping[str, str]
    first_row: int


def find_table_header(path: Path) -> TableHeader | None:
    """Find the header among the first 40 lines of a text, if there is one."""
    with path.open("rb") as file:
        start = file.read(2**16)
    if b"\0" in start:
        return None
    lines = start.decode("utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines[:40]):
        if line.startswith("ITEM:"):  # the header of a LAMMPS dump
            return None
        for delimiter in (",", ";", "\t", None):
            cells = _split(line.lstrip("#%").strip(), delimiter)
            columns, units = _columns(cells)
            if "x" in columns and len({"y", "particle", "time", "frame"} & set(columns)) > 1:
                return _read_extra_header_rows(lines, number, delimiter, columns, units)
    return None


def _columns(cells: Sequence[str]) -> tuple[dict[str, int], dict[str, str]]:
    """Return places and units of the columns by their standard names, or by their own if they are properties."""
    titles = [re.sub(r"\W+", "_", _UNIT.sub("", cell).strip().lower()) for cell in cells]
    columns = {}
    for name, synonyms in COLUMN_SYNONYMS.items():
        place = next((titles.index(s) for s in synonyms if s in titles), None)
        if place is not None:
            columns[name] = place
    for index, cell in enumerate(cells):
        name = re.sub(r"\W+", "_", _UNIT.sub("", cell).strip())
        if index not in columns.values() and name.isidentifier() and name.isascii():
            columns.setdefault(name, index)
    stated = {name: _UNIT.search(cells[index]) for name, index in columns.items()}
    return columns, {_quantity(name): unit[1] for name, unit in stated.items() if unit and unit[1]}


def _quantity(column: str) -> str:
    """Return the quantity whose unit a column states."""
    return {"x": "length", "y": "length", "z": "length"}.get(column, column)


def _read_extra_header_rows(
    lines: Sequence[str], number: int, delimiter: str | None, columns: dict[str, int], units: dict[str, str]
) -> TableHeader:
    """Return the header with the rows that may follow it, as TrackMate writes them: other names, units in brackets."""
    first = number + 1
    place = columns["x"]
    for line in lines[first : first + 3]:
        cells = _split(line, delimiter)
        if place >= len(cells) or parse_number(cells[place]) is not None:
            break
        stated = {name: _UNIT.fullmatch(cells[i]) for name, i in columns.items() if i < len(cells)}
        units.update({_quantity(name): unit[1] for name, unit in stated.items() if unit and unit[1]})
        first += 1
    return TableHeader(delimiter, columns, units, first)


def check_table_header(header: TableHeader, where: str) -> None:
    """Refuse a table without a column of times or of particles; positions it has, else it would be no header.

    Args:
        header: the header that was found.
        where: the file, for the error.

    Raises:
        DataError: the message names the missing column and those that are there.
    """
    for needed in (("frame", "time"), ("particle",)):
        if not set(needed) & set(header.columns):
            raise DataError(
                f"no column {' or '.join(needed)}, only {', '.join(header.columns)}",
                where=where,
                remedy="Give one row for each particle in each frame: frame or time, particle, x, y[, z], ...",
            )


def _split(line: str, delimiter: str | None) -> list[str]:
    """Split a line into cells."""
    cells = line.split() if delimiter is None else next(csv.reader([line], delimiter=delimiter), [])
    return [cell.strip() for cell in cells]


def parse_number(cell: str) -> float | None:
    """Return the number in a cell, or None if it is no number."""
    try:
        return float(cell)
    except ValueError:
        return None
