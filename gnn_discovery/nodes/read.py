"""Catalogues: one row for each node, its place, its properties and its target; CSV and the like, or HDF5."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gnn_discovery.errors import DataError
from gnn_discovery.nodes.graph import StaticGraph, near
from gnn_discovery.readers.base import named

AXES = ("x", "y", "z")
PLACES = ("position", "positions", "pos", "coordinates")
"""What an array (N D) of an HDF5 file may be called, letters of any case."""
LABELS = re.compile(r".*(_id|ID|Id)|id|index|name")
"""Columns that name a node and are no property of it."""


def read_catalogue(
    path: Path, target: str, radius: float, properties: Sequence[str] | None = None, box: float | None = None
) -> StaticGraph:
    """The graph of a catalogue: nodes closer than ``radius`` are linked.

    Args:
        target: the column that is to be explained.
        properties: the columns that nodes are known by; None takes all that hold numbers and name no node.
        box: side of a periodic cube.

    Raises:
        DataError: a file that is missing or wrong, or a column that is not there.
    """
    where = str(path)
    try:
        start = path.open("rb").read(8)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", where=where, remedy="Check the path") from None
    with named(where):
        columns = _hdf5(path) if start == b"\x89HDF\r\n\x1a\n" else _table(path)
    lower = {name.lower(): name for name in columns}
    axes = [lower[axis] for axis in AXES if axis in lower]
    if not axes:
        raise DataError(f"no columns x, y, z, only {', '.join(columns)}", where=where, remedy="Give places of nodes")
    others = [name for name in columns if name not in {*axes, target}]
    wanted = [n for n in others if not LABELS.fullmatch(n)] if properties is None else list(properties)
    for name in (target, *wanted):
        if name not in columns:
            raise DataError(f"no column {name!r}, only {', '.join(columns)}", where=where, remedy="Name one of these")
    left = sorted(set(others) - set(wanted))
    notes = (f"Not taken for properties: {', '.join(left)}.",) if left else ()
    positions = np.column_stack([columns[axis] for axis in axes])
    sides = None if box is None else np.full(len(axes), box)
    known = {name: columns[name] for name in wanted}
    return near(positions, columns[target], known, radius, box=sides, label=target, notes=notes, where=where)


def _table(path: Path) -> dict[str, np.ndarray]:
    """The columns of numbers of a table with a header, which may be a comment; units in brackets are passed over."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline().lstrip("#% ").strip()
    delimiter = next((d for d in (",", ";", "\t") if d in first), None)
    cells = first.split(delimiter)
    names = [re.sub(r"\W+", "_", re.sub(r"\s*[\[(][^\])]*[\])]\s*$", "", cell.strip())) for cell in cells]
    rows = np.genfromtxt(path, delimiter=delimiter, skip_header=1, comments="#", ndmin=2, encoding="utf-8-sig")
    if rows.shape[1] != len(names):
        raise DataError(f"rows have {rows.shape[1]} columns, the header {len(names)}", remedy="Begin with a header")
    return {name: column for name, column in zip(names, rows.T, strict=True) if not np.isnan(column).all()}


def _hdf5(path: Path) -> dict[str, np.ndarray]:
    """The arrays (N) of the root, and places (N D) axis by axis."""
    import h5py

    from gnn_discovery.readers.hdf5 import array, content

    columns: dict[str, np.ndarray] = {}
    with h5py.File(path, "r") as file:
        for name, dataset in content(file, str(path))[0].items():
            if dataset.ndim == 2 and name.lower() in PLACES:
                columns |= dict(zip(AXES, array(dataset, name, str(path)).T, strict=False))
            elif dataset.ndim == 1 and dataset.dtype.kind in "fiub":
                columns[name] = array(dataset, name, str(path)).astype(float)
    return columns
