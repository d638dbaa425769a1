"""Text (YAML) that says everything about the law; `gnn-discovery check` reads it back from a file .yaml."""

from __future__ import annotations

import yaml

from gnn_discovery.errors import DataError
from gnn_discovery.export.base import DistanceRange, file_header
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.serialisation import from_dict, to_dict


def write_text(law: ForceLaw, distances: DistanceRange) -> str:
    """Return the text of a YAML file; see `base.ExportFormat`."""
    record = yaml.safe_dump(to_dict(law), sort_keys=False, width=110, default_flow_style=None)
    return f"{file_header(law, prefix='# ')}\n{record}"


def law_from_yaml(text: str) -> ForceLaw:
    """Return the law of a text that `write_text`, or a person, has written.

    Raises:
        DataError: the text is not a law in YAML.
    """
    try:
        record = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"is not YAML ({' '.join(str(error).split())})") from None
    return from_dict(record)
