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
# # Replicate a law
#
# Four masses pull on each other. A graph network learns to predict their accelerations; what it says each mass does
# to each other is read off, turned into a formula by symbolic regression, refitted on the motion and judged. The idea
# is that of Cranmer et al. 2020, [arXiv 2006.11287](https://arxiv.org/abs/2006.11287). Ten lines do it.

# %%
import matplotlib.pyplot as plt
import numpy as np

from gnn_discovery import DiscoverConfig, SimulationConfig, discover

config = DiscoverConfig(simulation=SimulationConfig(runs=200, frames=50))
found = discover("gravity", config)
print(found.law)
print(found.verdict)

# %% [markdown]
# The law is that of the *force*: $m_i \mathbf a_i$, with $\hat{\mathbf r}$ from $j$ to $i$, so that a minus attracts.
# A digit in brackets is one standard error in the last place. The simulation is softened, $r \to r + 0.01$, and the
# catalogue of known laws says so.
#
# ## Did the network know?
#
# A regression may find a law in poor messages by luck. The honest question is how near the network's pair force comes
# to the true one, component by component, *with nothing fitted between the two*. The published figures leave out the
# worst tenth of the residuals, which are close encounters; here are both.

# %%
message, truth = found.evidence.message, found.evidence.message_truth
left_out, all_kept = found.messages.direct_r2
print(f"direct R²: 1 - {1 - left_out:.1e} with the worst tenth left out, {all_kept:.4f} with all kept")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for axis, name in enumerate("xy"):
    left.plot(truth[:, axis], message[:, axis], ".", markersize=3, label=f"{name} component")
left.set(xscale="symlog", yscale="symlog", xlabel="true pair force", ylabel="what the network says")
left.legend()
step, loss, held_out = found.evidence.history.T
right.semilogy(step, loss, label="training loss")
right.semilogy(step, held_out, label="error on held-out runs")
right.set(xlabel="step")
right.legend()
plt.show()

# %% [markdown]
# The network is good to about a hundredth, and by far not so good at the extremes of distance and mass, which are
# kept from training. The law, whose constants are refitted on the motion itself, is good to rounding in both. What
# regression made of the messages alone, before that refit, is kept too.

# %%
print("from the messages alone:", found.messages.law_from_messages_alone)
for what, error in (("network", found.fit.network_error), ("law", found.fit.law_error)):
    print(f"{what:>8}: {error[0]:.1e} of the held-out motion unexplained, {error[1]:.1e} outside the range of training")

# %% [markdown]
# `write_report(found, "somewhere")` writes all of this as one page. The same from a shell is `gnn-discovery discover
# gravity --runs 200 --frames 50`.

# %%
assert found.verdict.status == "known" and found.verdict.match.startswith("Newtonian gravity"), found.verdict
(term,) = found.law.terms
constants = sorted(constant.value for constant in term.constants.values())
assert np.allclose(constants, [-1, 0.01], rtol=1e-6), constants
assert left_out > 0.999 and all_kept > 0.9, (left_out, all_kept)
