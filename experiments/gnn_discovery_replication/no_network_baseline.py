"""Find laws in the observed accelerations with no network: the baseline of table 5."""

from __future__ import annotations

from dataclasses import replace

from gnn_discovery.distillation import distill_tables, tables_without_network
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.pipeline import PreparedMotion, Session, select_on_motion


def laws_without_network(motion: PreparedMotion, session: Session) -> tuple[ForceLaw, ForceLaw]:
    """Return the first law that the regression finds, and the law selected after a refit on the motion.

    The regression is that of a discovery, on contributions made from the accelerations alone.

    Args:
        motion: the motion, whole runs held apart.
        session: its config states engines and regression.

    Raises:
        NoResult: no law could be fitted.
    """
    config, dataset = session.config, motion.dataset
    criteria = session.criteria
    candidates = distill_tables(
        tables_without_network(dataset.train, config.seed, criteria=criteria),
        config.engines,
        replace(config.regression, seed=config.seed),
        order=dataset.train.order,
        divides_by_mass=dataset.train.has_mass,
        criteria=criteria,
    ).laws
    return candidates[0], select_on_motion(candidates, dataset, session).law
