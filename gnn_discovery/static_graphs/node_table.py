"""Catalogues: one row for each node, its place, its properties and its target; CSV and the like, or HDF5."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.data.readers.protocol import name_file_in_errors
from gnn_discovery.errors import DataError
from gnn_discovery.static_graphs.static_graph import StaticGraph, radius_graph

COORDINATE_COLUMNS = ("x", "y", "z")
POSITION_NAMES = ("position", "positions", "pos", "coordinates")
"""What an array (N D) of an HDF5 file may be called, letters of any case."""
BOX_NAMES = ("boxsize", "box_size", "box")
"""What the side or sides of a periodic box may be called in an HDF5 file: an array, or an attribute of a group."""
IDENTIFIER_PATTERN = re.compile(r".*(_id|ID|Id)|id|index|name")
"""Columns that name a node and are no property of it."""
_HEADER_CELLS = re.compile(r"[^\s\[(]+(?:\s*[\[(][^\])]*[\])])?")
_HEADER_CELL = re.compile(r"(.*?)\s*(?:[\[(]([^\])]*)[\])])?")
"""The head of a column, its unit in brackets; the heads of a line without commas."""


@dataclass(frozen=True)
class _NodeTable:
    """Columns (N) by name, what the file says of their units and of the box, and the names of what is no column."""

    columns: Mapping[str, np.ndarray]
    units: Mapping[str, str]
    box: np.ndarray | None = None
    others: Sequence[str] = field(default_factory=list)


def read_node_table(
    path: Path, target: str, radius: float, properties: Sequence[str] | None = None, box: float | None = None
) -> StaticGraph:
    """The graph of a catalogue: nodes closer than ``radius`` are linked.

    Args:
        target: the column that is to be explained.
        properties: the columns that nodes are known by; None takes all that hold numbers and name no node.
        box: side of a periodic cube; None takes what the file says.

    Raises:
        DataError: a file that is missing or wrong, a column that is not there, or nodes that are not in the box.
    """
    where = str(path)
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", where=where, remedy="Check the path") from None
    with name_file_in_errors(where):
        found = _read_hdf5(path) if start == b"\x89HDF\r\n\x1a\n" else _read_text(path)
    columns = found.columns
    lower = {name.lower(): name for name in columns}
    axes = [lower[axis] for axis in COORDINATE_COLUMNS if axis in lower]
    if not axes:
        raise DataError(
            f"no columns x, y, z, only {', '.join(columns)}", where=where, remedy="Name the places of nodes in a header"
        )
    others = [name for name in columns if name not in {*axes, target}]
    wanted = [n for n in others if not IDENTIFIER_PATTERN.fullmatch(n)] if properties is None else list(properties)
    for name in (target, *wanted):
        if name not in columns:
            raise DataError(f"no column {name!r}, only {', '.join(columns)}", where=where, remedy="Name one of these")
    if np.ptp(columns[target]) == 0:
        raise DataError(f"{target} is {columns[target][0]:g} in every row", where=where, remedy="Explain what differs")
    positions = np.column_stack([columns[axis] for axis in axes])
    sides = found.box if box is None else np.full(len(axes), box)
    left = sorted({*others, *found.others} - set(wanted))
    notes = [f"Not taken for properties: {', '.join(left)}."] if left else []
    notes += _unit_notes(found, axes, (*wanted, target), where)
    if sides is not None:
        sides = np.full(len(axes), sides) if sides.size == 1 else sides
        notes.append(f"The box is periodic, with sides {', '.join(f'{side:g}' for side in sides)}.")
    known = {name: columns[name] for name in wanted}
    return radius_graph(
        positions, columns[target], known, radius, box=sides, label=target, notes=tuple(notes), where=where
    )


def _unit_notes(found: _NodeTable, axes: Sequence[str], others: Sequence[str], where: str) -> list[str]:
    """What the file says of units: nothing is converted, so places have to be in one."""
    places = {axis: found.units[axis] for axis in axes if axis in found.units}
    if len(set(places.values())) > 1:
        stated = ", ".join(f"{axis} in {unit}" for axis, unit in places.items())
        raise DataError(f"places are in several units: {stated}", where=where, remedy="Give all in one")
    units = {"distances": next(iter(places.values()))} if places else {}
    units |= {name: found.units[name] for name in others if name in found.units}
    return [f"Units as the file states them: {', '.join(f'{n} in {u}' for n, u in units.items())}."] if units else []


def _read_text(path: Path) -> _NodeTable:
    """The columns of numbers of a table with a header, which may be a comment, with units in brackets."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline().lstrip("#% ").strip()
    delimiter = next((d for d in (",", ";", "\t") if d in first), None)
    cells = first.split(delimiter) if delimiter else _HEADER_CELLS.findall(first)
    heads = [_HEADER_CELL.fullmatch(cell.strip(' "')) for cell in cells]
    names = [re.sub(r"\W+", "_", head[1]) for head in heads if head]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"several columns are called {', '.join(twice)}", remedy="Give each a name of its own")
    rows = np.genfromtxt(path, delimiter=delimiter, skip_header=1, comments="#", ndmin=2, encoding="utf-8-sig")
    if rows.shape[1] != len(names):
        raise DataError(f"rows have {rows.shape[1]} columns, the header {len(names)}", remedy="Begin with a header")
    columns = {name: column for name, column in zip(names, rows.T, strict=True) if not np.isnan(column).all()}
    units = {name: head[2] for name, head in zip(names, heads, strict=True) if head and head[2]}
    units = {name: unit for name, unit in units.items() if not unit.isdigit()}  # some number their columns so
    return _NodeTable(columns, units, others=[name for name in names if name not in columns])


def _read_hdf5(path: Path) -> _NodeTable:
    """The arrays (N) of the root or of the one group that holds places, and these (N D) axis by axis."""
    import h5py

    from gnn_discovery.data.readers.hdf5 import hdf5_members, read_hdf5_array

    where = str(path)
    columns: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}
    others, box = [], None
    with h5py.File(path, "r") as file:
        root, groups = hdf5_members(file, where)
        held = {name: hdf5_members(group, where)[0] for name, group in groups.items()}
        holders = [name for name, arrays in held.items() if _holds_positions(arrays)]
        if not _holds_positions(root) and len(holders) > 1:
            raise DataError(f"several groups hold places: {', '.join(holders)}", remedy="Give one catalogue a file")
        datasets = root if _holds_positions(root) or not holders else {**root, **held[holders[0]]}
        for group in (file, *groups.values()):
            for name in group.attrs:
                box = np.asarray(group.attrs[name], float) if name.lower() in BOX_NAMES else box
        for name, dataset in datasets.items():
            unit = str(dataset.attrs.get("units", dataset.attrs.get("unit", "")))
            if name.lower() in BOX_NAMES:
                box = np.atleast_1d(read_hdf5_array(dataset, name, where)).astype(float)
            elif dataset.ndim == 2 and name.lower() in POSITION_NAMES:
                places = dict(
                    zip(COORDINATE_COLUMNS, read_hdf5_array(dataset, name, where).T.astype(float), strict=False)
                )
                columns, units = {**columns, **places}, {**units, **dict.fromkeys(places, unit)}
            elif dataset.ndim == 1 and dataset.dtype.kind in "fiub":
                columns[name], units[name] = read_hdf5_array(dataset, name, where).astype(float), unit
            else:
                others.append(name)
    periodic = box if box is not None and box.any() else None  # 0 is written for none
    return _NodeTable(columns, {name: unit for name, unit in units.items() if unit}, periodic, others)


def _holds_positions(arrays: Mapping[str, Any]) -> bool:
    return any(name.lower() in (*POSITION_NAMES, "x") for name in arrays)
