"""Records that plug in: YAML files that come with the package, those of the user's folder, and entry points."""

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


@runtime_checkable
class NamedRecord(Protocol):
    """What a record becomes."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=NamedRecord)


@dataclass(frozen=True)
class PluginRecords(Generic[T]):
    """All that is known of one kind.

    Attributes:
        entries: by name.
        origins: by name, where each comes from: ``built in``, a file, or a package.
        broken: what could not be read, a file or an entry point, and why.
    """

    entries: Mapping[str, T]
    origins: Mapping[str, str]
    broken: tuple[tuple[str, str], ...]


def user_folder() -> Path:
    """Where a user's own records lie, a folder a kind; GNN_DISCOVERY_HOME names another place."""
    from platformdirs import user_config_path

    return Path(os.environ.get("GNN_DISCOVERY_HOME") or user_config_path("gnn-discovery"))


def load_records(kind: str, package: str, make: Callable[[Mapping[str, Any], str], T]) -> PluginRecords[T]:
    """Every record of ``kind``: of ``kind/*.yaml`` in ``package``, of ``kind/*.yaml`` in the user's folder, and of
    the entry points of the group ``gnn_discovery.kind``.

    A file holds one record or a list of them; an entry point is a record, several, or a function without arguments
    that returns them. A file or entry point is taken whole or not at all, and no name twice: the first one stands.

    Args:
        make: the entry of a record; its second argument says whose record it is, for the errors.
    """
    entries: dict[str, T] = {}
    origins: dict[str, str] = {}
    broken = []
    for label, where, origin, load in _sources(kind, package):
        try:
            found = {}
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
    """Of each source: its label, its name in errors, the origin of its records, and what loads them."""
    for file in sorted((files(package) / kind).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            yield file.name, file.name, BUILT_IN, partial(_parse, file)
    for path in sorted((user_folder() / kind).glob("*.y*ml")):
        yield str(path), str(path), str(path), partial(_parse, path)
    for point in entry_points(group=f"gnn_discovery.{kind}"):
        origin = f"{point.dist.name} ({point.value})" if point.dist else point.value
        yield point.name, point.value, origin, point.load


def _parse(file: Traversable) -> Any:
    """The content of a YAML file; nothing in it can run code."""
    import yaml

    return yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _as_records(value: Any) -> list[Mapping[str, Any]]:
    value = value() if callable(value) else value
    records = [value] if isinstance(value, Mapping) else [] if isinstance(value, str) else list(value or ())
    if not records or not all(isinstance(record, Mapping) for record in records):
        raise DataError("holds no record", remedy="A record is a mapping of its keys; a list holds several")
    return records
