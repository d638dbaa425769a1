"""Paths between coarse frames: first as the network moves the particles, then as the selected law does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from gnn_discovery.data.dataset import Dataset, Split, trace_paths
from gnn_discovery.errors import NoResult
from gnn_discovery.gnn.training import TrainedNetwork, predict_target
from gnn_discovery.laws.evaluate import predict_with_law
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.pipeline.known_terms import subtract_law
from gnn_discovery.pipeline.motion_selection import select_on_motion, select_with_known_laws
from gnn_discovery.pipeline.session import Session
from gnn_discovery.pipeline.stage_records import PreparedMotion
from gnn_discovery.selection.select import Selection
from gnn_discovery.selection.simplification import signature


def trace_motion(network: TrainedNetwork, motion: PreparedMotion, session: Session) -> PreparedMotion:
    """Trace the paths between coarse frames by the network; motion in dense frames is returned as it is.

    Where the path under the network and the spline through the frames disagree, nobody knows the path: no law is
    compared with the motion there.

    Args:
        network: it learnt the residual; the known terms act beside it.
        motion: whole motion and residual.
        session: its criteria say how much paths may differ.
    """
    if not motion.dataset.follows_paths:
        return motion
    with session.stage("paths"):
        known = motion.known_terms

        def prediction(part: Dataset) -> np.ndarray:
            learnt = predict_target(network, part)
            return learnt + predict_with_law(known, part) if known.terms else learnt

        dataset = trace_paths(motion.dataset, prediction, leave_unknown=True, criteria=session.criteria)
        return replace(motion, dataset=dataset, residual=subtract_law(known, dataset))


def settle_on_paths(
    laws: Sequence[ForceLaw], selection: Selection, dataset: Split, session: Session
) -> tuple[Selection, Split]:
    """Select again along the paths that the selected law gives, and fit its constants until they hardly change.

    Law and paths stay as they were where no law gives a finite force along the new ones.

    Args:
        laws: the candidates.
        selection: what was selected along the paths of the network.
        dataset: the motion on these paths.
        session: its criteria say how often.
    """
    limits = session.criteria.selection
    for _ in range(limits.max_path_rounds):
        traced = trace_paths(dataset, partial(predict_with_law, selection.law), criteria=session.criteria)
        best = sorted(selection.scoreboard, key=lambda tried: tried.cost(session.criteria))[: limits.n_pareto_kept]
        try:
            again = select_on_motion([selection.law, *(tried.law for tried in best)], traced, session)
            if signature(again.law) == signature(selection.law):
                again = replace(selection, law=again.law, error=again.error)
            else:
                again = select_with_known_laws([selection.law, *laws], traced, session)
        except NoResult:
            break
        selection, dataset = again, traced
    return selection, dataset
