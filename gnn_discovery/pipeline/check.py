"""A law that somebody wrote down, held against motion."""

from __future__ import annotations

from gnn_discovery.law import ForceLaw
from gnn_discovery.physics import JudgeContext, Verdict, decide, investigate
from gnn_discovery.pipeline.evidence import measure_fit
from gnn_discovery.pipeline.given import leave, with_given
from gnn_discovery.report.record import Fit
from gnn_discovery.snapshots import Split


def check(law: ForceLaw, data: Split) -> tuple[Verdict, Fit]:
    """The verdict on ``law`` as it stands, no network and no refit behind it, and its errors on held-out motion; of one
    with given terms, its errors on what they leave."""
    left, apart = leave(law.given, data), data.averaged()
    fit, noise = measure_fit(law.rest, None, left), left.averaged().train.noise
    findings = investigate(law, apart.train, test=apart.test, extreme=apart.extreme)
    verdict = decide(findings, JudgeContext(fit.law_error, noise=noise))
    return with_given(verdict, law, data), fit
