# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # A new law
#
# What does the word *candidate* mean, and what would refute one? Here is a world whose force no textbook has: within
# six units of length it falls as $r^{-3/2}$, beyond that as $r^{-2}$. You have a laboratory in it, three units wide.

# %%
import jax.numpy as jnp  # NumPy does as well; the slope of what jax can trace is exact, and soon found
import matplotlib.pyplot as plt
import numpy as np

from gnn_discovery import DiscoverConfig, FunctionSimulator, SimulationConfig, TrainingConfig, discover, pipeline

BREAK = 6.0


def nature(positions, properties):
    """Energy of each run, from positions (run, particle, space) and masses (run, particle)."""
    m = properties["m"]
    i, j = np.triu_indices(m.shape[-1], 1)
    r = jnp.linalg.norm(positions[..., i, :] - positions[..., j, :], axis=-1)
    near, far = -2 / jnp.sqrt(r), -np.sqrt(BREAK) / r - 1 / np.sqrt(BREAK)
    return (m[..., i] * m[..., j] * jnp.where(r < BREAK, near, far)).sum(-1)


def world(half):
    """Four masses that start anywhere in a square of twice ``half``."""

    def initial(rng, runs, particles, dim):
        x, v = rng.uniform(-1, 1, (2, runs, particles, dim))
        return half * x, v, {"m": rng.uniform(0.5, 2, (runs, particles))}

    return FunctionSimulator(nature, initial=initial)


config = DiscoverConfig(simulation=SimulationConfig(runs=200, frames=50), training=TrainingConfig(steps=1500))
found = discover(world(1.5), config)
print(found.law)
print(found.verdict)

# %% [markdown]
# `candidate` claims this much and no more: over the range of *these* data the law explains the motion, no law of the
# catalogue, nor a sum of two, is the same to a thousandth of the force even with its constants refitted, networks
# from other seeds lead to the same formula, and no network predicts better. It does not claim that nobody knows the
# law: the catalogue is short, and a record of your own in `known_laws/*.yaml` makes it longer. Nor does it claim
# anything about distances that were not seen. Each test stands in the verdict, with its figure.

# %%
word = {True: "yes", False: "NO", None: "-"}
for check in found.verdict.checks:
    figure = "" if check.figure is None else f"{check.figure:.1e}"
    print(f"{word[check.passed]:>3} {figure:>8}  {check.label}: {check.detail}")

# %% [markdown]
# ## What would refute it
#
# Motion where it has not been tried. `pipeline.check_law` compares a law with data as it stands, with nothing refitted.
# First another sample of the laboratory, then two larger ones.

# %%
unexplained = {}
for half in (1.5, 6.0, 15.0):
    session = pipeline.Session(DiscoverConfig(seed=1, simulation=SimulationConfig(runs=60, frames=50)))
    motion = pipeline.prepare_motion(world(half), session)
    validation, verdict = pipeline.check_law(found.law, motion, session)
    unexplained[half] = validation.fit.law_error[0]
    print(f"{2 * half:4.0f} wide: {unexplained[half]:.1e} of the motion unexplained. {verdict.reason[:100]}...")

# %% [markdown]
# In the laboratory the formula stands to rounding, a new sample or not; `pipeline.check_law` trains no network, and so
# cannot say *candidate*, only that nothing contradicts. In the larger rooms it fails, and the reason says that it
# does. The candidate is refuted as a law of nature, and remains what it was: the law of what was seen.

# %%
r = np.geomspace(0.01, 40, 300)
pair = np.zeros((len(r), 2, 2))
pair[:, 0, 0] = r
pull = -found.law.acceleration(pair, np.zeros_like(pair), {"m": np.ones((len(r), 2))})[:, 0, 0]
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
axes.loglog(r, np.where(r < BREAK, r**-1.5, np.sqrt(BREAK) * r**-2), label="nature")
axes.loglog(r, pull, "--", label="the candidate")
seen = np.linalg.norm(found.evidence.message_position, axis=-1)
axes.axvspan(seen.min(), seen.max(), alpha=0.1, label="seen")
axes.set(xlabel="r", ylabel="attraction of two unit masses")
axes.legend()
plt.show()

# %%
assert found.verdict.status == "candidate", found.verdict
assert np.allclose(pull, r**-1.5, rtol=1e-6)
assert unexplained[1.5] < 1e-9 < 0.01 < unexplained[6.0] < unexplained[15.0], unexplained
