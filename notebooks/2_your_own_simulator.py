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
# # Your own simulator
#
# A simulator is any function that says how particles accelerate. It is called with float64 arrays, positions and
# velocities (run, particle, space) and properties by name (run, particle), many runs side by side. Here are springs
# in oil.

# %%
import matplotlib.pyplot as plt
import numpy as np

from gnn_discovery import DiscoverConfig, FunctionSimulator, SimulationConfig, TrainingConfig, check_simulator, discover

config = DiscoverConfig(simulation=SimulationConfig(runs=200, frames=50), training=TrainingConfig(steps=1500))


def springs(positions, velocities, properties):
    apart = positions[..., :, None, :] - positions[..., None, :, :]
    r = np.linalg.norm(apart, axis=-1, keepdims=True)
    pull = -2 * (r - 1) * apart / r
    return (pull.sum(-2) - velocities / 2) / properties["m"][..., None]


for problem in check_simulator(FunctionSimulator(springs)):
    print(problem)

# %% [markdown]
# `check_simulator` runs the function and says in words what is wrong: wrong shapes, seeds that do not repeat,
# velocities that are not the change of positions, energy from nowhere, or, as here, a spring from a particle to
# itself. Without it there is nothing to say, and the law is that which was put in.


# %%
def springs(positions, velocities, properties):
    apart = positions[..., :, None, :] - positions[..., None, :, :]
    r = np.linalg.norm(apart, axis=-1, keepdims=True)
    pull = -2 * (r - 1) * apart / np.where(r > 0, r, 1)
    return (pull.sum(-2) - velocities / 2) / properties["m"][..., None]


assert check_simulator(FunctionSimulator(springs)) == ()
oil = discover(springs, config)
print(oil.law)
print(oil.verdict)

# %% [markdown]
# Two terms, of pairs and of each particle alone, were told apart and found. In a file `mine.py`, the same is
# `gnn-discovery discover mine.py:springs`; `gnn-discovery new simulator NAME` writes such a file with a test.
#
# ## A law nobody wrote down
#
# Birds take over the velocity of others, the less the further away they are (Cucker and Smale 2007, IEEE Trans.
# Autom. Control 52, 852). A start of their own: spread out, and without a mass.


# %%
def birds(positions, velocities, properties):
    apart = positions[..., :, None, :] - positions[..., None, :, :]
    faster = velocities[..., :, None, :] - velocities[..., None, :, :]
    return -(faster / (1 + np.sum(apart**2, axis=-1, keepdims=True))).sum(-2)


def initial(rng, runs, particles, dim):
    positions, velocities = rng.normal(size=(2, runs, particles, dim))
    return 2 * positions, velocities, {}


flock = discover(FunctionSimulator(birds, "birds", spacing=0.05, initial=initial), config)
print(flock.law)
print(flock.verdict)

# %% [markdown]
# The catalogue of known laws holds no such force, so the verdict is *candidate*, a word that leaves the rest to you:
# here a paper of 2007. A record in `known_laws/flock.yaml` (`gnn-discovery new law flock` writes one), and the next
# report knows it. A verdict *candidate* has to be earned: two further networks from other seeds were trained, and led
# to the same law.

# %%
observed, rolled = flock.evidence.observed, flock.evidence.rollout
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
for n in range(observed.shape[1]):
    left.plot(*rolled[:, n].T, color=f"C{n}")
    left.plot(*observed[::4, n].T, "o", color=f"C{n}", markersize=3)
left.set(xlabel="x", ylabel="y", title="a held-out run: data (dots), law (lines)")
left.set_aspect("equal", adjustable="datalim")
front = flock.evidence.front
right.semilogy([p.complexity for p in front], [max(p.error, 1e-16) for p in front], "o")
right.semilogy([p.complexity for p in front if p.chosen], [max(p.error, 1e-16) for p in front if p.chosen], "rs")
right.set(xlabel="complexity", ylabel="error on held-out runs", title="candidates, and the chosen one")
plt.show()

# %%
assert oil.verdict.status == "known" and oil.verdict.match == "Hooke spring with rest length + linear drag", oil.verdict
constants = sorted(abs(c.value) for term in oil.law.terms for c in term.constants.values())
assert np.allclose(constants, [0.5, 1, 2], rtol=1e-6), constants

assert flock.verdict.status == "candidate", flock.verdict
(term,) = flock.law.terms
assert (term.kind, term.direction) == ("pair", "velocity")
rng = np.random.default_rng(1)
x, v = rng.normal(size=(2, 100, 4, 2))
assert np.allclose(flock.law.acceleration(x, v, {}), birds(x, v, {}), rtol=1e-6, atol=1e-9)
