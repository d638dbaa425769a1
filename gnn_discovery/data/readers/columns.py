"""A reader of tables with a header and one row for each particle in each frame, as trackers export them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from gnn_discovery.data.readers.frame_assembly import RecordedFrame, recording_from_frames
from gnn_discovery.data.readers.frame_windows import choose_windows
from gnn_discovery.data.readers.protocol import Recording, name_file_in_errors
from gnn_discovery.data.readers.table_header import (
    AXIS_NAMES,
    COLUMN_SYNONYMS,
    TableHeader,
    check_table_header,
    find_table_header,
    parse_number,
)
from gnn_discovery.errors import DataError

_MISSING_VALUES = ("", "none", "nan", "null")


@dataclass(frozen=True)
class _TimeSpan:
    """A frozen record of the frames of one run between two times, both included."""

    run: float
    first: float
    last: float


class ColumnsReader:
    """Reads CSV, TSV and the like: columns frame or time, particle, x, y, ..., with a header."""

    name = "csv"

    def sniff(self, path: Path) -> bool:
        """Tell whether the file is a text with a header that names positions."""
        return find_table_header(path) is not None

    def read(self, path: Path, budget: int) -> Recording:
        """Read one run for each value of a column ``run``, cut where particles or frames are missing.

        Velocities are columns vx, vy, ..., accelerations ax, ay, ...; any other column of numbers that does not
        change in time is a property. A table too large is read twice: for its frames, then for some of them.

        Args:
            path: the table.
            budget: bytes above which some frames are read only.

        Raises:
            DataError: a necessary column is missing, or a line is wrong.
        """
        where = str(path)
        header = find_table_header(path)
        assert header is not None  # as sniff said
        check_table_header(header, where)
        with name_file_in_errors(where):
            spans, notes = _spans(path, header, budget)
            parts: list[list[dict[str, np.ndarray]]] = [[] for _ in spans]
            for chunk in _chunks(path, header):
                for part, span in zip(parts, spans, strict=True):
                    part.append(_rows_within(chunk, span))
        units = header.units if "time" in header.columns else {**header.units, "time": "frame"}
        tables = [_join_chunks(part) for part in parts]
        texts = sorted(set(header.columns).difference(*tables))
        if texts and all(tables):
            notes.append(f"Not numbers in every row and left out: {', '.join(texts)}.")
        return recording_from_frames([frames for table in tables for frames in _frames(table)], where, units, notes)


def _rows(path: Path, header: TableHeader) -> Iterator[list[str]]:
    """Yield the cells of each row."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        body = islice(file, header.first_row, None)
        if header.delimiter is None:
            yield from (line.split() for line in body)
        else:
            yield from csv.reader(body, delimiter=header.delimiter)


def _chunks(
    path: Path, header: TableHeader, names: Sequence[str] | None = None, *, rows_per_chunk: int = 100_000
) -> Iterator[dict[str, np.ndarray]]:
    """Yield the columns in chunks of rows; rows without a particle or its position are skipped."""
    where = str(path)
    wanted = {name: header.columns[name] for name in names or header.columns if name in header.columns}
    width, places = max(header.columns.values()) + 1, (header.columns["particle"], header.columns["x"])
    rows, line = _rows(path, header), header.first_row
    while chunk := list(islice(rows, rows_per_chunk)):
        full = [(line + k, row) for k, row in enumerate(chunk, 1) if row and not row[0].lstrip().startswith("#")]
        line += len(chunk)
        for at, row in full:
            if len(row) < width:
                raise DataError(
                    f"line {at} has {len(row)} columns, and the header {width}", where=where, remedy="Complete the row"
                )
        full = [(at, row) for at, row in full if not any(row[p].strip().lower() in _MISSING_VALUES for p in places)]
        cells = {name: [row[place] for _, row in full] for name, place in wanted.items()}
        lines = [at for at, _ in full]
        yield {name: _values(name, column, lines, where) for name, column in cells.items()}


def _values(name: str, cells: list[str], lines: list[int], where: str) -> np.ndarray:
    """Return numbers, or texts if particles have names or a column turns out to be no property."""
    try:
        values = np.array(cells, dtype=np.float64)
        return values if name != "particle" or (values % 1 == 0).all() else np.array(cells, dtype=object)
    except ValueError:
        if name not in COLUMN_SYNONYMS or name == "particle":
            return np.array([cell.strip() for cell in cells], dtype=object)
        at, bad = next((at, cell) for at, cell in zip(lines, cells, strict=True) if parse_number(cell) is None)
        raise DataError(
            f"line {at}: {name} is {bad!r}", where=where, remedy="Give a number, or leave the row out"
        ) from None


def _run_and_time(chunk: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the run and the time of each row, (K 2)."""
    time = chunk["time"] if "time" in chunk else chunk["frame"]
    return np.column_stack([chunk.get("run", np.zeros_like(time)), time])


def _spans(path: Path, header: TableHeader, budget: int) -> tuple[list[_TimeSpan | None], list[str]]:
    """Choose the spans of time to read, where None is the whole table, with a note on them."""
    if path.stat().st_size <= budget:
        return [None], []
    seen, rows = np.zeros((0, 2)), 0
    for chunk in _chunks(path, header, ("run", "time", "frame", "particle", "x")):
        clock = _run_and_time(chunk)
        rows += len(clock)
        seen = np.unique(np.concatenate([seen, clock]), axis=0)
    runs, lengths = np.unique(seen[:, 0], return_counts=True)
    starts = np.cumsum([0, *lengths])
    frame_bytes = 8 * len(header.columns) * -(-rows // max(len(seen), 1))
    chosen, note = choose_windows(lengths.tolist(), frame_bytes, budget)
    ends = [seen[starts[w.run] + np.array([w.start, w.stop - 1]), 1] for w in chosen]
    spans = [_TimeSpan(runs[w.run], *end) for w, end in zip(chosen, ends, strict=True)]
    return (list(spans), [note]) if note else ([None], [])


def _rows_within(chunk: dict[str, np.ndarray], span: _TimeSpan | None) -> dict[str, np.ndarray]:
    """Return the rows within a span of time."""
    if span is None:
        return chunk
    run, time = _run_and_time(chunk).T
    kept = (run == span.run) & (time >= span.first) & (time <= span.last)
    return {name: column[kept] for name, column in chunk.items()}


def _join_chunks(chunks: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Join the chunks of each column; texts are left out, except the names of particles."""
    joined = {}
    for name in chunks[0] if chunks else ():
        parts = [chunk[name] for chunk in chunks]
        text = any(part.dtype == object for part in parts)
        if name == "particle":
            joined[name] = np.concatenate([part.astype(str if text else np.int64) for part in parts])
        elif not text:
            joined[name] = np.concatenate(parts)
    return joined


def _frames(table: Mapping[str, np.ndarray]) -> list[list[RecordedFrame]]:
    """Return the frames of each run, in the order of time."""
    if not table:
        return []
    clock = _run_and_time(table)
    order = np.lexsort((clock[:, 1], clock[:, 0]))
    clock = clock[order]
    arrays = {name: column[order] for name, column in _group_columns(table).items()}
    ids = table["particle"][order]
    starts = np.flatnonzero(np.r_[True, (clock[1:] != clock[:-1]).any(axis=1)])
    runs: dict[float, list[RecordedFrame]] = {}
    for a, b in zip(starts, np.r_[starts[1:], len(ids)], strict=True):
        frame = RecordedFrame(float(clock[a, 1]), ids[a:b], {name: array[a:b] for name, array in arrays.items()})
        runs.setdefault(float(clock[a, 0]), []).append(frame)
    return list(runs.values())


def _group_columns(table: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Join components to vectors; the other columns are properties."""
    axes = [c for c in AXIS_NAMES if c in table]
    parts = {"positions": axes, "velocities": [f"v{c}" for c in axes], "accelerations": [f"a{c}" for c in axes]}
    vectors = {name: np.column_stack([table[c] for c in p]) for name, p in parts.items() if set(p) <= set(table)}
    used = {"time", "frame", "particle", "run", *(c for p in parts.values() for c in p)}
    return {**vectors, **{name: column for name, column in table.items() if name not in used}}
