"""Implement the command `check`: it judges a stated law by motion, or by its form alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnn_discovery import pipeline
from gnn_discovery.catalogue.recognition import recognise
from gnn_discovery.cli.run_commands import read_law_file, validate_run
from gnn_discovery.criteria import DEFAULT_CRITERIA
from gnn_discovery.errors import UsageError
from gnn_discovery.laws.parser import parse_law
from gnn_discovery.report.wording import is_property_not_kept
from gnn_discovery.runs import RunDirectory
from gnn_discovery.types import OrderSetting

if TYPE_CHECKING:
    from gnn_discovery.laws.law import ForceLaw
    from gnn_discovery.pipeline import Validation
    from gnn_discovery.validation.verdict import Check, Verdict

_CHECK_OUTCOMES = {True: "passed", False: "failed", None: "not made"}


def judge_stated_law(
    stated: str, source: str | None, *, seed: int, order: OrderSetting, distances: tuple[float, float]
) -> dict[str, Any]:
    """Return the verdict on a law that somebody stated or that a run match.

    Args:
        stated: a formula, a file with a law, or a run directory.
        source: motion that the law is held against. Without it a run is judged as `discover` does, with its network
            and its own motion, and a formula is compared with known laws by its form alone.
        seed: seed of the choice of the runs that are held out.
        order: order of the equation of motion, for a formula; ``auto`` takes that of the motion, and 2 without any.
        distances: the range over which forms are compared.

    Raises:
        UsageError, DataError: the law, or the motion, is not valid.
    """
    for argument in (stated, source or ""):
        if argument.startswith("--"):
            raise UsageError(f"there is no option {argument.partition('=')[0]}", remedy="`check --help` lists them")
    if source is None and Path(stated).is_dir():
        with RunDirectory.open(Path(stated)) as run:
            return _describe(*validate_run(run, quiet=True))
    law = read_law_file(Path(stated)) if _is_file(stated) else parse_law(stated, 1 if order == 1 else 2)
    if source is None:
        return _check_form_only(law, distances)
    config = pipeline.DiscoverConfig(seed=seed)
    if Path(stated).is_dir():
        config, _ = pipeline.load_run_config(RunDirectory(Path(stated)))
    session = pipeline.Session(replace(config, order=law.order if _is_file(stated) else order, known=None))
    motion = pipeline.prepare_motion(source, session)
    if not _is_file(stated):
        law = pipeline.fit_stated_law(parse_law(stated, motion.dataset.train.order), motion.dataset, session)
    return _describe(law, *pipeline.check_law(law, motion, session))


def _describe(law: ForceLaw, validation: Validation, verdict: Verdict) -> dict[str, Any]:
    return {
        "law": str(law),
        "status": verdict.status,
        "match": verdict.match,
        "alternatives": list(verdict.alternatives),
        "reason": verdict.reason,
        "error": validation.fit.law_error[0],
        "r2": validation.fit.r2[0],
        "checks": [_format_check(check) for check in verdict.checks],
    }


def _format_check(check: Check) -> str:
    """Return a check in a line, with its figure."""
    outcome = "not kept" if is_property_not_kept(check) else _CHECK_OUTCOMES[check.passed]
    figure = "" if check.figure is None else f", {check.figure:.2g}"
    return f"{check.label}: {outcome}{figure} ({check.detail})"


def _is_file(stated: str) -> bool:
    """Return True where a law is named by a file or a run, there or missing, and not spelt out."""
    return Path(stated).exists() or stated.endswith((".json", ".yaml", ".yml"))


def _check_form_only(law: ForceLaw, distances: tuple[float, float]) -> dict[str, Any]:
    match = recognise(law, distances, criteria=DEFAULT_CRITERIA)
    return {
        "law": str(match.law),
        "status": match.status,
        "match": match.match,
        "alternatives": list(match.alternatives),
        "nearest": dict(match.nearest),
        "compared_over": match.over,
    }
