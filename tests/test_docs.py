"""What the docs show is done as it stands there, in a folder of its own."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import block, blocks, follow
from typer.testing import CliRunner

import gnn_discovery
from gnn_discovery.cli import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
TUTORIAL = DOCS / "tutorial.md"
PAGES = {page.relative_to(DOCS).as_posix(): page for page in sorted(DOCS.rglob("*.md"))}


def runs(page: Path) -> bool:
    return any(part.mark == "run" for part in blocks(page))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if name != "tutorial.md" and runs(page)])
def test_no_step_of_a_page_fails(name, tmp_path):
    """The tutorial trains: `.ci/run` follows it to the letter, on a fresh copy."""
    follow(PAGES[name], tmp_path)


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
