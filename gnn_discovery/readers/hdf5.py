"""The plain format as HDF5 with checksums; one group for each run where the runs differ in shape."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from gnn_discovery.errors import DataError
from gnn_discovery.readers.plain import TEXT, check_size, to_arrays, to_trajectories, write_whole
from gnn_discovery.trajectory import Trajectory

_CORRUPT = (OSError, RuntimeError, KeyError, ValueError, UnicodeDecodeError)


class Hdf5Reader:
    """Reads .h5; links, external storage and virtual datasets are refused, as they reach into other files."""

    name = "hdf5"

    def sniff(self, path: Path) -> bool:
        """The signature of HDF5."""
        with path.open("rb") as file:
            return file.read(8) == b"\x89HDF\r\n\x1a\n"

    def read(self, path: Path) -> list[Trajectory]:
        """The runs: of the root, or of its groups in the order of their names (2 before 10).

        Raises:
            DataError: a truncated or corrupt file, refused content, absurd sizes, or no trajectory.
        """
        where = str(path)
        try:
            with h5py.File(path, "r") as file:
                arrays, groups = _content(file, where)
                content = {name: _content(group, f"{where}, group {name!r}") for name, group in groups.items()}
        except DataError:
            raise
        except _CORRUPT as error:
            raise DataError(
                f"is truncated or corrupt ({error})", where=where, remedy="Copy it again, or write it again"
            ) from None
        if not content:
            return to_trajectories(arrays, where)
        if "positions" in arrays:
            raise DataError(
                "positions stand beside groups",
                where=where,
                remedy="Give either positions or one group for each run",
            )
        runs: list[Trajectory] = []
        for index, name in enumerate(sorted(content, key=_natural)):
            own, inner = content[name]
            label = f"{where}, run {index} (group {name!r})"
            if inner:
                raise DataError("holds groups within a run", where=label, remedy="Give one group for each run")
            mine = to_trajectories({**arrays, **own}, label, numbered=False)
            if len(mine) != 1:
                raise DataError(
                    f"holds {len(mine)} runs", where=label, remedy="A group holds one run: positions (T N D)"
                )
            runs += mine
        return runs


def write_hdf5(path: Path, trajectories: Sequence[Trajectory]) -> None:
    """Write runs, with a checksum on every array.

    Raises:
        StorageError: the file cannot be written.
    """
    stacked = to_arrays(trajectories)

    def fill(temporary: Path) -> None:
        # from version 1.10 the structure of the file has checksums as well
        with h5py.File(temporary, "w", libver=("v110", "v110")) as file:
            if stacked is not None:
                _store(file, stacked)
                return
            for index, run in enumerate(trajectories):
                arrays = to_arrays([run])
                assert arrays is not None
                _store(file.create_group(f"run_{index}"), {k: _single(k, v) for k, v in arrays.items()})

    write_whole(path, fill)


def _content(group: h5py.Group, where: str) -> tuple[dict[str, np.ndarray], dict[str, h5py.Group]]:
    arrays: dict[str, np.ndarray] = {}
    groups: dict[str, h5py.Group] = {}
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise DataError(f"{name!r} is a link", where=where, remedy="Store the data itself; links are not followed")
        item = group[name]
        if isinstance(item, h5py.Group):
            groups[name] = item
        elif isinstance(item, h5py.Dataset):
            arrays[name] = _array(item, name, where)
        else:
            raise DataError(f"{name!r} is no array", where=where, remedy="Store arrays and groups only")
    return arrays, groups


def _array(dataset: h5py.Dataset, name: str, where: str) -> np.ndarray:
    if dataset.is_virtual or dataset.external:
        raise DataError(
            f"array {name!r} is {'virtual' if dataset.is_virtual else 'stored in another file'}",
            where=where,
            remedy="Store the data in the file itself",
        )
    text = h5py.check_string_dtype(dataset.dtype) is not None
    if dataset.shape is None or (dataset.dtype.kind not in "fiub" and not (text and name in TEXT)):
        raise DataError(
            f"array {name!r} holds {dataset.dtype}, which is not read",
            where=where,
            remedy="Store real numbers",
        )
    check_size(dataset.size * dataset.dtype.itemsize, name, where)
    missing = dataset.size > 0 and not dataset.id.get_storage_size()
    if dataset.chunks is not None:
        whole = np.prod([-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True)])
        missing = dataset.id.get_num_chunks() < whole
    if missing:
        raise DataError(f"array {name!r} is incomplete", where=where, remedy="Write the file again")
    return np.asarray(dataset.asstr()[()]) if text else dataset[()]


def _store(group: h5py.Group, arrays: dict[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        if array.dtype.kind == "U":
            encoded = np.char.encode(array, "utf-8")
            array = encoded.astype(h5py.string_dtype("utf-8", max(encoded.dtype.itemsize, 1)))
        group.create_dataset(name, data=array, fletcher32=array.size > 0 or None)


def _single(name: str, array: np.ndarray) -> np.ndarray:
    """One run without the leading R, which a group does not have."""
    return array if name in ("times", "edges", "box", "cutoff", *TEXT) else array[0]


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]
