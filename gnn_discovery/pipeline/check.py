"""A law that somebody wrote down, held against motion."""

from __future__ import annotations

from gnn_discovery.data.dataset import Split
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.pipeline.evidence import measure_fit
from gnn_discovery.pipeline.known_terms import subtract_known_terms, verdict_with_known_terms
from gnn_discovery.report.discovery import GoodnessOfFit
from gnn_discovery.validation.decision import JudgeContext, decide, run_validation
from gnn_discovery.validation.verdict import Verdict


def check_law(law: ForceLaw, data: Split) -> tuple[Verdict, GoodnessOfFit]:
    """The verdict on ``law`` as it stands, no network and no refit behind it, and its errors on held-out motion; of one
    with given terms, its errors on what they leave."""
    left, apart = subtract_known_terms(law.known_terms, data), data.weak_form()
    fit, noise = measure_fit(law.discovered_terms, None, left), left.weak_form().train.noise
    findings = run_validation(law, apart.train, test=apart.test, extreme=apart.extreme)
    verdict = decide(findings, JudgeContext(fit.law_error, noise=noise))
    return verdict_with_known_terms(verdict, law, data), fit
