"""The haloes: a clustered catalogue whose overdensities follow a known formula of the masses around."""

from __future__ import annotations

import numpy as np

from gnn_discovery.laws.law import Constant
from gnn_discovery.static_graphs.node_law import NodeLaw
from gnn_discovery.static_graphs.static_graph import StaticGraph, radius_graph
from gnn_discovery.symbolic.expression import Expression

BOX_SIZE = 250.0
"""The side of the periodic box, in Mpc/h."""
NEIGHBOUR_RADIUS = 50.0
"""The distance up to which haloes count as neighbours, in Mpc/h."""
MEAN_CLUSTERS = 60
"""The mean number of clusters."""
MEAN_CLUSTER_MEMBERS = 25
"""The mean number of haloes in a cluster; as many haloes again stand alone."""
CLUSTER_WIDTH = 8.0
"""The standard deviation of a cluster along each axis, in Mpc/h."""
RELATIVE_SCATTER = 0.2
"""The mean error of the true formula, in units of that of the best constant."""
TRUE_CONSTANTS = {"C1": -0.6, "C3": 0.5, "C4": 0.4, "C5": 2.0, "C6": 0.08, "C7": 3.5}
"""The constants of the true formula."""


class Haloes:
    """The overdensity of dark-matter haloes: C1 + e/(1 + C3 M_i), e = sum_j (C4 + M_j)/(C5 + (C6 r)^C7).

    The form is the one published for haloes of the Quijote simulations (Cranmer et al. 2020, arXiv 2006.11287), whose
    data cannot be shipped. C2 = 1 takes away its exact rescaling. The haloes are a Neyman-Scott process in a periodic
    box; masses, in 1e14 solar masses/h, are a power law that ends exponentially, as that of Press and Schechter.
    """

    label = "delta"

    def graph(self, seed: int) -> StaticGraph:
        """Return a catalogue; another seed gives another one of the same formula."""
        rng = np.random.default_rng(seed)
        positions = _draw_positions(rng)
        mass = _draw_masses(rng, len(positions))
        graph = radius_graph(
            positions, np.zeros(len(mass)), {"M": mass}, NEIGHBOUR_RADIUS, box=np.full(3, BOX_SIZE), label=self.label
        )
        exact = self.exact(graph)
        error = np.mean(np.abs(exact - np.median(exact)))
        scatter = rng.normal(size=len(mass)) * RELATIVE_SCATTER * error * np.sqrt(np.pi / 2)
        graph.target[:] = exact + scatter
        return graph

    def exact(self, graph: StaticGraph) -> np.ndarray:
        """Return the true formula at the nodes (N,), without the scatter."""
        value: np.ndarray = self.true_law().predict(graph)
        return value

    def true_law(self) -> NodeLaw:
        """Return the true law, with which a result is compared afterwards."""
        message, node = Expression.parse("(C4 + M_j)/(C5 + (C6*r)**C7)"), Expression.parse("C1 + e/(1 + C3*M_i)")
        return NodeLaw(message, node, {name: Constant(value) for name, value in TRUE_CONSTANTS.items()}, self.label)


def _draw_positions(rng: np.random.Generator) -> np.ndarray:
    """Return positions (N 3): clusters of Gaussian shape at random places, and haloes in the field between them."""
    centres = rng.uniform(0, BOX_SIZE, (rng.poisson(MEAN_CLUSTERS), 3))
    members = np.repeat(centres, rng.poisson(MEAN_CLUSTER_MEMBERS, len(centres)), axis=0)
    members = members + CLUSTER_WIDTH * rng.normal(size=members.shape)
    field = rng.uniform(0, BOX_SIZE, (rng.poisson(MEAN_CLUSTERS * MEAN_CLUSTER_MEMBERS), 3))
    positions: np.ndarray = np.mod(np.concatenate([members, field]), BOX_SIZE)
    return positions


def _draw_masses(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return masses (N,) of density m^-1.5 exp(-m/4) from 0.1 on: drawn from the power law, kept by the exponential."""
    kept: list[float] = []
    while len(kept) < count:
        mass = 0.1 * rng.uniform(size=count) ** -2.0
        kept += mass[rng.uniform(size=count) < np.exp(-mass / 4)].tolist()
    return np.array(kept[:count])
