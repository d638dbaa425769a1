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
# # Explain a network
#
# This is `discover` in slow motion: train, read the messages, test their symmetries, turn them into candidates, select.
# The system is gravity in two dimensions, a force that falls as $1/r$; the network is told nothing of it.

# %%
import matplotlib.pyplot as plt
import numpy as np

from gnn_discovery import DiscoverConfig, NetworkConfig, SimulationConfig, TrainingConfig, Trajectory, pipeline
from gnn_discovery.data.dataset import assemble_dataset
from gnn_discovery.gnn.training import predict_target
from gnn_discovery.report import direct_r2

config = DiscoverConfig(
    simulation=SimulationConfig(runs=200, frames=50),
    network=NetworkConfig(node="mlp"),
    training=TrainingConfig(steps=4000),
)
session = pipeline.Session(config)
motion = pipeline.prepare_motion("log-gravity", session)
network = pipeline.train_network(motion, session)
print(f"held-out error of the network: {network.error:.1e}")

# %% [markdown]
# ## The gauge
#
# An edge function sends a message from each particle to each other, and a node function, here an MLP, makes an
# acceleration of their sum. What does *one* message say? Multiply all messages by seven, let the node function divide
# by seven: the same network, other messages. A raw component therefore means nothing by itself. What has a meaning is
# what neighbour $j$ contributes to $m_i \mathbf a_i$, read *through* the node function, in three ways:
#
# * `linear`: the slope of the node function at the actual sum of messages, times the message;
# * `odd`: half of the change when neighbour $j$ is mirrored through $i$;
# * `two_body`: what the network predicts for $i$ if $j$ is its only neighbour.
#
# Where forces add up and the network has learnt that, the three agree. The one whose sum comes nearest to the
# observed force is kept. (With `node="fixed"`, the default of `discover`, the node function only adds and divides by
# $m_i$: then the message is the force, and there is nothing to choose.)

# %%
readout = pipeline.extract_messages(network, motion, session)
messages = readout.messages
print(f"kept: {messages.gauge}; its sum misses the observed force by {messages.additivity_error:.1e} (median)")
for other, difference in messages.gauge_differences.items():
    print(f"{other:>9} differs from it by {difference:.1e} (median)")
print(f"{messages.n_active_components} of {len(messages.spectrum)} components are active")

# %% [markdown]
# ## Symmetry
#
# Each test asks the network about transformed pairs: it was not built to pass them, except where it says so
# (positions enter as $\mathbf x_i - \mathbf x_j$). The lower half shuffles one input over the pairs: what does not
# matter stays near 0.

# %%
for name, deviation in readout.symmetry.transformations.items():
    print(f"{name:>20} {deviation:8.4f}")
for name, change in readout.symmetry.dependences.items():
    print(f"{name:>20} {change:8.4f}")

# %% [markdown]
# A central force, the same after rotation and reflection, equal and opposite, that heeds the masses and no velocity.
# So the search may be for a *scalar* that depends on $r$, $m_i$ and $m_j$, times $\hat{\mathbf r}$, and it is the
# powers of the properties that come first. Divide them out, and one curve is left.

# %%
pair = messages.pair
towards = np.sum(pair.contributions * pair.position, axis=1) / pair.distance
masses = pair.properties["m_i"] * pair.properties["m_j"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.loglog(pair.distance, np.abs(towards), ".", markersize=1)
left.set(xlabel="r", ylabel="attraction, as the network says it")
right.loglog(pair.distance, np.abs(towards) / masses, ".", markersize=1)
right.set(xlabel="r", ylabel="the same, over $m_i m_j$")
plt.show()

# %% [markdown]
# ## From messages to candidates, and to a law
#
# The engine offers formulas for that curve, as good as the network is. Then each is refitted on the *motion*, and the
# simplest is taken that no other beats on held-out runs: the network says where to look, the data have the last word.

# %%
candidates = pipeline.distill_candidates(readout, motion, session)
for law in candidates.distilled.laws[:3]:
    print("offered:", law)
selected = pipeline.select_candidate(candidates, motion, session)
for tried in selected.selection.scoreboard:
    print(f"{tried.complexity:3d} {tried.error:8.1e}  {tried.law}")
law = pipeline.estimate_constants(selected.selection.law, motion, session)
validation = pipeline.validate_law(law, selected, readout, motion, session)
verdict = pipeline.decide_verdict(validation, motion, session)
print(law)
print(verdict)

# %% [markdown]
# ## Where network and law part ways
#
# Two unit masses at rest, from a hundredth of the typical distance to a hundred times as much. Inside the range of
# the data the two cannot be told apart by eye; outside, the network goes where its weights happen to lead. The
# formula goes on, which is no proof that nature does.

# %%
r = np.geomspace(0.01, 100, 200)
place = np.zeros((len(r), 2, 2))
place[:, 0, 0] = r
rest = np.zeros_like(place)
alone = Trajectory(place, np.arange(len(r), dtype=float), rest, rest, {"m": np.ones(2)})
network_says = -predict_target(network, assemble_dataset([alone]))[:, 0, 0]
law_says = -law.acceleration(place, rest, {"m": np.ones((len(r), 2))})[:, 0, 0]

low, high = np.quantile(pair.distance, [0.01, 0.99])
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
axes.loglog(r, law_says, label="law")
axes.loglog(r, np.where(network_says > 0, network_says, np.nan), ".", markersize=4, label="network")
axes.axvspan(low, high, alpha=0.1, label="98% of the pairs")
axes.set(xlabel="r", ylabel="attraction of two unit masses")
axes.legend()
plt.show()
gap = np.abs(network_says / law_says - 1)
inside = (low < r) & (r < high)
print(f"median gap inside: {np.median(gap[inside]):.1e}; at r = 100: {gap[-1]:.1e}")

# %%
assert all(difference < 0.02 for difference in messages.gauge_differences.values()), messages.gauge_differences
for name in ("rotation", "reflection", "centrality", "reciprocity"):
    assert readout.symmetry.transformations[name] < 0.05, readout.symmetry
truth = (-masses / (pair.distance + 0.01) / pair.distance)[:, None] * pair.position
assert direct_r2(pair.contributions, truth)[0] > 0.99
assert verdict.status == "known" and verdict.match.startswith("logarithmic gravity"), verdict
assert np.allclose(law_says, 1 / (r + 0.01), rtol=1e-6)
assert np.median(gap[inside]) < 0.02 and gap[-1] > 0.1, (np.median(gap[inside]), gap[-1])
