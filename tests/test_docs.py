"""Run the examples of the docs as they stand, each page in a folder of its own, and look up every name in them."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from pages import Block, block, blocks, follow, plain_commands
from typer.testing import CliRunner

import gnn_discovery
from gnn_discovery.cli import app
from gnn_discovery.criteria import Criteria
from gnn_discovery.validation.verdict import CheckId

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
TUTORIAL = DOCS / "tutorial.md"
PAGES = {page.relative_to(DOCS).as_posix(): page for page in sorted(DOCS.rglob("*.md"))}
TEXTS = {**PAGES, "README.md": README, "CONTRIBUTING.md": ROOT / "CONTRIBUTING.md"}
GROUPS = {*tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]} | {
    "gnn_discovery.known_laws",
    "gnn_discovery.properties",
}
"""Groups of entry points; their names look like modules."""
FOLDERS = ("gnn_discovery", "simulations", "experiments", "tests", "benchmarks", "docs", "notebooks")


def runs(page: Path) -> bool:
    return any(part.mark == "run" for part in blocks(page))


def run_here(part: Block) -> str | None:
    """Run Python, and commands of the package, in this process: to import it takes longer than most of them."""
    if part.language == "python":
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(part.text, "page", "exec"), {"__name__": "__main__"})
        return printed.getvalue()
    commands = plain_commands(part.text)
    if commands is None:
        return None
    said = []
    for command in commands:
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, f"{command} ends with {result.exit_code}:\n{result.output}"
        said.append(result.output)
    return "".join(said)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if name != "tutorial.md" and runs(page)])
def test_no_step_of_a_page_fails(name, in_tmp, monkeypatch):
    """The tutorial trains: `.ci/run` follows it to the letter, on a fresh copy, each step in a process of its own."""
    monkeypatch.syspath_prepend(in_tmp)
    follow(PAGES[name], in_tmp, run_here)


@pytest.mark.parametrize("name", PAGES)
def test_every_example_is_run_or_says_why_not(name):
    for part in blocks(PAGES[name]):
        if part.language in ("sh", "python"):
            assert part.mark, part.text
        if part.mark and part.mark.startswith("README: "):
            assert part.text == block(README, part.mark.removeprefix("README: "))


def test_the_tutorial_installs_as_the_readme_does():
    """The README's command, which is run on a fresh copy, is that of the tutorial and the first discovery."""
    install, discover = [part.text for part in blocks(TUTORIAL) if part.language == "sh"][:2]
    steps = [line for line in install.splitlines() if not line.startswith("source ")]
    assert block(README, "command: main").strip().split(" \\\n  && ") == [*steps, f".venv/bin/{discover.strip()}"]


def exists(dotted: str) -> bool:
    """Tell whether a dotted name is a module, or an attribute or dataclass field of what a module defines."""
    parts = dotted.split(".")
    for k in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:k]))
        except ModuleNotFoundError:
            continue
        for name in parts[k:]:
            if name in getattr(found, "__dataclass_fields__", {}):
                return name == parts[-1]
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


@pytest.mark.parametrize("name", TEXTS)
def test_every_name_and_path_that_is_written_exists(name):
    """Names in backticks, as `gnn_discovery.laws.law.ForceLaw` or `tests/test_law.py`, and what examples import."""
    text = TEXTS[name].read_text("utf-8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    code = re.findall(r"`([^`\n]+)`", prose) + re.findall(r"^::: (\S+)$", text, re.M)
    dotted = {part for part in code if re.fullmatch(r"gnn_discovery\w*(\.\w+)+", part)} - GROUPS
    paths = {part for part in code if re.fullmatch(rf"({'|'.join(FOLDERS)})/[\w./*-]*", part)}
    for part in blocks(TEXTS[name]):
        if part.language == "python":
            for node in ast.walk(ast.parse(part.text)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gnn_discovery"):
                    dotted |= {f"{node.module}.{alias.name}" for alias in node.names}
    wrong = [part for part in sorted(dotted) if not exists(part)]
    wrong += [part for part in sorted(paths) if not any(ROOT.glob(part.rstrip("/")))]
    assert not wrong


def test_the_rooms_stand_in_the_order_of_their_imports():
    page = (DOCS / "architecture.md").read_text("utf-8")
    rooms = page.split("## The rooms")[1].split("Three packages")[0]
    rules = (ROOT / "tests" / "source_files.py").read_text("utf-8")
    order = rules.split("ORDER = (")[1].split("\n)")[0]
    assert re.findall(r"^\| `(\w+)` \|", rooms, re.M) == re.findall(r'"(\w+)"', order)


def test_the_lists_of_checks_and_criteria_are_whole():
    rows = re.findall(
        r"^\| (`.*?) \|", (DOCS / "reference" / "result.md").read_text("utf-8").split("## The checks")[1], re.M
    )
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == {*CheckId} - {CheckId.NETWORK_FOLLOWS_LAW}
    spec = importlib.util.spec_from_file_location("build", DOCS / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    listed = re.findall(r"^\| `(\w+)` \|", build.criteria(), re.M)
    assert listed == [field.name for stage in fields(Criteria) for field in fields(stage.default_factory)]


def test_every_command_that_is_shown_exists():
    shown = {name for page in PAGES.values() for name in re.findall(r"gnn-discovery ([a-z]+)", page.read_text("utf-8"))}
    assert {"discover", "inspect", "export", "resume", "simulate", "new", "list"} <= shown
    for name in shown:
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0, name


def test_the_reference_holds_every_public_name():
    page = (DOCS / "reference" / "python.md").read_text("utf-8")
    assert sorted(re.findall(r"^::: gnn_discovery\.(\w+)$", page, re.M)) == sorted(gnn_discovery.__all__)


def test_every_figure_has_its_command():
    makers = {node.name for node in ast.parse((DOCS / "figures.py").read_text("utf-8")).body if hasattr(node, "name")}
    shown = set(re.findall(r"\(figures/(\w+)\.svg\)", (DOCS / "method.md").read_text("utf-8")))
    assert shown == {path.stem for path in (DOCS / "figures").iterdir()} <= makers


@pytest.mark.slow
def test_a_broken_link_fails_the_build(tmp_path):
    """`.ci/run` builds the pages; here is one that must not be built."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("[gone](gone.md) and [nowhere](#nowhere)")
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    kept = settings[settings.index("validation:") :]
    (tmp_path / "mkdocs.yml").write_text(f"site_name: broken\nstrict: true\ntheme: mkdocs\n{kept}")
    build = subprocess.run([sys.executable, "-m", "mkdocs", "build"], cwd=tmp_path, capture_output=True, text=True)
    assert build.returncode and "gone.md" in build.stderr and "#nowhere" in build.stderr
