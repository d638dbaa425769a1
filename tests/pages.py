"""Follow a page of the docs: run its marked blocks in order in one folder.

A comment before a block says what it is:

* ``<!-- run -->``: shell or Python, run as it stands.
* ``<!-- file: NAME -->``: what the reader writes into a file.
* ``<!-- prints -->``: lines of what the block before prints; ``…`` stands for anything.
* ``<!-- not run: WHY -->``: a block that cannot be followed here.
* ``<!-- README: MARK -->``: a block of README.md, word for word, which is run there.

``python tests/pages.py PAGE`` follows a page in the working directory; the standard library is all it needs.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^(?:<!-- (?P<mark>[^\n]+?) -->\n)?```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block and the mark before it, if there is one."""

    mark: str | None
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [
        Block(found["mark"], found["language"], found["text"]) for found in _BLOCK.finditer(page.read_text("utf-8"))
    ]


def block(page: Path, mark: str) -> str:
    """Return the text of the block with that mark."""
    (found,) = (b.text for b in blocks(page) if b.mark == mark)
    return found


def follow(page: Path, folder: Path, here: Callable[[Block], str | None] = lambda _: None) -> None:
    """Follow the page in ``folder``.

    Args:
        page: the page.
        folder: the folder in which its blocks run.
        here: runs a block in this process, and returns what it printed; None leaves the block to a process of its own.

    Raises:
        AssertionError: a command fails, or does not print what the page says it prints.
    """
    printed = ""
    for part in blocks(page):
        match (part.mark or "").partition(": ")[0]:
            case "file":
                path = folder / part.mark.removeprefix("file: ")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(part.text, encoding="utf-8")
            case "run":
                said = here(part)
                printed = _run(part, folder) if said is None else said
            case "prints":
                for line in filter(None, part.text.splitlines()):
                    assert _was_printed(line, printed), f"{page.name} shows\n{line}\nand this was printed:\n{printed}"


def plain_commands(text: str) -> list[list[str]] | None:
    """Return the arguments of each ``gnn-discovery`` command of a shell block that holds nothing else, else None."""
    commands = []
    for line in text.splitlines():
        if not line.startswith("gnn-discovery ") or re.search(r"[\\$&|;<>#`]", re.sub(r"'[^']*'", "", line)):
            return None
        commands.append(shlex.split(line)[1:])
    return commands


def _was_printed(line: str, printed: str) -> bool:
    """Tell whether a line was printed, whatever the spaces in it."""
    pattern = ".*".join(re.escape(" ".join(part.split())) for part in line.split("…"))
    return any(re.fullmatch(pattern, " ".join(row.split())) for row in printed.splitlines())


def _run(part: Block, folder: Path) -> str:
    shell = [sys.executable] if part.language == "python" else ["bash", "-euo", "pipefail"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "GNN_DISCOVERY_HOME": str(folder / "home")}
    done = subprocess.run(
        [*shell, "-c", part.text],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{part.text}ends with {done.returncode}:\n{done.stdout}"
    return done.stdout


if __name__ == "__main__":
    follow(Path(sys.argv[1]), Path.cwd())
