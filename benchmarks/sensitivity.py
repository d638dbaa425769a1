"""Scale each number that decides by 1/3 and by 3; see if verdicts change: ``python benchmarks/sensitivity.py``.

Three systems of the verdict benchmark are discovered once, with criteria that record which stages read each field.
For each field these stages are then run again, in the same process, and the others where a stage before them returned
something else; where no stage reads it, nothing can change, and the table says that it is not read. Shares, quantiles
and probabilities are scaled by their odds, whole numbers are rounded and are one at least. That a candidate is found
again by other searches is taken as given. Fields that are done are kept in ``results/sensitivity/STAGE.FIELD.json``.
"""

from __future__ import annotations

import argparse
import json
import pickle
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import FunctionType
from typing import Any

import jax
import numpy as np
from command import HERE
from generated import Kind, generate, noisy
from table import markdown_table

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.trajectory import Trajectory
from gnn_discovery.errors import GnnDiscoveryError
from gnn_discovery.gnn.training import TrainingConfig
from gnn_discovery.pipeline import DiscoverConfig, Session, stages, trace_motion
from gnn_discovery.selection.simplification import signature
from gnn_discovery.validation.decision import decide
from gnn_discovery.validation.stability import SearchReplication

RESULTS = HERE / "results" / "sensitivity"
SEED = 0
"""Systems of this seed served for development: the table says how firm verdicts are, not how often they are right."""
SYSTEMS: dict[str, tuple[Kind, int, float]] = {
    "known": ("known", 5, 0.0),
    "altered": ("altered", 0, 0.0),
    "noisy": ("known", 8, 1e-3),
}
"""Each system by name: kind and number of the verdict benchmark, and noise of the positions."""
SHORT = TrainingConfig(steps=1000)
"""A quarter of the default training finds the laws of these systems too."""
FACTORS = {"1/3": 1 / 3, "3": 3.0}
STAGES = ("motion", "network", "traced", "messages", "candidates", "selected", "law", "validation", "verdict")
"""The stages of a discovery, in order, by the record that each returns."""
READ_BY_ENGINES = "search"
"""Engines read these criteria in a process of their own, so their first stage is taken to be the distillation."""
NOT_A_READING = ("__hash__", "__eq__", "__repr__", "__init__", "__post_init__", "__reduce__")


@dataclass
class Discovered:
    """The records of one discovery, stage by stage, and the stages that read each field of the criteria."""

    runs: tuple[Trajectory, ...]
    records: dict[str, Any] = field(default_factory=dict)
    read_at: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    outcome: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, runs: tuple[Trajectory, ...]) -> Discovered:
        """Run all stages with the default criteria, and record where each field is read."""
        found = cls(runs)
        session = _session(_recording(DEFAULT_CRITERIA, found))
        for name in STAGES:
            found.records[name] = None  # readings count for the stage that has begun
            found.records[name] = _record_of(name, found.records, runs, session)
            if name == "motion" and stages.is_consistent_with_no_force(found.records[name], session):
                raise ValueError("with the default criteria the motion has no law, so nothing after it can be varied")
        found.outcome = _outcome(found.records)
        return found

    def readers(self, stage: str, name: str) -> list[str]:
        """Return the stages of a discovery that read a field, in order."""
        read = set(self.read_at.get((stage, name), ()))
        if stage == READ_BY_ENGINES:
            read.add("candidates")
        return sorted(read, key=STAGES.index)

    def outcome_of(self, criteria: Criteria, readers: Sequence[str]) -> Mapping[str, Any]:
        """Return the outcome with these criteria, which differ in a field that only these stages read.

        A stage is run where it reads the field, or where a stage before it returned another record.
        """
        session, records, changed = _session(criteria), dict(self.records), False
        try:
            for name in STAGES:
                if not (changed or name in readers):
                    continue
                record = _record_of(name, records, self.runs, session)
                if changed or not _same(record, self.records[name]):
                    records[name], changed = record, True
                if name == "motion" and stages.is_consistent_with_no_force(record, session):
                    _, verdict = stages.validate_no_force(record, session)
                    return {"status": verdict.status, "match": verdict.match, "law": "none"}
        except (GnnDiscoveryError, np.linalg.LinAlgError) as failure:
            return {"status": "error", "match": None, "law": str(failure)}
        return _outcome(records) if changed else self.outcome


def _session(criteria: Criteria) -> Session:
    return Session(DiscoverConfig(seed=SEED, seeds=1, training=SHORT, criteria=criteria))


def _outcome(records: Mapping[str, Any]) -> dict[str, Any]:
    verdict, law = records["verdict"], records["law"]
    form = re.sub(r"\s+", " ", str(signature(law)))
    return {"status": verdict.status, "match": verdict.match, "law": str(law), "form": form}


def _same(one: Any, other: Any) -> bool:
    """Return whether two records hold the same; what cannot be compared counts as different."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if is_dataclass(one):
        return all(_same(getattr(one, part.name), getattr(other, part.name)) for part in fields(one))
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, np.ndarray | jax.Array):
        return (
            one.dtype == other.dtype
            and one.shape == other.shape
            and bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fc"))
        )
    if isinstance(one, FunctionType):
        held, others = ([cell.cell_contents for cell in f.__closure__ or ()] for f in (one, other))
        return one.__code__ is other.__code__ and _same(held, others)
    try:
        return pickle.dumps(one) == pickle.dumps(other)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False


def _record_of(name: str, done: Mapping[str, Any], runs: tuple[Trajectory, ...], session: Session) -> Any:
    """Return what a stage returns, given the records of the stages before it."""
    match name:
        case "motion":
            return stages.prepare_motion(runs, session)
        case "network":
            return stages.train_network(done["motion"], session)
        case "traced":
            return trace_motion(done["network"], done["motion"], session)
        case "messages":
            return stages.extract_messages(done["network"], done["traced"], session)
        case "candidates":
            return stages.distill_candidates(done["messages"], done["traced"], session)
        case "selected":
            return stages.select_candidate(done["candidates"], done["traced"], session)
        case "law":
            return stages.estimate_constants(done["selected"].selection.law, done["selected"].motion, session)
        case "validation":
            return stages.validate_law(done["law"], done["selected"], done["messages"], done["motion"], session)
    validation = done["validation"]
    context = replace(validation.context, seeds=SearchReplication(2, 2, 2))
    return decide(validation.results, context, criteria=session.criteria)


def _recording(criteria: Criteria, found: Discovered) -> Criteria:
    """Return equal criteria that write the stage of each reading of a field to ``found.read_at``."""

    def recorder(stage: str, part: Any) -> Any:
        names, plain = {one.name for one in fields(part)}, type(part)

        class Recorder(plain):  # type: ignore[misc, valid-type]
            def __getattribute__(self, name: str) -> Any:
                if name in names and sys._getframe(1).f_code.co_name not in NOT_A_READING:
                    found.read_at.setdefault((stage, name), set()).add(next(reversed(found.records), STAGES[0]))
                return super().__getattribute__(name)

            def __reduce__(self) -> Any:
                return plain, tuple(object.__getattribute__(self, one.name) for one in fields(plain))

        return Recorder(**{name: getattr(part, name) for name in names})

    return replace(criteria, **{one.name: recorder(one.name, getattr(criteria, one.name)) for one in fields(criteria)})


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
        bases[name] = Discovered.of(tuple(runs))
        print(name, bases[name].outcome, flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for k, (stage, name) in enumerate(missing):
        start = time.perf_counter()
        path, record = _path(stage, name), _cell(stage, name, bases)
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        if k % 8 == 7:
            jax.clear_caches()  # other criteria are other programs, and memory holds only so many
        print(f"{k + 1} of {len(missing)}  {stage}.{name}  {time.perf_counter() - start:.0f} s", flush=True)


def _cell(stage: str, name: str, bases: Mapping[str, Discovered]) -> dict[str, Any]:
    """Return the outcomes of all systems with one field scaled; None for a system that never reads it."""
    record: dict[str, Any] = {
        "default": getattr(getattr(DEFAULT_CRITERIA, stage), name),
        "base": {system: base.outcome for system, base in bases.items()},
        "read_at": {system: base.readers(stage, name) for system, base in bases.items()},
    }
    for label, factor in FACTORS.items():
        criteria = scaled(stage, name, factor)
        record[label] = {
            system: base.outcome_of(criteria, readers) if (readers := base.readers(stage, name)) else None
            for system, base in bases.items()
        }
    return record


def _path(stage: str, field: str) -> Path:
    return RESULTS / f"{stage}.{field}.json"


def write_table() -> str:
    """Write the table of whatever is there, and return a line on it."""
    rows, changed, done, unread = [], 0, 0, 0
    for stage, name in criteria_names():
        if not _path(stage, name).exists():
            continue
        record = json.loads(_path(stage, name).read_text(encoding="utf-8"))
        differences = [_difference(record, label) for label in FACTORS]
        done, changed = done + 1, changed + any(text not in ("same", "not read") for text in differences)
        unread += "not read" in differences
        rows.append((f"`{stage}.{name}`", json.dumps(record["default"]), *differences))
    count = len(list(criteria_names()))
    lines = [
        "# Sensitivity of verdicts to the numbers that decide",
        f"Made by `python benchmarks/sensitivity.py` from the cells in `sensitivity/`; {done} of {count} fields are "
        "done. Each number is scaled by 1/3 and by 3, and the discovery of three systems (a known law, an altered law, "
        "a known law seen with noise of 1e-3) is run again where a stage reads the number or "
        "where a stage before it returns something else. "
        f"**{changed} of {done}** change a verdict or the form of a law by that; {unread} are read in none of them.",
        markdown_table(("field", "default", "times 1/3", "times 3"), rows),
    ]
    (RESULTS.parent / "sensitivity.md").write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    return f"{done} of {count} fields, {changed} change something"


def _difference(record: Mapping[str, Any], label: str) -> str:
    """Say what changes where a field is scaled: system by system, status and match."""
    if not any(record["read_at"].values()):
        return "not read"
    said = []
    for name, base in record["base"].items():
        new = record[label][name] or base
        if (new["status"], new["match"]) != (base["status"], base["match"]):
            said.append(f"{name}: {new['status']}" + (f", {new['match']}" if new["match"] else ""))
        elif new.get("form") != base.get("form"):
            said.append(f"{name}: another form")
    return "; ".join(said) or "same"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--stage", choices=[stage.name for stage in fields(Criteria)], help="only the criteria of this stage"
    )
    parser.add_argument("--table", action="store_true", help="only write the table of what is there")
    asked = parser.parse_args()
    try:
        if not asked.table:
            run(asked.stage)
    finally:
        print(write_table())


if __name__ == "__main__":
    main()
