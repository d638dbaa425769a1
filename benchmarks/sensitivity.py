"""Scale each number that decides by 1/3 and by 3; see if verdicts change: ``python benchmarks/sensitivity.py``.

Three systems of the verdict benchmark are discovered once; for each field of `gnn_discovery.criteria` the stages from
the first that it can reach are then run again, in the same process. Shares, quantiles and probabilities are scaled by
their odds, whole numbers are rounded and are one at least. That a candidate is found again by other searches is taken
as given. Fields that are done are kept in ``results/sensitivity/STAGE.FIELD.json``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from command import HERE
from generated import Kind, generate, noisy
from table import markdown_table

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import GnnDiscoveryError
from gnn_discovery.pipeline import DiscoverConfig, Session, stages
from gnn_discovery.selection.simplification import signature
from gnn_discovery.validation.decision import decide
from gnn_discovery.validation.stability import SearchReplication

RESULTS = HERE / "results" / "sensitivity"
SEED = 0
"""Systems of this seed served for development: the table says how firm verdicts are, not how often they are right."""
SYSTEMS: dict[str, tuple[Kind, int, float]] = {
    "known": ("known", 1, 0.0),
    "altered": ("altered", 0, 0.0),
    "noisy": ("known", 1, 1e-3),
}
"""Each system by name: kind and number of the verdict benchmark, and noise of the positions."""
FACTORS = {"1/3": 1 / 3, "3": 3.0}
FIRST_STAGE = {
    "noise": 0,
    "training": 1,
    "visibility": 2,
    "structure": 3,
    "search": 3,
    "selection": 4,
    "estimation": 4,
    "equivalence": 4,
    "verdict": 4,
}
"""The first stage of a discovery that criteria of this kind can reach: motion, training, messages, distillation,
selection."""


@dataclass
class Discovered:
    """The records of one discovery, stage by stage."""

    runs: tuple[Trajectory, ...]
    motion: stages.PreparedMotion | None = None
    network: Any = None
    messages: Any = None
    candidates: Any = None
    outcome: Mapping[str, Any] | None = None

    def outcome_from(self, first: int, criteria: Criteria) -> Discovered:
        """Run the stages from ``first`` on with these criteria, and return their records and outcome."""
        session = Session(DiscoverConfig(seed=SEED, seeds=1, criteria=criteria))
        found = replace(self)
        try:
            if first <= 0:
                found.motion = stages.prepare_motion(self.runs, session)
            assert found.motion is not None
            if stages.is_consistent_with_no_force(found.motion, session):
                _, verdict = stages.validate_no_force(found.motion, session)
                found.outcome = {"status": verdict.status, "match": verdict.match, "law": "none"}
                return found
            if first <= 1:
                found.network = stages.train_network(found.motion, session)
            if first <= 2:
                found.messages = stages.extract_messages(found.network, found.motion, session)
            if first <= 3:
                found.candidates = stages.distill_candidates(found.messages, found.motion, session)
            selected = stages.select_candidate(found.candidates, found.motion, session)
            law = stages.estimate_constants(selected.selection.law, found.motion, session)
            validation = stages.validate_law(law, selected, found.messages, found.motion, session)
        except (GnnDiscoveryError, np.linalg.LinAlgError) as failure:
            found.outcome = {"status": "error", "match": None, "law": str(failure)}
            return found
        context = replace(validation.context, seeds=SearchReplication(2, 2, 2))
        verdict = decide(validation.results, context, criteria=criteria)
        form = re.sub(r"\s+", " ", str(signature(law)))
        found.outcome = {"status": verdict.status, "match": verdict.match, "law": str(law), "form": form}
        return found


def criteria_names() -> Iterator[tuple[str, str]]:
    """Yield every field as (stage, field)."""
    for stage in fields(Criteria):
        yield from ((stage.name, one.name) for one in fields(getattr(DEFAULT_CRITERIA, stage.name)))


def scaled(stage: str, name: str, factor: float) -> Criteria:
    """Return the default criteria with one field scaled."""
    part = getattr(DEFAULT_CRITERIA, stage)
    value = _scaled(getattr(part, name), factor, name)
    return replace(DEFAULT_CRITERIA, **{stage: replace(part, **{name: value})})


def _scaled(value: Any, factor: float, name: str) -> Any:
    match value:
        case bool() | str():
            return value
        case tuple():
            return tuple(_scaled(part, factor, name) for part in value)
        case int():
            return max(1, round(value * factor))
        case float() if 0 < value < 1 and re.search("share|fraction|quantile|probability|coverage|agreement", name):
            odds = factor * value / (1 - value)
            return odds / (1 + odds)
        case float():
            return value * factor
    return value


def run(only: str | None) -> None:
    """Fill the results that are missing, of one stage or of all."""
    missing = [(s, f) for s, f in criteria_names() if only in (None, s) and not _path(s, f).exists()]
    if not missing:
        return
    bases = {}
    for name, (kind, number, noise) in SYSTEMS.items():
        _, runs = generate(kind, number, SEED)
        runs = noisy(runs, noise, SEED) if noise else runs
        bases[name] = Discovered(tuple(runs)).outcome_from(0, DEFAULT_CRITERIA)
        print(name, bases[name].outcome, flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for k, (stage, field) in enumerate(missing):
        start = time.perf_counter()
        record: dict[str, Any] = {"default": getattr(getattr(DEFAULT_CRITERIA, stage), field)}
        for (label, factor), (name, base) in itertools.product(FACTORS.items(), bases.items()):
            criteria = scaled(stage, field, factor)
            outcome = base.outcome_from(FIRST_STAGE[stage], criteria).outcome
            record.setdefault(label, {})[name] = outcome
        record["base"] = {name: base.outcome for name, base in bases.items()}
        _path(stage, field).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(f"{k + 1} of {len(missing)}  {stage}.{field}  {time.perf_counter() - start:.0f} s", flush=True)


def _path(stage: str, field: str) -> Path:
    return RESULTS / f"{stage}.{field}.json"


def write_table() -> str:
    """Write the table of whatever is there, and return a line on it."""
    rows, changed, done = [], 0, 0
    for stage, field in criteria_names():
        if not _path(stage, field).exists():
            continue
        record = json.loads(_path(stage, field).read_text(encoding="utf-8"))
        differences = [_difference(record, label) for label in FACTORS]
        done, changed = done + 1, changed + any(text != "same" for text in differences)
        rows.append((f"`{stage}.{field}`", str(record["default"]), *differences))
    count = len(list(criteria_names()))
    lines = [
        "# Sensitivity of verdicts to the numbers that decide",
        f"Made by `python benchmarks/sensitivity.py` from the cells in `sensitivity/`; {done} of {count} fields are "
        "done. Each number is scaled by 1/3 and by 3, and the discovery of three systems (a known law, an altered law, "
        "a known law seen with noise of 1e-3) is run again from the first stage that the number can reach. "
        f"**{changed} of {done}** change a verdict or the form of a law by that.",
        markdown_table(("field", "default", "times 1/3", "times 3"), rows),
    ]
    (RESULTS.parent / "sensitivity.md").write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    return f"{done} of {count} fields, {changed} change something"


def _difference(record: Mapping[str, Any], label: str) -> str:
    """Say what changes where a field is scaled: system by system, status and match."""
    said = []
    for name, base in record["base"].items():
        new = record[label][name]
        if (new["status"], new["match"]) != (base["status"], base["match"]):
            said.append(f"{name}: {new['status']}" + (f", {new['match']}" if new["match"] else ""))
        elif new.get("form") != base.get("form"):
            said.append(f"{name}: another form")
    return "; ".join(said) or "same"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", choices=list(FIRST_STAGE), help="only the criteria of this stage")
    parser.add_argument("--table", action="store_true", help="only write the table of what is there")
    asked = parser.parse_args()
    try:
        if not asked.table:
            run(asked.stage)
    finally:
        print(write_table())


if __name__ == "__main__":
    main()
