"""Text (YAML) that says everything about the law; `gnn-discovery check` reads it back from a file .yaml."""

from __future__ import annotations

import yaml

from gnn_discovery.errors import DataError
from gnn_discovery.export.base import Distances, heading
from gnn_discovery.law.record import ForceLaw
from gnn_discovery.law.text import from_dict, to_dict


def write(law: ForceLaw, distances: Distances) -> str:
    """The text; see `base.Format`."""
    record = yaml.safe_dump(to_dict(law), sort_keys=False, width=110, default_flow_style=None)
    return f"{heading(law, prefix='# ')}\n{record}"


def read(text: str) -> ForceLaw:
    """The law of a text that `write` made, or a person.

    Raises:
        DataError: no law.
    """
    try:
        record = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"is no YAML ({' '.join(str(error).split())})") from None
    return from_dict(record)
