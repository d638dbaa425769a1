"""List systems, formats, engines and known laws, and tell what runs on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gnn_discovery.errors import EngineUnavailable, GnnDiscoveryError, UsageError
from gnn_discovery.registry.plugin_records import BUILT_IN
from gnn_discovery.runs import describe_machine, enable_compilation_cache, package_versions


def collect_inventory(section: str | None = None) -> dict[str, dict[str, Any]]:
    """Return name and description of all that is registered, by section; a broken plug-in stands with its error.

    Args:
        section: return this section alone. A known law is described by its whole record.

    Raises:
        UsageError: an unknown section.
    """
    sections = {
        "systems": list_systems,
        "graphs": list_graphs,
        "formats": list_formats,
        "engines": list_engines,
        "known_laws": list_known_laws,
        "properties": list_properties,
        "exports": list_exports,
    }
    chosen = sections if section is None else [section.replace("-", "_")]
    if unknown := set(chosen) - set(sections):
        shown = ", ".join(sections).replace("_", "-")
        raise UsageError(f"there is no section {unknown.pop()!r}", where="list", remedy=f"Choose from {shown}")
    return {name: sections[name]() for name in chosen}


def list_systems() -> dict[str, str]:
    """Describe each registered simulator."""
    from gnn_discovery.simulators import simulator_plugins

    return {p.name: _or_error(p.summary, p.error) for p in simulator_plugins()}


def list_graphs() -> dict[str, str]:
    """Describe each registered static graph."""
    from gnn_discovery.static_graphs import graph_generators

    found = {}
    for name, point in graph_generators().items():
        try:
            found[name] = _first_line(point.load()())
        except Exception as error:  # a plug-in may fail in any way
            found[name] = _or_error("", repr(error))
    return found


def list_formats() -> dict[str, str]:
    """Describe the format of each reader."""
    from gnn_discovery.data import readers

    return {p.name: _or_error(_first_line(p.reader), p.error) for p in readers.reader_plugins()}


def list_known_laws() -> dict[str, Any]:
    """Return the record of each known law, and its origin."""
    from gnn_discovery.catalogue.known_law import load_catalogue

    known = load_catalogue()
    bare = {law.name: {**law.record(), "origin": known.origins[law.name]} for law in known.laws if not law.softened}
    return {**bare, **{name: _or_error("", error) for name, error in known.broken}}


def list_properties() -> dict[str, str]:
    """Return the meaning of each known property of particles, and its origin where it is not built in."""
    from gnn_discovery.registry.properties import known_properties

    known = known_properties()
    return _plugin_entries({name: str(entry) for name, entry in known.entries.items()}, known.origins, known.broken)


def list_exports() -> dict[str, str]:
    """Describe each format of export."""
    from gnn_discovery.export import export_format_summaries

    return export_format_summaries()


def list_engines() -> dict[str, str]:
    """Tell in words for each engine whether it can run here."""
    from gnn_discovery.symbolic.search import engine_entries, get_engine

    found = {}
    for name in engine_entries():
        try:
            get_engine(name).available()
            found[name] = "ready"
        except EngineUnavailable as error:
            found[name] = f"cannot run here: {error}"
        except GnnDiscoveryError as error:
            found[name] = _or_error("", str(error))
    return found


def format_inventory(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the inventory as a few paragraphs; a single section shows its records in full."""
    paragraphs = []
    for title, entries in found.items():
        width = max(map(len, entries), default=0)
        rows = []
        for name, what in entries.items():
            first, *more = what.splitlines() if isinstance(what, str) else _law_lines(what)
            rows.append(f"  {name:<{width}}  {first}".rstrip())
            rows += [f"      {line}" for line in more if len(found) == 1]
        paragraphs.append("\n".join([title.replace("_", " ").capitalize(), *rows]))
    return "\n\n".join(paragraphs)


def _law_lines(law: Mapping[str, Any]) -> list[str]:
    """Return the lines of a known law: its force, kind, constants, range and reference."""
    constants = [f"{name}: {c['meaning']} ({c['unit']})" for name, c in law["constants"].items()]
    origin = "" if law["origin"] == BUILT_IN else f"  [{law['origin']}]"
    what = f"{law['kind']} {law['direction']}" + (f", {law['field']}" if law["field"] else "")
    where = [f"range: {law['range']}"] if law["range"] else []
    return [law["expression"] + origin, what, *constants, *where, law["reference"]]


def collect_diagnostics() -> dict[str, Any]:
    """Return versions, machine, devices that jax sees, engines, and the cache of compiled programs."""
    import jax

    enable_compilation_cache()
    folder = jax.config.values["jax_compilation_cache_dir"]
    files = [] if folder is None else [path for path in Path(folder).rglob("*") if path.is_file()]
    devices = [f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices()]
    return {
        "machine": describe_machine(),
        "devices": devices,
        "engines": list_engines(),
        "compiled": {"folder": folder, "bytes": sum(path.stat().st_size for path in files)},
        "versions": package_versions(),
    }


def format_diagnostics(found: Mapping[str, Any]) -> str:
    """Return the diagnostics, one a line."""
    rows = [f"machine   {found['machine']}", f"devices   {', '.join(found['devices'])}"]
    rows += [f"engine    {name}: {state}" for name, state in found["engines"].items()]
    kept, size = found["compiled"]["folder"], found["compiled"]["bytes"] / 1e6
    rows += ["compiled  nothing is kept" if kept is None else f"compiled  {size:.1f} MB of programs in {kept}"]
    rows += [f"version   {name} {version}" for name, version in found["versions"].items()]
    return "\n".join(rows)


def install_julia_packages() -> None:
    """Install Julia and the packages that PySR needs, in a child process that may go on line.

    Raises:
        EngineUnavailable: the installation failed.
    """
    env = {k: v for k, v in os.environ.items() if k != "PYTHON_JULIAPKG_OFFLINE"}
    child = subprocess.run([sys.executable, "-c", "import pysr"], env=env, stdout=sys.stderr, check=False)
    if child.returncode:
        raise EngineUnavailable(
            f"the installation ended with status {child.returncode}",
            where="Julia",
            remedy="See the messages above; it needs the network once",
        )


def _plugin_entries(
    entries: Mapping[str, str], origins: Mapping[str, str], broken: Iterable[tuple[str, str]]
) -> dict[str, str]:
    """Return records that plug in, with their origin where that is not the package."""
    foreign = {name: f"{what}  [{origins[name]}]" for name, what in entries.items() if origins[name] != BUILT_IN}
    return {**entries, **foreign, **{name: _or_error("", error) for name, error in broken}}


def _first_line(thing: object) -> str:
    return (type(thing).__doc__ or "").partition("\n")[0]


def _or_error(what: str, error: str | None) -> str:
    return what if error is None else f"broken: {error}"
