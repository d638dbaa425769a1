"""A law that somebody wrote down, held against motion."""

from __future__ import annotations

from dataclasses import replace

from gnn_discovery.law import ForceLaw, refit
from gnn_discovery.physics import JudgeContext, Verdict, judge
from gnn_discovery.pipeline.evidence import measure_fit
from gnn_discovery.report.record import Fit
from gnn_discovery.snapshots import Split


def check(law: ForceLaw, data: Split) -> tuple[Verdict, Fit]:
    """The verdict on ``law`` as it stands, no network and no refit behind it, and its errors on held-out motion."""
    fit, fitted = measure_fit(law, None, data), data.averaged().train
    return judge(law, fitted, JudgeContext(fit.law_error, noise=fitted.noise)), fit


def fit_given(law: ForceLaw, data: Split) -> ForceLaw:
    """A law that somebody wrote for these data, with its constants, if it has any, fitted to the training runs."""
    law = replace(law, divides_by_mass=data.train.has_mass)
    return refit(law, data.averaged().train).law
