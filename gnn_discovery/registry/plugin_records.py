"""Records that plug in from YAML files of the package, YAML files in the user's folder, and entry points."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from gnn_discovery.errors import DataError

BUILT_IN = "built in"
"""The origin of records that come with the package."""


@runtime_checkable
class NamedRecord(Protocol):
    """The protocol of what a record is turned into: it has a name."""

    @property
    def name(self) -> str:
        """Return the name, which is unique within its kind."""
        ...


T = TypeVar("T", bound=NamedRecord)


@dataclass(frozen=True)
class PluginRecords(Generic[T]):
    """A frozen record of all entries of one kind.

    Attributes:
        entries: the entries by name.
        origins: the origin of each by name: ``built in``, a file, or a package.
        broken: the files and entry points that could not be read, each with the reason.
    """

    entries: Mapping[str, T]
    origins: Mapping[str, str]
    broken: tuple[tuple[str, str], ...]


def user_folder() -> Path:
    """Return the folder of a user's own records, with one folder for each kind; GNN_DISCOVERY_HOME sets another."""
    from platformdirs import user_config_path

    return Path(os.environ.get("GNN_DISCOVERY_HOME") or user_config_path("gnn-discovery"))


def load_records(kind: str, package: str, make: Callable[[Mapping[str, Any], str], T]) -> PluginRecords[T]:
    """Load every record of a kind from the package, the user's folder and the entry points.

    A file holds one record or a list of them; an entry point is a record, several, or a function without arguments
    that returns them. A file or entry point is taken whole or not at all. If a name is given twice, the first stands.

    Args:
        kind: the records are read from ``kind/*.yaml`` in the package and in the user's folder, and from the entry
            points of the group ``gnn_discovery.kind``.
        package: dotted name of the package with the built-in records.
        make: a function that turns a record into an entry; its second argument names the source, for the errors.
    """
    entries: dict[str, T] = {}
    origins: dict[str, str] = {}
    broken = []
    for label, where, origin, load in _sources(kind, package):
        try:
            found: dict[str, T] = {}
            for entry in (make(record, where) for record in _as_records(load())):
                if entry.name in entries or entry.name in found:
                    raise DataError(f"there is a {entry.name!r} already", where=where, remedy="Give it another name")
                found[entry.name] = entry
        except (Exception, SystemExit) as error:  # whatever a plug-in does, the others stand
            broken.append((label, str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {error}"))
        else:
            entries |= found
            origins |= dict.fromkeys(found, origin)
    return PluginRecords(entries, origins, tuple(broken))


def _sources(kind: str, package: str) -> Iterator[tuple[str, str, str, Callable[[], Any]]]:
    """Yield the label of each source, its name in errors, the origin of its records, and a function that loads them."""
    for file in sorted((files(package) / kind).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            yield file.name, file.name, BUILT_IN, partial(_parse, file)
    for path in sorted((user_folder() / kind).glob("*.y*ml")):
        yield str(path), str(path), str(path), partial(_parse, path)
    for point in entry_points(group=f"gnn_discovery.{kind}"):
        origin = f"{point.dist.name} ({point.value})" if point.dist else point.value
        yield point.name, point.value, origin, point.load


def _parse(file: Traversable) -> Any:
    """Load a YAML file in a way that cannot run code."""
    import yaml

    return yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _as_records(value: Any) -> list[Mapping[str, Any]]:
    """Return the records that a loaded value holds: one, a list, or those that a function returns."""
    value = value() if callable(value) else value
    records = [value] if isinstance(value, Mapping) else [] if isinstance(value, str) else list(value or ())
    if not records or not all(isinstance(record, Mapping) for record in records):
        raise DataError("holds no record", remedy="A record is a mapping of its keys; a list holds several")
    return records
