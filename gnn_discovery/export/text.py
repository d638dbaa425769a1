"""Text (YAML) that says everything about the law; `gnn-discovery check` reads it back from a file .yaml."""

from __future__ import annotations

import yaml

from gnn_discovery.errors import DataError
from gnn_discovery.export.base import DistanceRange, file_header
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.serialisation import from_dict, to_dict


def write(law: ForceLaw, distances: DistanceRange) -> str:
    """The text; see `base.Format`."""
    record = yaml.safe_dump(to_dict(law), sort_keys=False, width=110, default_flow_style=None)
    return f"{file_header(law, prefix='# ')}\n{record}"


def law_from_yaml(text: str) -> ForceLaw:
    """The law of a text that `write` made, or a person.

    Raises:
        DataError: no law.
    """
    try:
        record = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"is no YAML ({' '.join(str(error).split())})") from None
    return from_dict(record)
