"""A reader and writer of the plain format as HDF5 with checksums; runs of different shapes have a group each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from gnn_discovery.data.readers.frame_windows import (
    FrameWindow,
    StoredArray,
    choose_windows,
    motion_extent,
    read_windows,
)
from gnn_discovery.data.readers.plain_format import (
    TEXT_ARRAYS,
    arrays_from_trajectories,
    check_fits_memory,
    trajectories_from_arrays,
    write_file_atomically,
)
from gnn_discovery.data.readers.protocol import Recording
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import DataError

CORRUPT_HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, UnicodeDecodeError)
"""h5py raises these errors over a damaged file."""


class Hdf5Reader:
    """Reads .h5; links, external storage and virtual datasets are refused, as they reach into other files."""

    name = "hdf5"

    def sniff(self, path: Path) -> bool:
        """Tell whether the file has the signature of HDF5."""
        with path.open("rb") as file:
            return file.read(8) == b"\x89HDF\r\n\x1a\n"

    def read(self, path: Path, budget: int) -> Recording:
        """Read the runs of the root, or of its groups in the order of their names (2 before 10).

        Args:
            path: the file.
            budget: bytes of motion above which windows of frames are read.

        Raises:
            DataError: the file is truncated or corrupt, has refused content or absurd sizes, or is no trajectory.
        """
        where = str(path)
        try:
            with h5py.File(path, "r") as file:
                return _runs(file, where, budget)
        except DataError:
            raise
        except CORRUPT_HDF5_ERRORS as error:
            raise DataError(
                f"is truncated or corrupt ({error})", where=where, remedy="Copy it again, or write it again"
            ) from None


def _runs(file: h5py.File, where: str, budget: int) -> Recording:
    shared, groups = hdf5_members(file, where)
    if not groups:
        lengths, nbytes = motion_extent({name: data.shape for name, data in shared.items()})
        chosen, note = choose_windows(lengths, nbytes, budget)
        arrays = read_windows(_stored_arrays(shared, where), chosen if note else None)
        return Recording(trajectories_from_arrays(arrays, where), [note] if note else [])
    if "positions" in shared:
        raise DataError(
            "positions stand beside groups",
            where=where,
            remedy="Give either positions or one group for each run",
        )
    labelled: list[tuple[str, dict[str, h5py.Dataset]]] = []
    for index, name in enumerate(sorted(groups, key=_natural_sort_key)):
        label = f"{where}, run {index} (group {name!r})"
        datasets, inner = hdf5_members(groups[name], label)
        if inner:
            raise DataError("holds groups within a run", where=label, remedy="Give one group for each run")
        labelled.append((label, {**shared, **datasets}))
    extents = [motion_extent({name: data.shape for name, data in datasets.items()}) for _, datasets in labelled]
    for (label, _), (lengths, _) in zip(labelled, extents, strict=True):
        if len(lengths) > 1:
            raise DataError(
                f"holds {len(lengths)} runs", where=label, remedy="A group holds one run: positions (T N D)"
            )
    chosen, note = choose_windows(
        [lengths[0] if lengths else 0 for lengths, _ in extents], max(nbytes for _, nbytes in extents), budget
    )
    runs: list[Trajectory] = []
    for index, (label, datasets) in enumerate(labelled):
        windows = [FrameWindow(0, w.start, w.stop) for w in chosen if w.run == index]
        if windows:
            arrays = read_windows(_stored_arrays(datasets, label), windows if note else None)
            runs += trajectories_from_arrays(arrays, label, numbered=False)
    return Recording(runs, [note] if note else [])


def write_hdf5(path: Path, trajectories: Sequence[Trajectory]) -> None:
    """Write runs, with a checksum on every array.

    Args:
        path: the file to write.
        trajectories: the runs.

    Raises:
        StorageError: the file cannot be written.
    """
    stacked = arrays_from_trajectories(trajectories)

    def fill(temporary: Path) -> None:
        # from version 1.10 the structure of the file has checksums as well
        with h5py.File(temporary, "w", libver=("v110", "v110")) as file:
            if stacked is not None:
                _store(file, stacked)
                return
            for index, run in enumerate(trajectories):
                arrays = arrays_from_trajectories([run])
                assert arrays is not None
                _store(file.create_group(f"run_{index}"), {k: _without_run_axis(k, v) for k, v in arrays.items()})

    write_file_atomically(path, fill)


def hdf5_members(group: h5py.Group, where: str) -> tuple[dict[str, h5py.Dataset], dict[str, h5py.Group]]:
    """Return the arrays and groups that a group holds itself.

    Args:
        group: an open group.
        where: the file, for the error.

    Raises:
        DataError: a member is a link, or neither array nor group.
    """
    arrays: dict[str, h5py.Dataset] = {}
    groups: dict[str, h5py.Group] = {}
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise DataError(f"{name!r} is a link", where=where, remedy="Store the data itself; links are not followed")
        item = group[name]
        if isinstance(item, h5py.Group):
            groups[name] = item
        elif isinstance(item, h5py.Dataset):
            arrays[name] = item
        else:
            raise DataError(f"{name!r} is no array", where=where, remedy="Store arrays and groups only")
    return arrays, groups


def read_hdf5_array(dataset: h5py.Dataset, name: str, where: str, part: object = ()) -> np.ndarray:
    """Read an array, or ``part`` of it, if it is stored whole in the file itself and fits into memory.

    Args:
        dataset: the array in the file.
        name: its name, for the errors.
        where: the file, for the errors.
        part: an index of the part to read; all of it by default.

    Raises:
        DataError: the array is virtual, incomplete, too large or stored elsewhere, or holds no real numbers.
    """
    if dataset.is_virtual or dataset.external:
        raise DataError(
            f"array {name!r} is {'virtual' if dataset.is_virtual else 'stored in another file'}",
            where=where,
            remedy="Store the data in the file itself",
        )
    text = h5py.check_string_dtype(dataset.dtype) is not None
    if dataset.shape is None or (dataset.dtype.kind not in "fiub" and not (text and name in TEXT_ARRAYS)):
        raise DataError(
            f"array {name!r} holds {dataset.dtype}, which is not read",
            where=where,
            remedy="Store real numbers",
        )
    if part == ():
        check_fits_memory(dataset.size * dataset.dtype.itemsize, name, where)
    missing = dataset.size > 0 and not dataset.id.get_storage_size()
    if dataset.chunks is not None:
        whole = np.prod([-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True)])
        missing = dataset.id.get_num_chunks() < whole
    if missing:
        raise DataError(f"array {name!r} is incomplete", where=where, remedy="Write the file again")
    return np.asarray(dataset.asstr()[()]) if text else dataset[part]


@dataclass(frozen=True)
class _Hdf5Array:
    """A StoredArray of an HDF5 file."""

    dataset: h5py.Dataset
    name: str
    where: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.dataset.shape or ()

    def whole(self) -> np.ndarray:
        return read_hdf5_array(self.dataset, self.name, self.where)

    def frames(self, chosen: Sequence[FrameWindow]) -> np.ndarray:
        runs = len(self.shape) == 4
        parts = [(w.run, slice(w.start, w.stop)) if runs else slice(w.start, w.stop) for w in chosen]
        return np.stack([read_hdf5_array(self.dataset, self.name, self.where, part) for part in parts])


def _stored_arrays(datasets: Mapping[str, h5py.Dataset], where: str) -> dict[str, StoredArray]:
    return {name: _Hdf5Array(dataset, name, where) for name, dataset in datasets.items()}


def _store(group: h5py.Group, arrays: dict[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        if array.dtype.kind == "U":
            encoded = np.char.encode(array, "utf-8")
            array = encoded.astype(h5py.string_dtype("utf-8", max(encoded.dtype.itemsize, 1)))
        group.create_dataset(name, data=array, fletcher32=array.size > 0 or None)


def _without_run_axis(name: str, array: np.ndarray) -> np.ndarray:
    """Return the array of one run without the leading R, which a group does not have."""
    return array if name in ("times", "edges", "box", "cutoff", *TEXT_ARRAYS) else array[0]


def _natural_sort_key(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]
