"""Train the peer of ``peer.py``, the network of Cranmer et al. 2020 (arXiv 2006.11287) in PyTorch Geometric.

Written from the paper's description. Run by ``peer.py``, perhaps by an interpreter that has no gnn-discovery:
``python peer_torch.py FOLDER STEPS``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing
from turns import Turns

GRAPHS, SHIFT, L1, RATE = 64, 3.0, 1e-2, 1e-3
WARM = 10


def mlp(inputs: int, outputs: int, width: int = 300) -> nn.Sequential:
    """Return a network with three hidden layers."""
    hidden = [nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)]
    return nn.Sequential(*hidden, nn.ReLU(), nn.Linear(width, outputs))


class Network(MessagePassing):
    """A network that sums the messages of edges and predicts the acceleration of a node from the sum and the node."""

    def __init__(self, features: int, dim: int, message: int = 100):
        super().__init__(aggr="add")
        self.edge = mlp(2 * features, message)
        self.node = mlp(message + features, dim)

    def forward(self, x: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
        """Return accelerations (N D) and messages (E M)."""
        messages = self.edge_updater(edge_index, x=x)
        return self.propagate(edge_index, x=x, messages=messages), messages

    def edge_update(self, x_i: Tensor, x_j: Tensor) -> Tensor:
        return self.edge(torch.cat([x_i, x_j], dim=1))

    def message(self, messages: Tensor) -> Tensor:
        return messages

    def update(self, total: Tensor, x: Tensor) -> Tensor:
        return self.node(torch.cat([total, x], dim=1))


def edges_of(graphs: int, particles: int) -> Tensor:
    """Return the edges (2 E) from each particle to each other one of its graph."""
    pairs = np.argwhere(~np.eye(particles, dtype=bool))
    return torch.tensor(np.concatenate([pairs + particles * k for k in range(graphs)]).T.copy())


def loss_of(network: Network, x: Tensor, y: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
    """Return the absolute error, summed over components, plus the L1 norm of a message; and the predictions."""
    predicted, messages = network(x, edge_index)
    return (predicted - y).abs().sum() / len(x) + L1 * messages.abs().sum() / len(messages), predicted


def main(folder: Path, steps: int) -> None:
    torch.set_num_threads(1)
    with np.load(folder / "ours.npz") as file:
        given = {name: torch.from_numpy(array) for name, array in file.items()}
    x, y = given["x"], given["y"]
    particles, features, dim = *x.shape[1:], y.shape[-1]
    network, edge_index = Network(features, dim), edges_of(GRAPHS, particles)
    with torch.no_grad():
        for k, weights in enumerate(network.parameters()):
            weights.copy_(given[f"weights_{k}"])
    value, predicted = loss_of(network, x[:GRAPHS].flatten(0, 1), y[:GRAPHS].flatten(0, 1), edge_index)
    value.backward()
    gradient = {f"gradient_{k}": w.grad.numpy() for k, w in enumerate(network.parameters())}
    np.savez(folder / "torch.npz", output=predicted.detach().numpy(), loss=value.detach().numpy(), **gradient)

    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)

    def step() -> None:
        index = torch.randint(len(x), (GRAPHS,))
        place = torch.zeros(GRAPHS, 1, features)
        place[..., :dim] = SHIFT * torch.randn(GRAPHS, 1, dim)
        optimiser.zero_grad()
        value, _ = loss_of(network, (x[index] + place).flatten(0, 1), y[index].flatten(0, 1), edge_index)
        value.backward()
        optimiser.step()

    for _ in range(WARM):
        step()
    one, other = torch.randn(edge_index.shape[1], 300), torch.randn(300, 300)
    turns = Turns(lambda: one @ other)
    while True:
        turns.wait()
        for _ in range(steps):
            step()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
