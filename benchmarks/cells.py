"""Measure one discovery in each cell; the runner of cells calls it in a separate process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from gnn_discovery_replication.form_comparison import FormComparison, compare_with_true_law
from gnn_discovery_replication.no_network_baseline import laws_without_network
from gnn_discovery_replication.node_law_comparison import compare_node_laws
from gnn_discovery_simulations.haloes import Haloes

from gnn_discovery import pipeline
from gnn_discovery.errors import GnnDiscoveryError, NoResult
from gnn_discovery.estimation.refit import refit
from gnn_discovery.laws.law import Constant, ForceLaw, Term
from gnn_discovery.laws.serialisation import from_dict, to_dict
from gnn_discovery.pipeline import DiscoverConfig, Session
from gnn_discovery.simulators import SimulationConfig, resolve_simulator
from gnn_discovery.static_graphs import NodeDiscoveryConfig, discover_node_law
from gnn_discovery.symbolic.expression import Expression

Terms = Sequence[Mapping[str, Any]]


def law(system: str, dim: int | None, seed: int, network: Mapping[str, Any], baseline: bool = False) -> dict[str, Any]:
    """Discover the law of a built-in system, and compare it with the true one.

    Args:
        system: name of the system.
        dim: dimensions of space; None takes those of the system.
        seed: seed of every random choice.
        network: settings of the network that are not the default ones.
        baseline: also regress on the observed accelerations, with no network.
    """
    config = DiscoverConfig(seed=seed, simulation=SimulationConfig(dim=dim, seed=seed))
    config = replace(config, network=replace(config.network, **network))
    truth = resolve_simulator(system).true_law(config.simulation)  # type: ignore[attr-defined]  # built-in systems have one
    conditions, start = circumstances(), time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        found = pipeline.discover(system, config, directory=Path(name))
        seconds = time.perf_counter() - start
        kept = Path(name) / "candidates.json"
        candidates = json.loads(kept.read_text())["from_messages"] if kept.exists() else []
    comparison = compare_with_true_law(found.law, truth)
    first = compare_with_true_law(from_dict(candidates[0]), truth) if candidates else None
    messages = {} if found.messages is None else found.messages.to_json()
    return {
        "exact": comparison.exact,
        "why": comparison.reason,
        "constants_error": comparison.constant_error,
        "force_error": comparison.force_error,
        "from_messages": first.exact if first else None,
        "from_messages_why": first.reason if first else None,
        "from_messages_law": messages.get("law_from_messages_alone"),
        **(without_network(system, config, truth) if baseline else {}),
        "direct_r2_trimmed": messages.get("direct_r2_trimmed"),
        "direct_r2_all": messages.get("direct_r2_all"),
        "components": messages.get("components_alive"),
        "status": found.verdict.status,
        "match": found.verdict.match,
        "reason": found.verdict.reason,
        "law": str(found.law),
        "terms": to_dict(found.law)["terms"],
        "law_error": found.fit.law_error,
        "network_error": found.fit.network_error,
        "seconds": seconds,
        "steps": found.seconds,
        **conditions,
    }


def without_network(system: str, config: DiscoverConfig, truth: Terms) -> dict[str, Any]:
    """Compare the law that the accelerations alone lead to with the true one.

    Args:
        system: name of the system.
        config: the settings.
        truth: plain records of the true terms.
    """
    session = Session(config)
    motion = pipeline.prepare_motion(system, session)
    law, first = "", None
    try:
        candidate, selected = laws_without_network(motion, session)
        first, law = compare_with_true_law(candidate, truth), str(selected)
        comparison = compare_with_true_law(selected, truth)
    except (GnnDiscoveryError, np.linalg.LinAlgError) as error:
        comparison = FormComparison(False, None, None, str(error))
    return {
        "without_network": comparison.exact,
        "without_network_why": comparison.reason,
        "without_network_law": law,
        "without_network_or_refit": bool(first and first.exact),
    }


def solar_system(seed: int) -> dict[str, Any]:
    """Compare the exponent of r and the source strengths from the ephemeris with the accepted ones."""
    config = DiscoverConfig(seed=seed)
    conditions, start = circumstances(), time.perf_counter()
    found = pipeline.discover("solar-system", config)
    seconds = time.perf_counter() - start
    if "m" not in found.law.latent:
        raise NoResult(f"no source strengths were inferred: {found.law}")
    accepted = np.asarray(found.reference["m"], float)
    strengths = found.law.latent["m"]
    errors = np.abs(np.asarray(strengths.values) / accepted - 1)
    determined = np.asarray(strengths.determined, bool)
    names = list(found.particles)
    sun, jupiter = names.index("Sun"), names.index("Jupiter")
    ratio = strengths.values[jupiter] / strengths.values[sun] / (accepted[jupiter] / accepted[sun])
    exponent, std = free_exponent(config)
    return {
        "law": str(found.law),
        "status": found.verdict.status,
        "match": found.verdict.match,
        "exponent": exponent,
        "exponent_std": std,
        "exponent_error": abs(exponent + 2) / 2,
        "jupiter_to_sun_error": abs(ratio - 1),
        "determined": int(determined.sum()),
        "worst_determined_error": float(errors[determined].max()) if determined.any() else None,
        "errors": dict(zip(names, errors.tolist(), strict=True)),
        "determined_bodies": [name for name, is_determined in zip(names, determined, strict=True) if is_determined],
        "seconds": seconds,
        "steps": found.seconds,
        **conditions,
    }


def free_exponent(config: DiscoverConfig) -> tuple[float, float | None]:
    """Return the exponent p of -m_j r**p, fitted together with all source strengths, and its standard error."""
    data = pipeline.prepare_dataset(pipeline.load_motion("solar-system", config.simulation), config)
    power = Term("pair", "radial", Expression.parse("-m_j*r**p"), {"p": Constant(-2.1)})
    fitted = refit(ForceLaw((power,)), data.train, latent=("m",)).law.terms[0].constants["p"]
    return fitted.value, fitted.std


def haloes(seed: int) -> dict[str, Any]:
    """Discover the formula of one halo catalogue at low density, and compare it with the true one at both densities."""
    conditions, start = circumstances(), time.perf_counter()
    generator = Haloes()
    graph = generator.graph(seed)
    found = discover_node_law(graph, NodeDiscoveryConfig(seed=seed))
    seconds = time.perf_counter() - start
    residuals = np.abs(generator.exact(graph) - graph.target)
    true = tuple(float(residuals[part].mean()) for part in (found.split.test, found.split.dense))
    comparison = compare_node_laws(found.law, generator.true_law(), graph)
    values = comparison.true_constants
    constants = {n: {"value": c.value, "std": c.std, "true": values.get(n)} for n, c in found.law.constants.items()}
    return {
        "exact": comparison.exact,
        "why": comparison.reason,
        "constants_error": comparison.constant_error,
        "constants": constants,
        "errors": {**found.errors, "true formula": true},
        "engines": found.outcome,
        "links": [float(graph.in_degree[part].mean()) for part in (found.split.test, found.split.dense)],
        "status": found.status,
        "match": None,
        "reason": found.reason,
        "law": str(found.law),
        "seconds": seconds,
        "steps": found.seconds,
        **conditions,
    }


def command(arguments: Sequence[str], repeats: int = 1) -> dict[str, Any]:
    """Measure the wall time of a command as a whole process, from a cold start each time.

    Args:
        arguments: arguments of the interpreter.
        repeats: number of runs; the median is taken.
    """
    conditions, seconds = circumstances(), []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            subprocess.run([sys.executable, "-P", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds), "all": seconds, **conditions}


def full_set(system: str) -> dict[str, Any]:
    """Simulate the paper's set of a system, 10,000 runs of 500 steps with four particles in 2D."""
    simulator: Any = resolve_simulator(system)
    conditions, start = circumstances(), time.perf_counter()
    runs = simulator.simulate(SimulationConfig(runs=10_000, frames=100))
    seconds = time.perf_counter() - start
    energy = [simulator.energy(run.positions, run.velocities, run.properties) for run in runs]
    change = [np.max(np.abs(e / e[0] - 1)) for e in energy]
    return {"seconds": seconds, "energy_change": float(np.median(change)), **conditions}


def circumstances() -> dict[str, Any]:
    """Return the commit, with a ``+`` where the code was changed since, and how many processes wanted to run."""

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        where = Path(__file__).parents[1]
        return subprocess.run(["git", *arguments], cwd=where, check=False, capture_output=True, text=True)

    changed = git("diff", "--quiet", "HEAD", "--", "gnn_discovery", "simulations", "experiments").returncode
    return {
        "commit": git("rev-parse", "--short", "HEAD").stdout.strip() + "+" * bool(changed),
        "load": round(os.getloadavg()[0], 1),
    }
