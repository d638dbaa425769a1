"""The cache of a run: its networks, formulas and candidates are kept, so that a run that was stopped goes on."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gnn_discovery.errors import DataError
from gnn_discovery.gnn.training import Checkpoints, TrainedNetwork
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.serialisation import to_dict
from gnn_discovery.pipeline.config import DiscoverConfig
from gnn_discovery.runs import RunDirectory, package_versions
from gnn_discovery.runs.files import to_json_text
from gnn_discovery.selection.select import Selection
from gnn_discovery.symbolic.search import (
    EngineConfig,
    EngineResult,
    RegressionProblem,
    SearchProgressCallback,
    engine_entries,
    search_formulas,
)


def load_run_config(run: RunDirectory) -> tuple[DiscoverConfig, str]:
    """Return the config and the source that a run was begun with.

    Raises:
        DataError: the run was begun from Python with an object, or by another version.
    """
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
    """Keeps networks, formulas and candidates in a run directory; without one it keeps nothing."""

    def __init__(self, run: RunDirectory | None):
        self.run = run

    def data(self, sha256: str) -> None:
        """Keep the fingerprint of the motion of the run, to which all that is kept belongs.

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
        """Return the network called ``name``: loaded where it was finished, else trained on from its last checkpoint.

        Args:
            name: of the step in the run directory.
            compute: trains the network; it is given the place of its checkpoints, if there is one.
        """
        if self.run is None:
            return compute(None)
        run = self.run
        return run.step(
            name,
            lambda: compute(_Chunks(run, f"{name}-training")),
            lambda trained: run.save_arrays(name, *trained.pack()),
            lambda: TrainedNetwork.unpack(*run.load_arrays(name)),
        )

    def search(
        self,
        engine: str,
        problems: Sequence[RegressionProblem],
        config: EngineConfig,
        progress: SearchProgressCallback | None = None,
    ) -> list[EngineResult]:
        """Return what `search_formulas` returns; the run directory keeps it, and the same is not searched twice.

        Args:
            engine: name of a registered engine.
            problems: problems that are solved one after the other.
            config: settings of the search.
            progress: is called whenever a search has made progress.

        Raises:
            UsageError, EngineUnavailable: see `search_formulas`.
        """
        if self.run is None:
            return search_formulas(engine, problems, config, progress)
        name = f"formulas/{_search_digest(engine, problems, config)}.json"
        if (self.run.path / name).exists():
            with contextlib.suppress(DataError):  # a damaged file is written again
                return [EngineResult.from_dict(plain) for plain in self.run.read_json(name)]
        results = search_formulas(engine, problems, config, progress)
        if all(result.candidates for result in results):  # else an engine may have been stopped
            self.run.write_json(name, [result.to_dict() for result in results])
        return results

    def candidates(self, from_messages: Sequence[ForceLaw], choice: Selection) -> None:
        """Write candidates.json: the laws that the messages alone gave, and all that were refitted, simplest first.

        Args:
            from_messages: the laws of the search, before the refit.
            choice: the selection among the refitted laws.
        """
        if self.run is None:
            return
        tried = [{"complexity": s.complexity, "error": s.error, **_plain(s.law)} for s in choice.scoreboard]
        messages = [_plain(law) for law in from_messages]
        self.run.write_json("candidates.json", {"from_messages": messages, "refitted": tried})


def _search_digest(engine: str, problems: Sequence[RegressionProblem], config: EngineConfig) -> str:
    """Return a name for all that decides what a search finds: engine, settings, problems, versions of packages."""
    plug_in, dimensions = engine_entries()[engine].dist, [problem.dimensions for problem in problems]
    versions = {**package_versions(), plug_in.name: plug_in.version}
    digest = hashlib.sha256(to_json_text([engine, config, dimensions, versions]).encode())
    for problem in problems:
        for name, values in (*problem.inputs.items(), ("target", problem.target), ("weights", problem.weights)):
            array = np.asarray([] if values is None else values, float)
            digest.update(f"{name} {len(array)} ".encode() + array.tobytes())
    return digest.hexdigest()[:32]


def _plain(law: ForceLaw) -> dict[str, Any]:
    return {**to_dict(law), "text": str(law), "engines": list(law.engines)}


class _Chunks:
    """Keeps the state of a training after each of its chunks."""

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
