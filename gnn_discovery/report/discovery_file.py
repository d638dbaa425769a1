"""Write and read discovery.json, the machine-readable result: strict JSON, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, cast

from gnn_discovery.errors import DataError
from gnn_discovery.laws.latex import law_latex
from gnn_discovery.laws.serialisation import to_dict
from gnn_discovery.report.discovery import Discovery, GoodnessOfFit
from gnn_discovery.runs.files import to_json_values
from gnn_discovery.validation.verdict import Verdict

SCHEMA_VERSION = "1"

_REQUIRED_KEYS: dict[str, type] = {
    "source": str,
    "particles": list,
    "law": dict,
    "verdict": dict,
    "fit": dict,
    "assumptions": list,
    "messages": dict,
    "seconds": dict,
    "seed": int,
    "versions": dict,
    "data_sha256": str,
}
_REQUIRED_LAW_KEYS: dict[str, type] = {
    "terms": list,
    "order": int,
    "text": str,
    "latex": str,
    "latent_properties": dict,
}


def discovery_to_json(discovery: Discovery) -> dict[str, Any]:
    """Return the result as plain lists, dicts and numbers; a number that was not measured is None, never NaN."""
    law = discovery.law
    record = {
        "schema_version": SCHEMA_VERSION,
        "source": discovery.source,
        "particles": discovery.particles,
        "law": {**to_dict(law), "text": str(law), "latex": law_latex(law)},
        "verdict": _verdict_record(discovery.verdict),
        "fit": {name: _by_distribution(getattr(discovery.fit, name)) for name in GoodnessOfFit.__dataclass_fields__},
        "known_laws": [
            {
                "name": known.name,
                "error": _by_distribution(known.error),
                "relative_error": _by_distribution(known.relative),
            }
            for known in discovery.known_laws
        ],
        "assumptions": discovery.assumptions,
        "messages": {} if discovery.messages is None else discovery.messages.to_json(),
        "reference": discovery.reference,
        "seconds": discovery.seconds,
        "seed": discovery.seed,
        "command": discovery.command,
        "criteria": discovery.criteria,
        "versions": discovery.versions,
        "data_sha256": discovery.data_sha256,
    }
    return {name: to_json_values(value) for name, value in record.items()}


def _verdict_record(verdict: Verdict) -> dict[str, Any]:
    checks = [
        {
            "id": str(check.id),
            "role": check.role,
            "name": check.label,
            "passed": check.passed,
            "figure": check.figure,
            "detail": check.detail,
        }
        for check in verdict.checks
    ]
    return {
        "status": verdict.status,
        "match": verdict.match,
        "alternatives": verdict.alternatives,
        "reason": verdict.reason,
        "checks": checks,
    }


def read_discovery_json(path: str | Path) -> dict[str, Any]:
    """Return the contents of a discovery.json, as `discovery_to_json` made them.

    Raises:
        DataError: the file is missing, is no strict JSON (NaN counts), has another schema version, or a part of it is
            missing or of a wrong type.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror})", where=str(path), remedy="Give the path of a discovery.json"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"is no strict JSON ({error})", where=str(path), remedy="Give a discovery.json as it was written"
        ) from error
    version = record.get("schema_version") if isinstance(record, dict) else None
    if version != SCHEMA_VERSION:
        raise DataError(
            f"schema_version is {version!r}, this program reads {SCHEMA_VERSION!r}",
            where=str(path),
            remedy="Make the result again with this version, or read it with the one that wrote it",
        )
    _check_keys(record, _REQUIRED_KEYS, str(path), "")
    _check_keys(record["law"], _REQUIRED_LAW_KEYS, str(path), "law.")
    return cast("dict[str, Any]", record)


def _check_keys(part: Mapping[str, Any], required: Mapping[str, type], where: str, prefix: str) -> None:
    for name, kind in required.items():
        if name not in part:
            raise DataError(f"{prefix}{name} is missing", where=where, remedy="The file is not whole: make it again")
        if not isinstance(part[name], kind) or isinstance(part[name], bool):
            raise DataError(
                f"{prefix}{name} is of type {type(part[name]).__name__}, expected {kind.__name__}",
                where=where,
                remedy="The file was changed: make it again",
            )


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _by_distribution(pair: tuple[float | None, float | None]) -> dict[str, float | None]:
    return {"in_distribution": pair[0], "out_of_distribution": pair[1]}
