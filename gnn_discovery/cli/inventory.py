"""What is there: systems, formats, engines, known laws; and whether it runs on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from gnn_discovery.errors import EngineUnavailable, GnnDiscoveryError
from gnn_discovery.runs import machine, versions


def everything() -> dict[str, dict[str, str]]:
    """Name and description of all that is registered; a broken plug-in stands with its error."""
    from gnn_discovery import readers
    from gnn_discovery.physics.catalogue import catalogue
    from gnn_discovery.simulator import plugins

    known = catalogue()
    return {
        "systems": {p.name: _or_error(p.summary, p.error) for p in plugins()},
        "formats": {p.name: _or_error(_first_line(p.reader), p.error) for p in readers.plugins()},
        "engines": engines(),
        "known_laws": {
            **{law.name: law.expression.text for law in known.laws if law.softened is None},
            **{name: _or_error("", error) for name, error in known.broken},
        },
    }


def engines() -> dict[str, str]:
    """Whether each engine can run here, in words."""
    from gnn_discovery.symbolic import engine_entries, get_engine

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


def text(found: Mapping[str, Mapping[str, str]]) -> str:
    """The inventory as a few paragraphs."""
    paragraphs = []
    for title, entries in found.items():
        width = max(map(len, entries), default=0)
        rows = [f"  {name:<{width}}  {what}".rstrip() for name, what in entries.items()]
        paragraphs.append("\n".join([title.replace("_", " ").capitalize(), *rows]))
    return "\n\n".join(paragraphs)


def health() -> dict[str, Any]:
    """Versions, machine, devices that jax sees, engines."""
    import jax

    devices = [f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices()]
    return {"machine": machine(), "devices": devices, "engines": engines(), "versions": versions()}


def health_text(found: Mapping[str, Any]) -> str:
    """The state of things, one a line."""
    rows = [f"machine   {found['machine']}", f"devices   {', '.join(found['devices'])}"]
    rows += [f"engine    {name}: {state}" for name, state in found["engines"].items()]
    rows += [f"version   {name} {version}" for name, version in found["versions"].items()]
    return "\n".join(rows)


def install_julia() -> None:
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


def _first_line(thing: object) -> str:
    return (type(thing).__doc__ or "").partition("\n")[0]


def _or_error(what: str, error: str | None) -> str:
    return what if error is None else f"broken: {error}"
