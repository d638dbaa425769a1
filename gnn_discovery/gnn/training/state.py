"""What changes from one chunk of training to the next: kept in checkpoints, and pruned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from gnn_discovery.gnn.training.trained_network import flatten_tree, unflatten_tree


@runtime_checkable
class Checkpoints(Protocol):
    """Where training keeps its state; called after each chunk, and once before the first."""

    def save(self, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None: ...

    def load(self) -> tuple[Mapping[str, np.ndarray], Mapping[str, Any]] | None: ...


@dataclass
class TrainingState:
    """Everything that a chunk changes."""

    params: Any
    moments: Any
    rest: Any
    best: Any
    best_rest: Any
    history: list[tuple[float, float, float, float]]
    chunks_since_best: int = 0

    def trees(self) -> dict[str, Any]:
        return {
            "params": self.params,
            "moments": self.moments,
            "rest": self.rest,
            "best": self.best,
            "best_rest": self.best_rest,
        }

    @property
    def lowest(self) -> float:
        return min((h[2] for h in self.history if np.isfinite(h[2])), default=np.inf)

    def note(self, row: tuple[float, float, float, float], fresh: bool) -> None:
        """Add to the history; keep the parameters where they are the best so far (``fresh``: always)."""
        if fresh or row[2] < self.lowest:
            self.best, self.best_rest, self.chunks_since_best = self.params, self.rest, 0
        else:
            self.chunks_since_best += 1
        self.history.append(row)

    def save(self, checkpoints: Checkpoints) -> None:
        arrays = {k: v for name, tree in self.trees().items() for k, v in flatten_tree(tree, name).items()}
        checkpoints.save({**arrays, "history": np.array(self.history)}, {"since": self.chunks_since_best})

    def restore_from(self, checkpoints: Checkpoints | None) -> TrainingState:
        """What was kept, in the shape of this one; this one where nothing was."""
        kept = checkpoints.load() if checkpoints is not None else None
        if kept is None:
            return self
        arrays, meta = kept
        trees = {name: unflatten_tree(tree, arrays, name) for name, tree in self.trees().items()}
        history = [(float(a), float(b), float(c), float(d)) for a, b, c, d in arrays["history"]]
        return TrainingState(**trees, history=history, chunks_since_best=int(meta["since"]))


class MessagePruner:
    """Takes away the weakest third of the living components, chunk by chunk, as long as the error bears it.

    The number that is left is found, not given: the cut that doubled the held-out error is taken back and is the last.
    """

    FIRST, LAST = 5, 14

    def __init__(self) -> None:
        self.before: tuple[Any, Any, Any, float] | None = None
        self.done = False

    def is_active(self, k: int) -> bool:
        return k <= self.LAST

    def turn(self, k: int, state: TrainingState, sizes: np.ndarray, error: float) -> None:
        if self.done or not self.FIRST <= k <= self.LAST:
            return
        if self.before is not None and error > 2 * self.before[3]:
            state.params, state.moments, state.rest, _ = self.before
            self.done = True
            return
        mask = np.array(state.rest["mask"][...])
        alive = np.flatnonzero(mask)
        if k == self.LAST or len(alive) < 2:
            self.done = True
            return
        self.before = (state.params, state.moments, state.rest, error)
        weakest = alive[np.argsort(sizes[alive])[: max(1, len(alive) // 3)]]
        mask[weakest] = 0.0
        state.rest = jax.tree.map(lambda leaf: leaf, state.rest)
        state.rest["mask"] = state.rest["mask"].replace(jnp.asarray(mask))
