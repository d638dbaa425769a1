"""This module reads tables of nodes as text or HDF5: a row holds the position, properties and target of a node."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.readers.protocol import name_file_in_errors
from gnn_discovery.errors import DataError
from gnn_discovery.static_graphs.static_graph import StaticGraph, radius_graph

COORDINATE_COLUMNS = ("x", "y", "z")
POSITION_NAMES = ("position", "positions", "pos", "coordinates")
"""An array (N D) of an HDF5 file with one of these names, in letters of any case, holds positions."""
BOX_NAMES = ("boxsize", "box_size", "box")
"""An array, or an attribute of a group, with one of these names holds the side or sides of a periodic box."""
IDENTIFIER_PATTERN = re.compile(r".*(_id|ID|Id)|id|index|name")
"""A column with such a name identifies a node and is no property of it."""
_HEADER_CELLS = re.compile(r"[^\s\[(]+(?:\s*[\[(][^\])]*[\])])?")
"""This pattern finds the cells of a header that is separated by spaces."""
_HEADER_CELL = re.compile(r"(.*?)\s*(?:[\[(]([^\])]*)[\])])?")
"""This pattern separates the name of a column from its unit in brackets."""


@dataclass(frozen=True)
class _NodeTable:
    """A frozen record of the content of a file.

    Attributes:
        columns: (N,) columns of numbers by name; positions are the columns x, y and z.
        units: units that the file states, by column.
        box: sides of the periodic box that the file states.
        others: names of what is no column of numbers.
    """

    columns: Mapping[str, np.ndarray]
    units: Mapping[str, str]
    box: np.ndarray | None = None
    others: Sequence[str] = field(default_factory=list)


def read_node_table(
    path: Path,
    target: str,
    radius: float,
    properties: Sequence[str] | None = None,
    box: float | None = None,
    *,
    criteria: Criteria = DEFAULT_CRITERIA,
) -> StaticGraph:
    """Return the graph of a table of nodes, in which nodes closer than ``radius`` are neighbours.

    Args:
        path: text with a header, or HDF5.
        target: column that is to be explained.
        radius: distance within which nodes are neighbours, in the unit of the positions.
        properties: columns that are properties; None takes all that hold numbers and identify no node.
        box: side of a periodic cube; None takes the box that the file states.
        criteria: the stage ``estimation`` is used.

    Raises:
        DataError: the file is missing or malformed, a column is missing, or nodes lie outside the box.
    """
    where = str(path)
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise DataError(f"the file cannot be read ({error.strerror})", where=where, remedy="Check the path") from None
    with name_file_in_errors(where):
        table = _read_hdf5(path) if start == b"\x89HDF\r\n\x1a\n" else _read_text(path)
    columns = table.columns
    by_lower_case = {name.lower(): name for name in columns}
    axes = [by_lower_case[axis] for axis in COORDINATE_COLUMNS if axis in by_lower_case]
    if not axes:
        raise DataError(
            f"there are no columns x, y, z, only {', '.join(columns)}",
            where=where,
            remedy="Name the columns of positions in a header",
        )
    others = [name for name in columns if name not in {*axes, target}]
    chosen = [n for n in others if not IDENTIFIER_PATTERN.fullmatch(n)] if properties is None else list(properties)
    for name in (target, *chosen):
        if name not in columns:
            raise DataError(
                f"there is no column {name!r}, only {', '.join(columns)}", where=where, remedy="Name one of these"
            )
    if np.ptp(columns[target]) == 0:
        raise DataError(
            f"{target} is {columns[target][0]:g} in every row", where=where, remedy="Choose a target that varies"
        )
    positions = np.column_stack([columns[axis] for axis in axes])
    sides = table.box if box is None else np.full(len(axes), box)
    unused = sorted({*others, *table.others} - set(chosen))
    notes = [f"These columns are not used as properties: {', '.join(unused)}."] if unused else []
    notes += _unit_notes(table, axes, (*chosen, target), where)
    if sides is not None:
        sides = np.full(len(axes), sides) if sides.size == 1 else sides
        notes.append(f"The box is periodic, with sides {', '.join(f'{side:g}' for side in sides)}.")
    return radius_graph(
        positions,
        columns[target],
        {name: columns[name] for name in chosen},
        radius,
        box=sides,
        label=target,
        notes=tuple(notes),
        where=where,
        criteria=criteria,
    )


def _unit_notes(table: _NodeTable, axes: Sequence[str], others: Sequence[str], where: str) -> list[str]:
    """Return a note on the units that the file states; positions must have one, because nothing is converted."""
    of_positions = {axis: table.units[axis] for axis in axes if axis in table.units}
    if len(set(of_positions.values())) > 1:
        stated = ", ".join(f"{axis} in {unit}" for axis, unit in of_positions.items())
        raise DataError(f"the positions are in several units: {stated}", where=where, remedy="Give all in one")
    units = {"distances": next(iter(of_positions.values()))} if of_positions else {}
    units |= {name: table.units[name] for name in others if name in table.units}
    if not units:
        return []
    return [f"The file states these units: {', '.join(f'{name} in {unit}' for name, unit in units.items())}."]


def _read_text(path: Path) -> _NodeTable:
    """Read the columns of numbers below a header, which may be a comment and have units in brackets."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline().lstrip("#% ").strip()
    delimiter = next((d for d in (",", ";", "\t") if d in first), None)
    cells = first.split(delimiter) if delimiter else _HEADER_CELLS.findall(first)
    heads = [_HEADER_CELL.fullmatch(cell.strip(' "')) for cell in cells]
    names = [re.sub(r"\W+", "_", head[1]) for head in heads if head]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"several columns are called {', '.join(repeated)}", remedy="Give each a name of its own")
    rows = np.genfromtxt(path, delimiter=delimiter, skip_header=1, comments="#", ndmin=2, encoding="utf-8-sig")
    if rows.shape[1] != len(names):
        raise DataError(
            f"rows have {rows.shape[1]} columns, the header has {len(names)}", remedy="Begin the file with a header"
        )
    columns = {name: column for name, column in zip(names, rows.T, strict=True) if not np.isnan(column).all()}
    units = {name: head[2] for name, head in zip(names, heads, strict=True) if head and head[2]}
    units = {name: unit for name, unit in units.items() if not unit.isdigit()}  # some files number their columns so
    return _NodeTable(columns, units, others=[name for name in names if name not in columns])


def _read_hdf5(path: Path) -> _NodeTable:
    """Read the arrays (N,) of the root or of the one group that holds positions, and the positions axis by axis."""
    import h5py

    from gnn_discovery.data.readers.hdf5 import hdf5_members, read_hdf5_array

    where = str(path)
    columns: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}
    others, box = [], None
    with h5py.File(path, "r") as file:
        root, groups = hdf5_members(file, where)
        members = {name: hdf5_members(group, where)[0] for name, group in groups.items()}
        holders = [name for name, arrays in members.items() if _holds_positions(arrays)]
        if not _holds_positions(root) and len(holders) > 1:
            raise DataError(f"several groups hold positions: {', '.join(holders)}", remedy="Give a file with one")
        datasets = root if _holds_positions(root) or not holders else {**root, **members[holders[0]]}
        for group in (file, *groups.values()):
            for name in group.attrs:
                box = np.asarray(group.attrs[name], float) if name.lower() in BOX_NAMES else box
        for name, dataset in datasets.items():
            unit = str(dataset.attrs.get("units", dataset.attrs.get("unit", "")))
            if name.lower() in BOX_NAMES:
                box = np.atleast_1d(read_hdf5_array(dataset, name, where)).astype(float)
            elif dataset.ndim == 2 and name.lower() in POSITION_NAMES:
                array = read_hdf5_array(dataset, name, where).T.astype(float)
                by_axis = dict(zip(COORDINATE_COLUMNS, array, strict=False))
                columns, units = {**columns, **by_axis}, {**units, **dict.fromkeys(by_axis, unit)}
            elif dataset.ndim == 1 and dataset.dtype.kind in "fiub":
                columns[name], units[name] = read_hdf5_array(dataset, name, where).astype(float), unit
            else:
                others.append(name)
    periodic = box if box is not None and box.any() else None  # a file without a box may state 0
    return _NodeTable(columns, {name: unit for name, unit in units.items() if unit}, periodic, others)


def _holds_positions(arrays: Mapping[str, Any]) -> bool:
    return any(name.lower() in (*POSITION_NAMES, "x") for name in arrays)
