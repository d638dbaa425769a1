"""Provide discoveries made by hand, for the tests of the report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnn_discovery.laws.law import Constant, ForceLaw, IdentifiedConstant, LatentProperty, Term
from gnn_discovery.report.discovery import Curve, Discovery, Evidence, FrontPoint, GoodnessOfFit, MessageSummary
from gnn_discovery.symbolic.expression import Expression
from gnn_discovery.validation.verdict import Check, CheckId, CheckRole, MeasuredLaw, Verdict

GRAVITY = "c0*m_i*m_j/(r + c1)**2"
TRUTH = [
    {
        "kind": "pair",
        "direction": "radial",
        "expression": "-G*m_i*m_j/(r + s)**2",
        "constants": {"G": 1.0, "s": 0.01},
    }
]
MESSAGES = MessageSummary(
    n_active_components=2,
    gauge="odd",
    additivity_error=0.003,
    law_from_messages_alone="m_i a_i = sum_j [c0 m_j/r] r_hat",
    engines="operon: done",
    gauge_differences={"linear": 2e-4},
)


def check(
    identity: CheckId,
    label: str,
    passed: bool | None,
    figure: float | None,
    detail: str = "",
    role: CheckRole = "informative",
) -> Check:
    return Check(identity, role, label, passed, figure, detail)


def law() -> ForceLaw:
    constants = {
        "c0": Constant(-1.0000012, 2.3e-6, None, IdentifiedConstant("-1", -1.0, 0.52)),
        "c1": Constant(0.0100003, 4.1e-7),
    }
    return ForceLaw((Term("pair", "radial", Expression.parse(GRAVITY), constants),), 2, True)


def evidence(rows: int = 4000, noise: float = 0.01) -> Evidence:
    rng = np.random.default_rng(0)
    position = rng.normal(size=(rows, 2)) * 1.4
    r = np.linalg.norm(position, axis=1)
    m_i, m_j = rng.lognormal(size=(2, rows))
    force = (-m_i * m_j / (r + 0.01) ** 2 / r)[:, None] * position
    message = force * (1 + noise * rng.normal(size=force.shape))
    grid = np.geomspace(0.1, 6, 50)
    curve = Curve(
        "Radial pair force",
        "r",
        grid,
        -1 / (grid + 0.01) ** 2 * (1 + noise * rng.normal(size=50)),
        -1 / (grid + 0.01) ** 2,
        fixed={"m_i": 1.0, "m_j": 1.0},
    )
    t = np.linspace(0, 2, 100)[:, None, None]
    phase = np.array([0.0, 1.6, 3.1, 4.6])[None, :, None]
    size = np.array([0.5, 1.0, 1.6, 2.2])[None, :, None]
    angle = phase + t * size**-1.5 * 2
    observed = size * np.concatenate([np.cos(angle), np.sin(angle)], axis=2)
    rolled = observed * (1 + 1e-6 * np.exp(3 * t))
    front = [
        (1, 0.9, "c0"),
        (5, 0.31, "c0*m_j/r"),
        (9, 4e-2, "c0*m_i*m_j/r**2"),
        (11, 2e-7, GRAVITY),
        (17, 1.9e-7, "x"),
    ]
    steps = np.arange(1, 60) * 100.0
    return Evidence(
        spectrum=np.concatenate([[0.62, 0.379], 1e-3 * 0.6 ** np.arange(30)]),
        n_active_components=2,
        message=message,
        message_law=force,
        curves=(curve,),
        front=tuple(FrontPoint(c, e, text, text == GRAVITY) for c, e, text in front),
        residuals=2e-7 * rng.normal(size=3000) * rng.lognormal(size=3000),
        observed=observed,
        rollout=rolled,
        history=np.stack([steps, steps**-0.7, 1.3 * steps**-0.68], axis=1),
        message_position=position,
        message_velocity=np.zeros_like(position),
        message_properties={"m_i": m_i, "m_j": m_j},
    )


def discovery(**changes: object) -> Discovery:
    checks = (
        check(CheckId.MESSAGE_SYMMETRY, "rotation of the messages", True, 3.2e-4, "the pair force turns with the pair"),
        check(CheckId.MESSAGE_SYMMETRY, "reciprocity of the messages", True, 1.1e-3, "F_ij = -F_ji"),
        check(CheckId.DIMENSIONS, "dimensions", None, None, "the data carry no units", role="blocks_candidate"),
        check(CheckId.SEARCH_REPLICATION, "stable over seeds", True, 1e-6, "3 of 3 seeds give this form"),
    )
    verdict = Verdict(
        "known",
        "Newtonian gravity, softened",
        ("Newtonian gravity",),
        "over r = 0.02 ... 6.1 it differs from Newtonian gravity, softened by 4e-7 of the force",
        checks,
    )
    made = Discovery(
        source="gravity",
        law=law(),
        verdict=verdict,
        fit=GoodnessOfFit((0.9999999, 0.99998), (1.0, 0.99999), (0.012, 0.08), (2.1e-7, 4e-6)),
        particles=(),
        assumptions=(
            "Forces act between pairs and on single particles.",
            "Motion is exact: no noise was seen.",
        ),
        messages=MESSAGES,
        seconds={"simulate": 1.24, "train": 9.8, "messages": 0.7, "distill": 6.1},
        seed=0,
        versions={"gnn-discovery": "0.1.0", "jax": "0.10.1"},
        data_sha256="ab" * 32,
        evidence=evidence(),
        command="gnn-discovery discover gravity",
        known_laws=(
            MeasuredLaw("Newtonian gravity, softened", (2e-7, 3.9e-6), (1e-7, 2e-6)),
            MeasuredLaw("Plummer-softened gravity", (0.03, 0.31), (0.01, 0.2)),
        ),
    )
    return replace(made, **changes)


def solar(**changes: object) -> Discovery:
    bodies = ("Sun", "Mercury", "Jupiter")
    values, std = np.array([2.9591e-4, 4.9e-11, 2.8253e-7]), np.array([3e-9, 4e-11, 5e-11])
    latent = {"m": LatentProperty(values, std, np.array([True, False, True]))}
    term = Term("pair", "radial", Expression.parse("-m_j/r**n"), {"n": Constant(2.00001, 3e-5)})
    made = discovery(law=ForceLaw((term,), 2, False, latent), particles=bodies, evidence=None, source="solar-system")
    return replace(made, **changes)
