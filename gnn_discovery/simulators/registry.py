"""The registry of simulators: from what a user types to a simulator.

A user types a registered name, ``module:Name``, or ``path/to/file.py:name``.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from gnn_discovery.errors import DataError, UsageError
from gnn_discovery.simulators.function_dynamics import count_positional_arguments
from gnn_discovery.simulators.protocol import Simulator
from gnn_discovery.simulators.trajectory_source import TrajectorySource
from gnn_discovery.simulators.user_errors import USER_CODE_ERRORS, describe_error
from gnn_discovery.simulators.user_function import FunctionSimulator

SIMULATOR_GROUP = "gnn_discovery.simulators"
"""The entry-point group under which packages register simulators."""


@dataclass(frozen=True)
class SimulatorPlugin:
    """A frozen record of a registered simulator, or of the error with which it could not be loaded.

    Attributes:
        name: the registered name.
        value: the object that the name stands for, ``module:Name``.
        simulator: the simulator, where it could be loaded.
        error: the error in words, where it could not.
    """

    name: str
    value: str
    simulator: Simulator | None
    error: str | None = None

    @property
    def summary(self) -> str:
        """Return the first line of its documentation."""
        text = inspect.getdoc(type(self.simulator)) if self.simulator is not None else None
        return (text or "").partition("\n")[0]


def simulator_names() -> tuple[str, ...]:
    """Return the registered names, without loading anything."""
    return tuple(sorted({point.name for point in entry_points(group=SIMULATOR_GROUP)}))


def simulator_plugins() -> list[SimulatorPlugin]:
    """Return all registered simulators in the order of their names; a broken one is listed and harms no other."""
    found = []
    for name in simulator_names():
        points = _registered(name)
        value = " and ".join(point.value for point in points)
        try:
            found.append(SimulatorPlugin(name, value, _load(name)))
        except UsageError as error:
            found.append(SimulatorPlugin(name, value, None, error.what))
    return found


def resolve_simulator(spec: str) -> Simulator:
    """Return the simulator that ``spec`` names; modules of the working directory can be imported.

    Raises:
        UsageError: the name is unknown or ambiguous, a module or attribute does not exist, or a plug-in is broken.
        DataError: a file does not exist, its code fails while it is imported, or the object is no simulator.
    """
    if ":" not in spec and not spec.endswith(".py"):
        return _load(spec)
    return as_simulator(import_object(spec), spec)


def import_object(spec: str) -> Any:
    """Return the object that ``module:Name`` or ``path/to/file.py:name`` names.

    Raises:
        UsageError: the module or attribute does not exist.
        DataError: the file does not exist, or its code fails while it is imported.
    """
    place, _, attribute = spec.rpartition(":")
    if not place or not attribute:
        raise UsageError(
            f"{spec!r} names no object",
            remedy="Give module:Name or path/to/file.py:name, as in my_system.py:accelerations",
        )
    module = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    if not hasattr(module, attribute):
        public = [name for name in vars(module) if not name.startswith("_")]
        raise UsageError(f"there is no {attribute!r}", where=place, remedy=_suggest(attribute, public))
    return getattr(module, attribute)


def as_simulator(source: Any, where: str = "simulator") -> Simulator:
    """Return a simulator made from an object, a class, a bare function, or runs.

    An object with ``simulate`` is one already, and a class is instantiated. A function of no argument yields runs that
    exist, and one of a `SimulationConfig` yields the runs it asks for; any other function is an equation of motion,
    see `FunctionSimulator`.

    Args:
        source: the object.
        where: its name, for errors.

    Raises:
        DataError: the object is something else, or a class that cannot be made without arguments.
    """
    if inspect.isclass(source):
        try:
            source = source()
        except USER_CODE_ERRORS as error:
            raise DataError(
                f"the class cannot be made without arguments: {describe_error(error)}",
                where=where,
                remedy="Give every argument a default, or name an object in place of the class",
            ) from error
    if callable(getattr(source, "simulate", None)):
        return cast(Simulator, source)
    if callable(source):
        match count_positional_arguments(source):
            case 0:
                return TrajectorySource(lambda config: source(), recorded=True)
            case 1:
                return TrajectorySource(source)
        return FunctionSimulator(source, name=where)
    if isinstance(source, Iterable) and not isinstance(source, str | Mapping):
        runs = tuple(source)
        return TrajectorySource(lambda config: runs, recorded=True)
    raise DataError(
        f"a {type(source).__name__} is no simulator",
        where=where,
        remedy="Name a function accelerations(positions, velocities, properties) or potential(positions, properties), "
        "a class or object with simulate(config), or a list of trajectories",
    )


def _registered(name: str) -> list[EntryPoint]:
    """Return the entry points of that name, one for each object that it stands for."""
    return list({point.value: point for point in entry_points(group=SIMULATOR_GROUP) if point.name == name}.values())


def _load(name: str) -> Simulator:
    """Return the simulator of a registered name."""
    points = _registered(name)
    if not points:
        raise UsageError(f"unknown system {name!r}", remedy=_suggest(name, simulator_names()))
    if len(points) > 1:
        both = " and ".join(f"{p.value} (of {p.dist.name if p.dist else 'an unknown package'})" for p in points)
        raise UsageError(
            f"system {name!r} is ambiguous: {both}",
            remedy=f"Name the object, as in {points[0].value}, or remove one package",
        )
    try:
        return as_simulator(points[0].load(), name)
    except USER_CODE_ERRORS as error:
        raise UsageError(
            f"plug-in {name!r} ({points[0].value}) does not load: {describe_error(error)}",
            remedy="Repair or remove the package that brings it",
        ) from error


def _import_module(name: str) -> ModuleType:
    """Import a module by its name, from the working directory too."""
    _add_to_path(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(
                f"there is no module {name!r}",
                remedy="Call from the folder that holds it, or install its package",
            ) from error
        raise _import_failed(name, error) from error
    except USER_CODE_ERRORS as error:
        raise _import_failed(name, error) from error


def _import_file(path: Path) -> ModuleType:
    """Import a file, which can import its neighbours."""
    if not path.is_file():
        raise DataError("no such file", where=str(path), remedy="Check the path")
    _add_to_path(path.resolve().parent)
    name = f"_gnn_discovery_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise DataError("is no Python file", where=str(path), remedy="Give a file whose name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except USER_CODE_ERRORS as error:
        del sys.modules[name]
        raise _import_failed(str(path), error) from error
    return module


def _add_to_path(folder: Path) -> None:
    """Let Python import from a folder."""
    if os.fspath(folder) not in sys.path:
        sys.path.insert(0, os.fspath(folder))


def _import_failed(where: str, error: BaseException) -> DataError:
    """Return the error that says how the import of a user's code failed."""
    return DataError(
        f"the code fails while it is imported: {describe_error(error)}",
        where=where,
        remedy="Repair it, or install what it needs",
    )


def _suggest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """Return the known names that are nearest to a wrong one, in words."""
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Known: {', '.join(known)}" if known else "Nothing is known here"
