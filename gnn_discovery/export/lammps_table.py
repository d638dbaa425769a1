"""A file for LAMMPS pair_style table (r, energy, force), with the error of its interpolation."""

from __future__ import annotations

import numpy as np

from gnn_discovery.export.base import DistanceRange, file_header, unsupported_law_error
from gnn_discovery.export.central_force import central_force
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.symbolic.expression import Expression

TABLE_NODES = 20_000
"""The number of nodes of a table."""

TABLE_KEYWORD = "LAW"


def write_lammps_table(law: ForceLaw, distances: DistanceRange) -> str:
    """Return the file, with nodes equidistant in r² as LAMMPS keeps them; see `base.ExportFormat`."""
    pair = central_force(law, "lammps-table")
    if pair.properties:
        raise unsupported_law_error(
            "lammps-table", f"a force that depends on {', '.join(pair.properties)}, only one of r alone"
        )
    squares = np.linspace(distances[0] ** 2, distances[1] ** 2, TABLE_NODES)
    r = np.sqrt(squares)
    force = _force_at(pair.force, r)
    if not np.isfinite(force).all():
        raise unsupported_law_error(
            "lammps-table", f"a force that is no finite number at r = {r[~np.isfinite(force)][0]:g}"
        )
    energy = _integrated_energy(pair.force, r)
    worst, where, usual = interpolation_error(pair.force, squares)
    error = (
        f"Linear interpolation in r² between {TABLE_NODES} nodes: off by at most {worst:.1e} of the force, at r = "
        f"{where:.4g}; by {usual:.1e} at the median distance. Energies are 0 at the last node."
    )
    use = f"Use: pair_style table linear {TABLE_NODES}; pair_coeff I J FILE {TABLE_KEYWORD} {r[-1].item()!r}"
    rows = (f"{k} {a!r} {b!r} {c!r}" for k, (a, b, c) in enumerate(np.stack([r, energy, force], axis=1).tolist(), 1))
    head = file_header(law, pair.masses, error, use, prefix="# ")
    return (
        "\n".join([head, f"\n{TABLE_KEYWORD}", f"N {TABLE_NODES} RSQ {r[0].item()!r} {r[-1].item()!r}\n", *rows]) + "\n"
    )


def interpolation_error(force: Expression, squares: np.ndarray, parts: int = 4) -> tuple[float, float, float]:
    """Return the largest relative error of interpolation in r² between nodes, its distance, and the median error.

    Args:
        force: the force as a function of ``r`` alone.
        squares: (K,) squares of the distances of the nodes.
        parts: number of parts into which each interval is divided to measure the error.
    """
    weights = np.arange(1, parts) / parts
    between = np.sqrt(squares[:-1, None] + np.diff(squares)[:, None] * weights).ravel()
    nodes = np.sqrt(squares)
    interpolated = np.interp(between**2, squares, _force_at(force, nodes) / nodes) * between
    true = _force_at(force, between)
    size = np.abs(true) + np.abs(between * _force_at(force.derivative("r"), between))
    error = np.abs(interpolated - true) / np.where(size > 0, size, 1.0)
    worst = int(np.argmax(error))
    return float(error[worst]), float(between[worst]), float(np.median(error))


def _force_at(force: Expression, r: np.ndarray) -> np.ndarray:
    return np.asarray(force.numpy(("r",))(r))


def _integrated_energy(force: Expression, r: np.ndarray) -> np.ndarray:
    """Return the integral of the force from r to the last node, by Gauss's rule of five points between nodes."""
    points, weights = np.polynomial.legendre.leggauss(5)
    half = np.diff(r) / 2
    inside = _force_at(force, (r[:-1] + half)[:, None] + half[:, None] * points)
    return np.append(np.cumsum((inside @ weights * half)[::-1])[::-1], 0.0)
