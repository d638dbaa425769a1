"""One run: what is refused, and what validation makes of the rest."""

from dataclasses import replace

import numpy as np
import pytest

from gnn_discovery.data.trajectory import Trajectory, trajectory_fingerprint, validate_trajectory
from gnn_discovery.errors import DataError


def run(frames=6, particles=3, dim=2, **more) -> Trajectory:
    x = np.random.default_rng(0).normal(size=(frames, particles, dim))
    return Trajectory(**{"positions": x, "times": np.arange(float(frames)), **more})


def changed(frame, particle, value):
    x = run().positions.copy()
    x[frame, particle] = value
    return x


BAD = {
    "NaN": (run(positions=changed(3, 1, [0.0, np.nan])), ["particle 1", "frame 3", "nan"]),
    "named": (
        run(positions=changed(3, 1, np.inf), names=("Sun", "Earth", "Moon")),
        ["particle 1 (Earth)", "frame 3"],
    ),
    "velocity": (run(velocities=changed(0, 2, np.nan)), ["velocity of particle 2", "frame 0"]),
    "acceleration": (
        run(accelerations=changed(5, 0, -np.inf)),
        ["acceleration of particle 0", "frame 5", "-inf"],
    ),
    "shape": (run(accelerations=np.ones((6, 3, 3))), ["accelerations", "(6, 3, 3)", "(6, 3, 2)"]),
    "text": (run(positions=np.full((6, 3, 2), "a")), ["positions", "real numbers"]),
    "rank": (run(positions=np.ones((6, 3))), ["(6, 3)", "(T N D)"]),
    "no frames": (run(0), ["0 frames"]),
    "one particle": (run(particles=1), ["one particle", "pair"]),
    "four dimensions": (run(dim=4), ["4 dimensions"]),
    "times": (run(times=np.arange(5.0)), ["(5,)", "6 frames"]),
    "NaN time": (run(times=np.array([0, 1, np.nan, 3, 4, 5])), ["time of frame 2", "nan"]),
    "going back": (run(times=np.array([0, 1, 2, 1.5, 4, 5])), ["frame 3", "1.5, after 2"]),
    "property": (run(properties={"q": np.ones(2)}), ["property q", "(2,)", "3 particles"]),
    "NaN property": (run(properties={"q": np.array([1, np.nan, 2])}), ["q of particle 1", "nan"]),
    "massless": (run(properties={"m": np.array([1.0, 2, 0])}), ["m of particle 2", "0.0", "positive"]),
    "property name": (run(properties={"q e": np.ones(3)}), ["'q e'"]),
    "box": (run(box=np.array([1.0])), ["box", "[1.0]", "2 positive"]),
    "cut-off": (run(cutoff=-1.0), ["cut-off", "-1", "positive"]),
    "cut-off beyond half the box": (run(cutoff=5.0, box=np.array([9.0, 20.0])), ["cut-off is 5", "[9.0, 20.0]"]),
    "edge to itself": (run(edges=np.array([[0, 1], [2, 2]])), ["edge 1", "particle 2 to particle 2"]),
    "edge to nobody": (run(edges=np.array([[0, 3]])), ["edge 0", "particle 3"]),
    "real edges": (run(edges=np.array([[0.0, 1.0]])), ["edges", "float64"]),
    "double names": (run(names=("a", "b", "a")), ["2 different names", "3 particles"]),
    "one place": (
        run(positions=changed(4, 0, run().positions[4, 2])),
        ["particle 0 and particle 2", "frame 4"],
    ),
    "one place in a box": (
        run(positions=changed(4, [0, 2], [[1.0, 2.5], [9.0, -13.5]]), box=np.array([8.0, 8.0])),
        ["particle 0 and particle 2", "frame 4"],
    ),
    "one place of a pair": (
        run(positions=changed(4, 0, run().positions[4, 2]), edges=np.array([[2, 0]])),
        ["particle 0 and particle 2", "frame 4"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_runs_are_named_with_frame_and_particle(case):
    bad, words = BAD[case]
    with pytest.raises(DataError) as caught:
        validate_trajectory(bad, "data.npz, run 3")
    assert caught.value.exit_code == 3 and caught.value.remedy
    for word in ["data.npz, run 3: ", *words]:
        assert word in str(caught.value)


def test_valid_runs_come_back_as_contiguous_float64_with_edges_both_ways():
    x = np.asfortranarray(np.random.default_rng(0).normal(size=(6, 3, 2)).astype(">f4"))
    good = validate_trajectory(Trajectory(x, range(6), edges=[[1, 0], [0, 1], [2, 1]], properties={"q": [1, -1, 1]}))
    assert good.positions.dtype == np.float64 and good.positions.flags.c_contiguous
    assert good.edges.tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]
    assert trajectory_fingerprint([validate_trajectory(good)]) == trajectory_fingerprint([good])


def test_particles_that_share_one_coordinate_are_apart():
    x = np.zeros((2, 4, 2))
    x[..., 1] = np.arange(4)
    validate_trajectory(Trajectory(x, np.arange(2.0)))
    # and those that no pair joins may meet
    x[:, 3] = x[:, 0]
    validate_trajectory(Trajectory(x, np.arange(2.0), edges=np.array([[0, 1], [2, 3]])))


def test_one_particle_is_motion_where_no_pair_is_wanted():
    alone = run(particles=1, edges=np.zeros((0, 2), dtype=int))
    assert validate_trajectory(alone).edges.shape == (0, 2)


def test_fingerprint_sees_every_field_and_the_order_of_runs():
    plain = run(properties={"m": np.array([1.0, 2, 3])})
    others = [
        replace(plain, positions=np.nextafter(plain.positions, 9)),
        replace(plain, times=plain.times + 1),
        replace(plain, velocities=plain.positions),
        replace(plain, accelerations=plain.positions),
        replace(plain, properties={"q": plain.properties["m"]}),
        replace(plain, properties={"m": np.array([1.0, 2, 4])}),
        replace(plain, edges=np.array([[0, 1]])),
        replace(plain, box=np.array([9.0, 9.0])),
        replace(plain, cutoff=2.0),
        replace(plain, names=("a", "b", "c")),
        replace(plain, units={"m": "kg"}),
    ]
    assert len({trajectory_fingerprint([one]) for one in [plain, *others]}) == 1 + len(others)
    assert trajectory_fingerprint([plain, others[0]]) != trajectory_fingerprint([others[0], plain])
    assert trajectory_fingerprint([plain]) == trajectory_fingerprint([replace(plain)])
