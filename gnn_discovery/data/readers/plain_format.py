"""The plain format, named arrays that hold runs of equal shape, and the code that .npz and .h5 share.

``positions`` (R T N D), or (T N D) for one run; ``times`` (T) or (R T); optional ``velocities`` and
``accelerations`` like ``positions``; ``box`` (D) when periodic; ``cutoff`` (1), a distance beyond which
pairs do not interact; ``edges`` (E 2) when only some pairs interact; ``names`` (N) and ``units`` (K 2;
what, unit) as text. Any other array (R N) or (N) is a property of the particles.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from gnn_discovery.data.trajectory import Trajectory, validate_trajectory
from gnn_discovery.errors import DataError, StorageError

MOTION_ARRAYS = ("positions", "velocities", "accelerations")
"""These arrays have one vector for each particle and frame."""
RESERVED_ARRAYS = (*MOTION_ARRAYS, "times", "box", "cutoff", "edges", "names", "units")
"""These names are no properties of particles."""
TEXT_ARRAYS = ("names", "units")
"""These arrays hold texts."""


def trajectories_from_arrays(arrays: Mapping[str, np.ndarray], where: str, numbered: bool = True) -> list[Trajectory]:
    """Return the validated runs that the arrays hold.

    Args:
        arrays: arrays by name, as read from a file.
        where: the file (and group), for the errors.
        numbered: True if the errors number the runs; False if ``where`` names the only one.

    Raises:
        DataError: an array is missing, or its shape does not fit ``positions``.
    """
    for name in ("positions", "times"):
        if name not in arrays:
            raise DataError(
                f"no array {name!r}, only {', '.join(sorted(arrays)) or 'nothing'}",
                where=where,
                remedy="A trajectory needs positions (R T N D) and times (T)",
            )
    shape = arrays["positions"].shape
    if len(shape) not in (3, 4) or 0 in shape:
        raise DataError(
            f"positions have shape {shape}", where=where, remedy="Give (R T N D): run, time, particle, space"
        )
    if len(shape) == 3:
        arrays = {name: array[None] if name in MOTION_ARRAYS else array for name, array in arrays.items()}
    runs, frames, count, dim = arrays["positions"].shape

    def of_each(name: str, single: tuple[int, ...], shared: bool) -> list[np.ndarray]:
        """Return the array of each run: one row of (R, *single), or the same array for all."""
        array = arrays[name]
        if array.shape == (runs, *single):
            return list(array)
        if shared and array.shape == single:
            return [array] * runs
        raise DataError(
            f"array {name!r} has shape {array.shape}, with positions of shape {shape}",
            where=where,
            remedy=f"It needs shape {(runs, *single)}"
            + (f" or {single}" if shared else "")
            + ("" if name in RESERVED_ARRAYS else "; arrays of other names are properties of the particles"),
        )

    motion = {name: of_each(name, (frames, count, dim), False) for name in MOTION_ARRAYS if name in arrays}
    times = of_each("times", (frames,), True)
    properties = {name: of_each(name, (count,), True) for name in arrays if name not in RESERVED_ARRAYS}
    names, units = _parse_names(arrays.get("names"), where), _parse_units(arrays.get("units"), where)
    return [
        validate_trajectory(
            Trajectory(
                positions=motion["positions"][run],
                times=times[run],
                velocities=motion["velocities"][run] if "velocities" in motion else None,
                accelerations=motion["accelerations"][run] if "accelerations" in motion else None,
                properties={name: column[run] for name, column in properties.items()},
                edges=arrays.get("edges"),
                box=arrays.get("box"),
                cutoff=_parse_cutoff(arrays.get("cutoff"), where),
                names=names,
                units=units,
            ),
            f"{where}, run {run}" if numbered else where,
        )
        for run in range(runs)
    ]


def arrays_from_trajectories(trajectories: Sequence[Trajectory]) -> dict[str, np.ndarray] | None:
    """Stack the arrays of runs of equal shape and kind, or return None if the runs differ in more than numbers."""
    first = trajectories[0]
    if any(_shape_and_kind(run) != _shape_and_kind(first) for run in trajectories):
        return None
    same_times = all(np.array_equal(run.times, first.times) for run in trajectories)
    arrays = {"times": first.times if same_times else np.stack([run.times for run in trajectories])}
    for name in MOTION_ARRAYS:
        if getattr(first, name) is not None:
            arrays[name] = np.stack([getattr(run, name) for run in trajectories])
    for name in first.properties:
        arrays[name] = np.stack([run.properties[name] for run in trajectories])
    if first.edges is not None:
        arrays["edges"] = first.edges
    if first.box is not None:
        arrays["box"] = first.box
    if first.cutoff is not None:
        arrays["cutoff"] = np.array([first.cutoff])
    if first.names is not None:
        arrays["names"] = np.array(first.names)
    if first.units:
        arrays["units"] = np.array(sorted(first.units.items()))
    return arrays


def check_fits_memory(nbytes: int, name: str, where: str) -> None:
    """Refuse, before anything is read, an array that does not fit into the free memory.

    Args:
        nbytes: bytes that the array claims.
        name: name of the array.
        where: the file, for the error.

    Raises:
        DataError: there is not enough free memory.
    """
    free = _free_memory()
    if nbytes > free:
        raise DataError(
            f"array {name!r} claims {nbytes / 1e9:.3g} GB, and {free / 1e9:.3g} GB of memory are free",
            where=where,
            remedy="Check the file, or keep fewer frames or runs",
        )


def write_file_atomically(path: Path, fill: Callable[[Path], None]) -> None:
    """Write a file whole or not at all: into a temporary file beside it, which then takes its place.

    Args:
        path: the file to write.
        fill: a function that writes the content into the file it is given.

    Raises:
        StorageError: the file cannot be written; nothing is left behind.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        fill(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        raise StorageError(
            f"cannot be written ({error.strerror or error})",
            where=str(path),
            remedy="Check that the folder exists, may be written and has room",
        ) from None
    finally:
        if temporary is not None:
            with suppress(FileNotFoundError):
                temporary.unlink()


def _shape_and_kind(run: Trajectory) -> tuple[object, ...]:
    """Return what runs must share to be stacked."""
    return (
        run.positions.shape,
        run.velocities is None,
        run.accelerations is None,
        sorted(run.properties),
        None if run.edges is None else run.edges.tolist(),
        None if run.box is None else run.box.tolist(),
        run.cutoff,
        run.names,
        dict(run.units),
    )


def _parse_cutoff(array: np.ndarray | None, where: str) -> float | None:
    if array is None:
        return None
    if array.size != 1:
        raise DataError(f"cutoff has shape {array.shape}", where=where, remedy="Give one distance for all pairs")
    return float(array.reshape(()))


def _parse_names(array: np.ndarray | None, where: str) -> tuple[str, ...] | None:
    if array is None:
        return None
    if array.ndim != 1:
        raise DataError(f"names have shape {array.shape}", where=where, remedy="Give one name for each particle")
    return tuple(str(name) for name in array)


def _parse_units(array: np.ndarray | None, where: str) -> dict[str, str]:
    if array is None or array.size == 0:
        return {}
    if array.ndim != 2 or array.shape[1] != 2:
        raise DataError(
            f"units have shape {array.shape}",
            where=where,
            remedy="Give (K 2) texts, as in [['length', 'AU']]",
        )
    return {str(what): str(unit) for what, unit in array}


def _free_memory() -> int:
    """Return the bytes that are free or easily freed, or all of the memory if the system does not tell."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
