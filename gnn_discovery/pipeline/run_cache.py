"""What a run keeps of its networks and candidates, so that one that was stopped goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gnn_discovery.errors import DataError
from gnn_discovery.gnn.training import Checkpoints, TrainedNetwork
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.serialisation import to_dict
from gnn_discovery.pipeline.config import DiscoverConfig
from gnn_discovery.runs import RunDirectory
from gnn_discovery.selection.select import Selection


def load_run_config(run: RunDirectory) -> tuple[DiscoverConfig, str]:
    """The config and the source that ``run`` was begun with."""
    try:
        source = run.config["source"]
        if source is None:
            raise DataError(
                "was begun from Python, with an object for a source",
                where=str(run.path),
                remedy="Call gnn_discovery.discover again with the same source, config and directory",
            )
        return DiscoverConfig.from_dict(run.config["config"]), str(source)
    except (KeyError, TypeError) as error:
        raise DataError(f"is of another version ({error})", where=str(run.path / "config.json")) from error


class RunCache:
    """Networks in a run directory; without one nothing is kept."""

    def __init__(self, run: RunDirectory | None):
        self.run = run

    def data(self, sha256: str) -> None:
        """The motion of the run, by its fingerprint: what is kept belongs to it.

        Raises:
            DataError: the run was begun with other motion.
        """
        if self.run is None:
            return
        if not (self.run.path / "data.json").exists():
            self.run.write_json("data.json", {"sha256": sha256})
        elif self.run.read_json("data.json") != {"sha256": sha256}:
            raise DataError(
                "the motion is not the one that this run was begun with",
                where=str(self.run.path),
                remedy="Begin a new run, or bring back the file or simulator as it was",
            )

    def network(self, name: str, compute: Callable[[Checkpoints | None], TrainedNetwork]) -> TrainedNetwork:
        """The network called ``name``: loaded where it was finished, else trained on from its last checkpoint."""
        if self.run is None:
            return compute(None)
        run = self.run
        return run.step(
            name,
            lambda: compute(_Chunks(run, f"{name}-training")),
            lambda trained: run.save_arrays(name, *trained.pack()),
            lambda: TrainedNetwork.unpack(*run.load_arrays(name)),
        )

    def candidates(self, from_messages: Sequence[ForceLaw], choice: Selection) -> None:
        """candidates.json: the laws that the messages alone gave, and all that were refitted, simplest first."""
        if self.run is None:
            return
        tried = [{"complexity": s.complexity, "error": s.error, **_plain(s.law)} for s in choice.scoreboard]
        messages = [_plain(law) for law in from_messages]
        self.run.write_json("candidates.json", {"from_messages": messages, "refitted": tried})


def _plain(law: ForceLaw) -> dict[str, Any]:
    return {**to_dict(law), "text": str(law), "engines": list(law.engines)}


class _Chunks:
    """The state of training after each chunk."""

    def __init__(self, run: RunDirectory, name: str):
        self.run, self.name = run, name

    def save(self, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
        self.run.save_arrays(self.name, arrays, meta)
        step, loss, valid, _ = (float(v) for v in arrays["history"][-1])
        self.run.log(network=self.name, step=step, loss=loss, valid=valid)

    def load(self) -> tuple[Mapping[str, np.ndarray], Mapping[str, Any]] | None:
        try:
            return self.run.load_arrays(self.name)
        except DataError:
            return None
