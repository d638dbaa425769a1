"""Draw the figures of the method page into ``docs/figures``: ``python docs/figures.py`` (about two minutes).

They show what the software does on motion of its own, with small settings; nothing in them is a benchmark.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from gnn_discovery import (
    Constant,
    DiscoverConfig,
    Expression,
    ForceLaw,
    NetworkConfig,
    SimulationConfig,
    Term,
    pipeline,
)
from gnn_discovery.catalogue.catalogue_fit import CatalogueFitter
from gnn_discovery.catalogue.force_samples import sample_force
from gnn_discovery.catalogue.forms import specialise
from gnn_discovery.catalogue.known_law import load_catalogue
from gnn_discovery.criteria import DEFAULT_CRITERIA
from gnn_discovery.data.dataset import Split
from gnn_discovery.gnn.graph import batch_graph, graph_data
from gnn_discovery.gnn.training import TrainedNetwork
from gnn_discovery.messages.gauge import read_messages
from gnn_discovery.messages.pair_query import radial_profile

FOLDER = Path(__file__).parent / "figures"
BLUE, ORANGE, GREY = "#3b6fb6", "#d1703c", "#888888"


def trained(system: str, network: NetworkConfig, steps: int, runs: int) -> tuple[TrainedNetwork, Split]:
    """Return a network that has seen the motion of a built-in system, and the motion."""
    config = DiscoverConfig(simulation=SimulationConfig(runs=runs), network=network)
    session = pipeline.Session(replace(config, training=replace(config.training, steps=steps)))
    motion = pipeline.prepare_motion(system, session)
    return pipeline.train_network(motion, session), motion.dataset


def gauge(left: Any, right: Any) -> None:
    """Draw a message component of springs with a free node function, and its reading, against the true force."""
    network, data = trained("spring", NetworkConfig(node="mlp"), 2000, 100)
    sample = data.test.select(np.arange(25))
    raw = network.network(batch_graph(graph_data(sample), np.arange(25))).edges["message"]
    table = read_messages(network, sample).pair
    force = (-2 * (1 - 0.99 / table.distance))[:, None] * table.position
    left.plot(force[:, 0], np.asarray(raw)[:, 0], ".", color=ORANGE, ms=3)
    left.set(xlabel="force along x", ylabel="message, component 1", title="as the network has it")
    right.plot(force[:, 0], table.contributions[:, 0], ".", color=BLUE, ms=3)
    right.set(xlabel="force along x", ylabel="contribution along x", title="through the node function")


def gate(left: Any, right: Any) -> None:
    """Draw the pair force that a network holds with and without the gate, and its error."""
    for gated, colour in ((True, BLUE), (False, ORANGE)):
        network, data = trained("gravity", NetworkConfig(gate=gated), 1000, 100)
        r, force, held, _ = radial_profile(network, data.train)
        true = -held["m_i"] * held["m_j"] / (r + 0.01) ** 2
        label = "with the gate" if gated else "without"
        left.loglog(r, np.maximum(-force, 1e-3), color=colour, label=label)
        right.loglog(r, np.abs(force / true - 1), color=colour, label=label)
    left.loglog(r, -true, color=GREY, lw=1, ls="--", label="true")
    left.set(xlabel="r", ylabel="attraction", title="pair force")
    right.set(xlabel="r", ylabel="relative error", title="how far it is off")
    left.legend(frameon=False)


def verdict(left: Any, right: Any) -> None:
    """Draw a softened attraction against known laws, their constants fitted, over the range of the data."""
    session = pipeline.Session(DiscoverConfig(simulation=SimulationConfig(runs=50)))
    data = pipeline.prepare_motion("gravity", session).dataset.train
    constants = {"a0": Constant(1.0, 1e-6), "a1": Constant(0.01, 1e-6)}
    term = Term("pair", "radial", Expression.parse("-a0*m_i*m_j/(r + a1)**2"), constants)
    found = sample_force([term], ForceLaw((term,), order=2, divides_by_mass=True), data)
    place = np.argsort(found.inputs["r"])
    wanted = ("Newtonian gravity", "Plummer-softened gravity", "logarithmic gravity", "Yukawa gravity, softened r + c")
    for law in (law for law in load_catalogue().laws if law.name in wanted):
        known = specialise(law, ("pair", "radial"), frozenset(found.inputs), per_mass=False)
        assert known is not None
        fit = CatalogueFitter(found, "r").fit_single(known)
        (line,) = left.plot(found.inputs["r"][place], np.abs(fit.total / found.total - 1)[place])
        right.barh(law.name.replace(", ", ",\n"), fit.deviation, color=line.get_color(), height=0.6)
    for axis, draw_limit in ((left, left.axhline), (right, right.axvline)):
        draw_limit(DEFAULT_CRITERIA.equivalence.max_rel_deviation, color=GREY, lw=1, ls="--")
        axis.set_xscale("log")
    left.set(xlabel="r", ylabel="relative difference", yscale="log", ylim=(1e-5, 10))
    right.set(xlabel="root mean square over the data", xlim=(1e-5, 10))


def draw(name: str, paint: Any) -> None:
    """Write a figure of two panels, the same bytes each time."""
    style = {"svg.hashsalt": name, "font.size": 9, "axes.titlesize": 9}
    with matplotlib.rc_context({**style, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(7, 2.8), layout="constrained")
        paint(*figure.subplots(1, 2))
        path = FOLDER / f"{name}.svg"
        figure.savefig(path, metadata={"Date": None, "Creator": None})
    path.write_text(re.sub(r"[ \t]+$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")


if __name__ == "__main__":
    for paint in (gauge, gate, verdict):
        draw(paint.__name__, paint)
