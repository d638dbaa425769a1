"""The state that a chunk of training changes: it is kept in checkpoints, and message components are pruned from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from gnn_discovery.criteria import Criteria
from gnn_discovery.gnn.training.trained_network import flatten_tree, unflatten_tree


@runtime_checkable
class Checkpoints(Protocol):
    """A place where training keeps its state; `load` is called once before the first chunk, `save` after each."""

    def save(self, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
        """Keep the state.

        Args:
            arrays: arrays by name.
            meta: plain values that JSON can hold.
        """

    def load(self) -> tuple[Mapping[str, np.ndarray], Mapping[str, Any]] | None:
        """Return what was kept last, and None where nothing was."""


@dataclass
class TrainingState:
    """A record of everything that a chunk of training changes.

    Attributes:
        params: the parameters that are trained.
        moments: the state of the optimiser.
        variables: all other variables of the network.
        best: the parameters with the lowest held-out error so far.
        best_variables: the other variables that belong to these.
        history: a row for each chunk: steps done, loss, held-out error, held-out error with a floor of one.
        chunks_since_best: the number of chunks since the parameters were the best.
    """

    params: Any
    moments: Any
    variables: Any
    best: Any
    best_variables: Any
    history: list[tuple[float, float, float, float]]
    chunks_since_best: int = 0

    def trees(self) -> dict[str, Any]:
        """Return the trees of arrays by the names under which checkpoints keep them."""
        return {
            "params": self.params,
            "moments": self.moments,
            "variables": self.variables,
            "best": self.best,
            "best_variables": self.best_variables,
        }

    @property
    def best_error(self) -> float:
        """Return the lowest finite held-out error so far, and infinity where there is none."""
        return min((row[2] for row in self.history if np.isfinite(row[2])), default=np.inf)

    def record(self, row: tuple[float, float, float, float], keep: bool) -> None:
        """Add a row to the history, and keep the parameters if they are the best so far.

        Args:
            row: a row of the history.
            keep: keep the parameters in any case.
        """
        if keep or row[2] < self.best_error:
            self.best, self.best_variables, self.chunks_since_best = self.params, self.variables, 0
        else:
            self.chunks_since_best += 1
        self.history.append(row)

    def save(self, checkpoints: Checkpoints) -> None:
        """Write the state to the checkpoints."""
        arrays = {key: leaf for name, tree in self.trees().items() for key, leaf in flatten_tree(tree, name).items()}
        meta = {"chunks_since_best": self.chunks_since_best}
        checkpoints.save({**arrays, "history": np.array(self.history)}, meta)

    def restore_from(self, checkpoints: Checkpoints | None) -> TrainingState:
        """Return the state that was kept, in the shape of this one; or this one where nothing was kept."""
        kept = checkpoints.load() if checkpoints is not None else None
        if kept is None:
            return self
        arrays, meta = kept
        trees = {name: unflatten_tree(tree, arrays, name) for name, tree in self.trees().items()}
        history = [(float(a), float(b), float(c), float(d)) for a, b, c, d in arrays["history"]]
        return TrainingState(**trees, history=history, chunks_since_best=int(meta["chunks_since_best"]))


class MessagePruner:
    """A pruner that removes the weakest active message components, chunk by chunk, while the error allows it.

    The number of components that is left is found, not given: the removal that raised the held-out error by more than
    a factor is undone and is the last.

    Args:
        criteria: the fields ``training.pruning_*``, ``training.pruned_fraction`` and
            ``training.max_pruning_error_ratio`` decide.
    """

    def __init__(self, criteria: Criteria) -> None:
        self.limits = criteria.training
        self.before: tuple[Any, Any, Any, float] | None = None
        self.finished = False

    def is_active(self, chunk: int) -> bool:
        """Tell whether components may still be removed or restored after this chunk."""
        return chunk <= self.limits.pruning_last_chunk

    def prune(self, chunk: int, state: TrainingState, sizes: np.ndarray, error: float) -> None:
        """Remove the weakest components after a chunk, or undo the last removal.

        Args:
            chunk: the index of the chunk.
            state: the state of the training, which is changed.
            sizes: (M,) the standard deviation of each message component.
            error: the held-out error after the chunk.
        """
        limits = self.limits
        if self.finished or not limits.pruning_first_chunk <= chunk <= limits.pruning_last_chunk:
            return
        if self.before is not None and error > limits.max_pruning_error_ratio * self.before[3]:
            state.params, state.moments, state.variables, _ = self.before
            self.finished = True
            return
        mask = np.array(state.variables["mask"][...])
        active = np.flatnonzero(mask)
        if chunk == limits.pruning_last_chunk or len(active) < 2:
            self.finished = True
            return
        self.before = (state.params, state.moments, state.variables, error)
        count = max(1, int(limits.pruned_fraction * len(active)))
        mask[active[np.argsort(sizes[active])[:count]]] = 0.0
        state.variables = jax.tree.map(lambda leaf: leaf, state.variables)
        state.variables["mask"] = state.variables["mask"].replace(jnp.asarray(mask))
