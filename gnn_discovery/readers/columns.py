"""Tables with a header: one row for each particle in each frame, as trackers export them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from gnn_discovery.errors import DataError
from gnn_discovery.readers.base import Recording, named
from gnn_discovery.readers.frames import Frame, to_recording
from gnn_discovery.readers.windows import windows

_AXES = "xyz"
_NAMES: dict[str, tuple[str, ...]] = {
    "time": ("time", "t", "position_t", "seconds"),
    "frame": ("frame", "frames", "frame_number", "frame_id", "step", "timestep"),
    "particle": ("particle", "particle_id", "track_id", "trackid", "track", "id", "body", "object", "atom", "name"),
    "run": ("run", "run_id", "trial", "episode", "simulation"),
    "m": ("m", "mass"),
    "q": ("q", "charge"),
    **{c: (c, f"{c}_pos", f"pos_{c}", f"position_{c}", f"p{c}", f"{c}_position") for c in _AXES},
    **{f"v{c}": (f"v{c}", f"v_{c}", f"vel_{c}", f"velocity_{c}", f"{c}_velocity") for c in _AXES},
    **{f"a{c}": (f"a{c}", f"a_{c}", f"acc_{c}", f"acceleration_{c}", f"{c}_acceleration") for c in _AXES},
}
"""What a column may be called, the likelier first; letters of any case."""

_UNIT = re.compile(r"\s*[\[(]\s*([^\])]*?)\s*[\])]\s*$")
_ROWS = 100_000  # that are parsed at once
_LOOKED_AT = 40  # lines that may stand before the header
_NOTHING = ("", "none", "nan", "null")


@dataclass(frozen=True)
class _Header:
    """Where the table begins and what its columns are: ``columns`` by our names, ``units`` of them."""

    delimiter: str | None
    columns: Mapping[str, int]
    units: Mapping[str, str]
    first_row: int


@dataclass(frozen=True)
class _Span:
    """Frames of one run between two times, both included."""

    run: float
    first: float
    last: float


class ColumnsReader:
    """Reads CSV, TSV and the like: columns frame or time, particle, x, y, ..., with a header."""

    name = "csv"

    def sniff(self, path: Path) -> bool:
        """A header that names a place, in text."""
        return _header(path) is not None

    def read(self, path: Path, budget: int) -> Recording:
        """The runs: one for each value of a column ``run``, cut where particles or frames are missing.

        Velocities are columns vx, vy, ..., accelerations ax, ay, ...; any other column of numbers that does not
        change in time is a property. A table too large is read twice: for its frames, then for some of them.

        Raises:
            DataError: a column that is needed is missing, or the line that is wrong.
        """
        where = str(path)
        header = _header(path)
        assert header is not None  # sniffed
        _complete(header, where)
        with named(where):
            spans, notes = _spans(path, header, budget)
            parts: list[list[dict[str, np.ndarray]]] = [[] for _ in spans]
            for chunk in _chunks(path, header):
                for part, span in zip(parts, spans, strict=True):
                    part.append(_within(chunk, span))
        units = header.units if "time" in header.columns else {**header.units, "time": "frame"}
        tables = [_joined(part) for part in parts]
        texts = sorted(set(header.columns).difference(*tables))
        if texts and all(tables):
            notes.append(f"Not numbers in every row and left out: {', '.join(texts)}.")
        return to_recording([frames for table in tables for frames in _frames(table)], where, units, notes)


def _header(path: Path) -> _Header | None:
    with path.open("rb") as file:
        start = file.read(2**16)
    if b"\0" in start:
        return None
    lines = start.decode("utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines[:_LOOKED_AT]):
        if line.startswith("ITEM:"):  # the header of a LAMMPS dump
            return None
        for delimiter in (",", ";", "\t", None):
            cells = _split(line.lstrip("#%").strip(), delimiter)
            columns, units = _columns(cells)
            if "x" in columns and len({"y", "particle", "time", "frame"} & set(columns)) > 1:
                return _further(lines, number, delimiter, columns, units)
    return None


def _columns(cells: Sequence[str]) -> tuple[dict[str, int], dict[str, str]]:
    """Places and units of the columns by our names, or by their own where they are properties."""
    given = [re.sub(r"\W+", "_", _UNIT.sub("", cell).strip().lower()) for cell in cells]
    columns = {}
    for name, synonyms in _NAMES.items():
        found = next((given.index(s) for s in synonyms if s in given), None)
        if found is not None:
            columns[name] = found
    for index, cell in enumerate(cells):
        own = re.sub(r"\W+", "_", _UNIT.sub("", cell).strip())
        if index not in columns.values() and own.isidentifier() and own.isascii():
            columns.setdefault(own, index)
    stated = {name: _UNIT.search(cells[index]) for name, index in columns.items()}
    return columns, {_what(name): unit[1] for name, unit in stated.items() if unit and unit[1]}


def _what(column: str) -> str:
    return {"x": "length", "y": "length", "z": "length"}.get(column, column)


def _further(
    lines: Sequence[str], number: int, delimiter: str | None, columns: dict[str, int], units: dict[str, str]
) -> _Header:
    """The header with the rows that may follow it, as TrackMate's: other names, and units in brackets."""
    first = number + 1
    place = columns["x"]
    for line in lines[first : first + 3]:
        cells = _split(line, delimiter)
        if place >= len(cells) or _number(cells[place]) is not None:
            break
        found = {name: _UNIT.fullmatch(cells[i]) for name, i in columns.items() if i < len(cells)}
        units.update({_what(name): unit[1] for name, unit in found.items() if unit and unit[1]})
        first += 1
    return _Header(delimiter, columns, units, first)


def _complete(header: _Header, where: str) -> None:
    for needed in (("frame", "time"), ("particle",), ("x",)):
        if not set(needed) & set(header.columns):
            raise DataError(
                f"no column {' or '.join(needed)}, only {', '.join(header.columns)}",
                where=where,
                remedy="Give one row for each particle in each frame: frame or time, particle, x, y[, z], ...",
            )


def _split(line: str, delimiter: str | None) -> list[str]:
    cells = line.split() if delimiter is None else next(csv.reader([line], delimiter=delimiter), [])
    return [cell.strip() for cell in cells]


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _rows(path: Path, header: _Header) -> Iterator[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        body = islice(file, header.first_row, None)
        if header.delimiter is None:
            yield from (line.split() for line in body)
        else:
            yield from csv.reader(body, delimiter=header.delimiter)


def _chunks(path: Path, header: _Header, names: Sequence[str] | None = None) -> Iterator[dict[str, np.ndarray]]:
    """The columns, many rows at once; rows of no particle, or in which it was not seen, are passed over."""
    where = str(path)
    wanted = {name: header.columns[name] for name in names or header.columns if name in header.columns}
    width, places = max(header.columns.values()) + 1, (header.columns["particle"], header.columns["x"])
    rows, line = _rows(path, header), header.first_row
    while chunk := list(islice(rows, _ROWS)):
        full = [(line + k, row) for k, row in enumerate(chunk, 1) if row and not row[0].lstrip().startswith("#")]
        line += len(chunk)
        for at, row in full:
            if len(row) < width:
                raise DataError(
                    f"line {at} has {len(row)} columns, and the header {width}", where=where, remedy="Complete the row"
                )
        full = [(at, row) for at, row in full if not any(row[p].strip().lower() in _NOTHING for p in places)]
        cells = {name: [row[place] for _, row in full] for name, place in wanted.items()}
        lines = [at for at, _ in full]
        yield {name: _values(name, column, lines, where) for name, column in cells.items()}


def _values(name: str, cells: list[str], lines: list[int], where: str) -> np.ndarray:
    """Numbers; texts where particles have names, and where a column is no property after all."""
    try:
        values = np.array(cells, dtype=np.float64)
        return values if name != "particle" or (values % 1 == 0).all() else np.array(cells, dtype=object)
    except ValueError:
        if name not in _NAMES or name == "particle":
            return np.array([cell.strip() for cell in cells], dtype=object)
        at, bad = next((at, cell) for at, cell in zip(lines, cells, strict=True) if _number(cell) is None)
        raise DataError(
            f"line {at}: {name} is {bad!r}", where=where, remedy="Give a number, or leave the row out"
        ) from None


def _clock(chunk: Mapping[str, np.ndarray]) -> np.ndarray:
    """(K 2) run and time of each row."""
    time = chunk["time"] if "time" in chunk else chunk["frame"]
    return np.column_stack([chunk.get("run", np.zeros_like(time)), time])


def _spans(path: Path, header: _Header, budget: int) -> tuple[list[_Span | None], list[str]]:
    """The stretches to read, all of it being None, and what is to be said of them."""
    if path.stat().st_size <= budget:
        return [None], []
    seen, rows = np.zeros((0, 2)), 0
    for chunk in _chunks(path, header, ("run", "time", "frame", "particle", "x")):
        clock = _clock(chunk)
        rows += len(clock)
        seen = np.unique(np.concatenate([seen, clock]), axis=0)
    runs, lengths = np.unique(seen[:, 0], return_counts=True)
    starts = np.cumsum([0, *lengths])
    frame_bytes = 8 * len(header.columns) * -(-rows // max(len(seen), 1))
    chosen, note = windows(lengths.tolist(), frame_bytes, budget)
    ends = [seen[starts[w.run] + np.array([w.start, w.stop - 1]), 1] for w in chosen]
    spans = [_Span(runs[w.run], *end) for w, end in zip(chosen, ends, strict=True)]
    return (list(spans), [note]) if note else ([None], [])


def _within(chunk: dict[str, np.ndarray], span: _Span | None) -> dict[str, np.ndarray]:
    if span is None:
        return chunk
    run, time = _clock(chunk).T
    kept = (run == span.run) & (time >= span.first) & (time <= span.last)
    return {name: column[kept] for name, column in chunk.items()}


def _joined(chunks: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The whole columns; texts are left out, but for the names of particles."""
    joined = {}
    for name in chunks[0] if chunks else ():
        parts = [chunk[name] for chunk in chunks]
        text = any(part.dtype == object for part in parts)
        if name == "particle":
            joined[name] = np.concatenate([part.astype(str if text else np.int64) for part in parts])
        elif not text:
            joined[name] = np.concatenate(parts)
    return joined


def _frames(table: Mapping[str, np.ndarray]) -> list[list[Frame]]:
    """The frames of each run, in the order of time."""
    if not table:
        return []
    clock = _clock(table)
    order = np.lexsort((clock[:, 1], clock[:, 0]))
    clock = clock[order]
    arrays = {name: column[order] for name, column in _grouped(table).items()}
    ids = table["particle"][order]
    starts = np.flatnonzero(np.r_[True, (clock[1:] != clock[:-1]).any(axis=1)])
    runs: dict[float, list[Frame]] = {}
    for a, b in zip(starts, np.r_[starts[1:], len(ids)], strict=True):
        frame = Frame(float(clock[a, 1]), ids[a:b], {name: array[a:b] for name, array in arrays.items()})
        runs.setdefault(float(clock[a, 0]), []).append(frame)
    return list(runs.values())


def _grouped(table: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Components joined to vectors; the other columns are properties."""
    axes = [c for c in _AXES if c in table]
    parts = {"positions": axes, "velocities": [f"v{c}" for c in axes], "accelerations": [f"a{c}" for c in axes]}
    vectors = {name: np.column_stack([table[c] for c in p]) for name, p in parts.items() if set(p) <= set(table)}
    used = {"time", "frame", "particle", "run", *(c for p in parts.values() for c in p)}
    return {**vectors, **{name: column for name, column in table.items() if name not in used}}
