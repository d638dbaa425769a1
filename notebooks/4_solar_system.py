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
# # The Solar System
#
# No simulation: the positions of the Sun and the eight planets on each day of twenty-five years, from the ephemeris
# that comes with astropy. Neither masses, velocities nor accelerations are given. The Sun is in the list like any
# other body.

# %%
import matplotlib.pyplot as plt
import numpy as np

from gnn_discovery import DiscoverConfig, EngineConfig, SimulationConfig, TrainingConfig, discover

config = DiscoverConfig(
    simulation=SimulationConfig(frames=9131),
    training=TrainingConfig(steps=1000),
    regression=EngineConfig(evaluations=10_000),
)
found = discover("solar-system", config)
print(found.law)
print(found.verdict)

# %% [markdown]
# Nobody said that bodies have masses: the network learns one number for each body, its *source strength*, and the law
# calls it `m`. By the motion alone only $m_j$ can be known, that of the body that pulls. How a body's own mass enters
# drops out of its acceleration, which is Galileo's observation, and the reason why planets weigh nothing here but on
# each other.
#
# The unit is AU³/day², so $m$ is $GM$, and that of the Sun is the square of Gauss's constant, 0.01720209895.

# %%
strength = found.law.latent["m"]
accepted = found.reference["m"]  # DE440; seen by the report alone
ratio, expected = strength.values / strength.values[0], accepted / accepted[0]
error, std = ratio / expected - 1, strength.std / strength.values
print(f"Gauss's constant: {np.sqrt(strength.values[0]):.8f}")
print(f"{'':>22} {'to the Sun':>12} {'std':>9} {'error':>9}  determined")
for k, name in enumerate(found.particles):
    print(f"{name:>22} {ratio[k]:12.4e} {std[k]:9.1e} {error[k]:9.1e}  {strength.determined[k]}")

# %% [markdown]
# Errors are relative: (found − accepted) / accepted, not a difference of logarithms, which would flatter a factor.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
left.loglog(expected, ratio, "o")
left.loglog(expected, expected, "-", linewidth=0.8, color="grey")
left.set(xlabel="accepted, to the Sun", ylabel="found")
planets = np.arange(1, len(ratio))
right.errorbar(planets, 100 * error[1:], 100 * std[1:], fmt="o", capsize=3)
right.axhline(0, color="grey", linewidth=0.8)
right.set_xticks(planets, [name.split("-")[0] for name in found.particles[1:]], rotation=45)
right.set(ylabel="error of the strength (%)")
plt.show()

# %% [markdown]
# Error bars are one standard error, from resampling blocks of time. They say how far the same ephemeris over other
# years would scatter, and nothing of what is wrong with the ephemeris itself, whose planets are good to some arc
# seconds: Mercury is nine of its error bars off.

# %%
assert found.verdict.status == "known" and found.verdict.match == "Newtonian gravity", found.verdict
assert strength.determined[found.particles.index("Jupiter")]
assert abs(error[found.particles.index("Jupiter")]) < 0.005, error
assert np.all(np.abs(error[np.asarray(strength.determined)]) < 0.1), error
assert abs(np.sqrt(strength.values[0]) / 0.01720209895 - 1) < 1e-4
