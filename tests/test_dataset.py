"""Runs cut into instants, and the honest split of them."""

from dataclasses import replace

import numpy as np
import pytest

from gnn_discovery.criteria import DEFAULT_CRITERIA
from gnn_discovery.data.dataset import Dataset, Split, assemble_dataset, robust_scale, split_by_run, subsample_dataset
from gnn_discovery.data.trajectory import Trajectory, validate_trajectory
from gnn_discovery.errors import DataError


def springs(count=40, frames=12, particles=4, dim=2, seed=0, **more) -> list[Trajectory]:
    """Runs of particles on springs to the origin, a = -x, each with masses and charges of its own."""
    rng = np.random.default_rng(seed)
    runs = []
    for _ in range(count):
        t = 0.1 * np.arange(frames)[:, None, None]
        x, v = rng.normal(size=(2, 1, particles, dim))
        x, v = x * np.cos(t) + v * np.sin(t), -x * np.sin(t) + v * np.cos(t)
        properties = {"m": rng.lognormal(size=particles), "q": rng.choice([-1.0, 1.0], particles)}
        runs.append(validate_trajectory(Trajectory(x, t.ravel(), v, -x, properties, **more)))
    return runs


def distances(data: Dataset) -> np.ndarray:
    return np.linalg.norm(data.separation(), axis=-1)[data.pair_present()]


def parts(cut: Split) -> list[Dataset]:
    return [part for part in (cut.train, cut.valid, cut.test, cut.extreme) if part is not None]


def test_every_frame_of_every_run_is_there_with_all_pairs_both_ways():
    runs = springs(5)
    data = assemble_dataset(runs)
    assert data.positions.shape == (60, 4, 2) and data.present.all() and data.noise == 0
    assert np.array_equal(data.positions[12:24], runs[1].positions)
    assert np.array_equal(data.target, -data.positions)
    assert np.array_equal(data.properties["m"][12:24], np.tile(runs[1].properties["m"], (12, 1)))
    assert data.run.tolist() == np.repeat(np.arange(5), 12).tolist()
    pairs = set(zip(data.senders.tolist(), data.receivers.tolist(), strict=True))
    assert len(data.senders) == 12 and pairs == {(i, j) for i in range(4) for j in range(4) if i != j}
    first_order = assemble_dataset(runs, order=1)
    assert np.array_equal(first_order.target, data.velocities) and not first_order.velocities.any()


def test_runs_of_unequal_length_and_number_are_padded_without_a_singular_place():
    runs = [springs(1, frames=5 + i, particles=2 + i % 4, seed=i)[0] for i in range(8)]
    data = assemble_dataset(runs)
    assert data.present.sum(axis=1).tolist() == [2 + i % 4 for i in range(8) for _ in range(5 + i)]
    assert np.linalg.norm(data.separation(), axis=-1).min() > 1e-3
    assert np.array_equal(data.target[data.present], -data.positions[data.present])
    assert not data.target[~data.present].any() and (data.properties["m"][~data.present] == 1).all()
    pair_count = data.pair_present().sum(axis=1)
    here = data.present.sum(axis=1)
    assert np.array_equal(pair_count, here * (here - 1))


def test_given_edges_are_the_only_pairs():
    chain = np.array([[0, 1], [1, 2], [2, 3]])
    data = assemble_dataset([*springs(3, edges=chain), *springs(3, particles=3, seed=1, edges=chain[:2])])
    assert set(zip(data.senders.tolist(), data.receivers.tolist(), strict=True)) == {
        (0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2),
    }  # fmt: skip
    other = [*springs(3, edges=chain), *springs(1, edges=chain[:2])]
    with pytest.raises(DataError, match=r"run 3: other edges"):
        assemble_dataset(other)


def test_accelerations_come_from_positions_with_the_noise_that_they_have():
    rng = np.random.default_rng(0)
    t = 0.05 * np.arange(200)
    runs = []
    for _ in range(6):
        phase = rng.uniform(0, 6, 3)
        x = np.stack([np.cos(t[:, None] + phase), np.sin(t[:, None] + phase)], axis=-1)
        runs.append(Trajectory(x + 1e-3 * rng.normal(size=x.shape), t))
    data = assemble_dataset(runs)
    error = np.sqrt(np.mean((data.target + data.positions) ** 2) * 2)
    assert 0.5 < np.sqrt(2) * data.noise / error < 2
    assert np.array_equal(np.unique(data.run), np.arange(6))


def test_whole_runs_never_straddle_a_split():
    data = assemble_dataset(springs(40))
    cut = split_by_run(data, seed=3)
    runs = [set(part.run.tolist()) for part in parts(cut)]
    assert sum(len(r) for r in runs) == len(set().union(*runs)) == 40
    assert sum(len(part.run) for part in parts(cut)) == len(data.run)
    assert [len(r) for r in runs] == [30, 4, 4, 2]


def test_extremes_reach_beyond_what_is_trained_on():
    data = assemble_dataset(springs(200))
    cut = split_by_run(data)
    assert cut.extreme is not None and len(np.unique(cut.extreme.run)) == 10
    seen = [cut.train, cut.valid, cut.test]
    assert distances(cut.extreme).min() < min(distances(part).min() for part in seen)
    assert distances(cut.extreme).max() > max(distances(part).max() for part in seen)
    masses = cut.extreme.properties["m"]
    assert masses.min() < min(part.properties["m"].min() for part in seen)
    assert masses.max() > max(part.properties["m"].max() for part in seen)


def test_the_same_seed_gives_the_same_split_and_the_extremes_do_not_depend_on_it():
    data = assemble_dataset(springs(40))
    one, again, other = split_by_run(data, 1), split_by_run(data, 1), split_by_run(data, 2)
    assert np.array_equal(one.train.run, again.train.run)
    assert not np.array_equal(one.valid.run, other.valid.run)
    assert one.extreme is not None and other.extreme is not None
    assert np.array_equal(one.extreme.run, other.extreme.run)


def test_runs_set_apart_anew_are_the_same_runs_and_the_same_extremes():
    data = split_by_run(assemble_dataset(springs(40)))
    other = data.resplit(1)
    assert data.extreme is not None and other.extreme is not None
    assert np.array_equal(other.extreme.run, data.extreme.run)
    assert set(other.test.run) != set(data.test.run)
    np.testing.assert_array_equal(other.whole().positions, data.whole().positions)
    np.testing.assert_array_equal(data.resplit(0).train.target, data.train.target)


def test_few_runs_keep_no_extremes_and_a_single_one_is_cut_into_contiguous_blocks():
    assert split_by_run(assemble_dataset(springs(8))).extreme is None
    data = assemble_dataset(springs(1, frames=203))
    blocks, starts, sizes = np.unique(data.run, return_index=True, return_counts=True)
    assert len(blocks) == 20 and sizes.max() - sizes.min() <= 1
    assert np.array_equal(np.flatnonzero(np.diff(data.run)), starts[1:] - 1)
    cut = split_by_run(data)
    held = set(cut.valid.run.tolist()) | set(cut.test.run.tolist())
    assert len(held) == 4 and not held & set(cut.train.run.tolist())
    two = assemble_dataset(springs(2, frames=100))
    assert len(np.unique(two.run)) == 20 and not set(two.run[:100].tolist()) & set(two.run[100:].tolist())


def test_the_criteria_set_the_shares_of_a_split():
    selection = replace(DEFAULT_CRITERIA.selection, held_out_fraction=0.25, extreme_fraction=0.2, n_time_blocks=8)
    criteria = replace(DEFAULT_CRITERIA, selection=selection)
    cut = split_by_run(assemble_dataset(springs(40), criteria=criteria), criteria=criteria)
    assert [len(np.unique(part.run)) for part in (cut.valid, cut.test, cut.extreme)] == [10, 10, 8]
    assert len(np.unique(assemble_dataset(springs(1, frames=203), criteria=criteria).run)) == 8


def test_ends_that_many_runs_share_are_not_extreme():
    # nothing varies: two particles at rest, in 30 runs
    still = np.tile([[0.0, 0.0], [1.0, 0.0]], (12, 1, 1))
    zero = np.zeros_like(still)
    run = Trajectory(still, np.arange(12.0), zero, zero, {"q": np.array([1.0, -1.0])})
    data = assemble_dataset([run] * 30)
    cut = split_by_run(data)
    assert cut.extreme is None
    assert not data.target.any() and np.isfinite(data.noise)
    assert np.isfinite(assemble_dataset([replace(run, velocities=None, accelerations=None)] * 30).target).all()


def test_a_run_that_cannot_be_differentiated_is_left_out():
    """Uneven frames leave no paths either, which might explain even such motion."""
    t = np.cumsum(np.tile([1.0, 1.1], 60))
    bounce = np.abs((t[:, None] - 4 * np.arange(6)) % 24 - 12)
    bad = Trajectory(np.stack([bounce, np.tile(100.0 * np.arange(6), (120, 1))], axis=-1), t)
    good = [replace(r, velocities=None, accelerations=None, properties={}) for r in springs(6, particles=6)]
    data = assemble_dataset([*good[:3], bad, *good[3:]])
    assert len(np.unique(data.run)) == 6
    with pytest.raises(DataError, match=r"bounce\.h5: .*too few frames.*more often"):
        assemble_dataset([bad], where="bounce.h5")


def test_subsample_keeps_instants_whole_and_in_order():
    data = assemble_dataset(springs(10))
    some = subsample_dataset(data, 30, seed=1)
    assert len(some.run) == 30 and (np.diff(some.run) >= 0).all()
    assert np.array_equal(some.target, -some.positions)
    assert np.array_equal(some.positions, subsample_dataset(data, 30, seed=1).positions)
    assert subsample_dataset(data, 1000) is data


FOREIGN = {
    "dimension": ({"dim": 3}, {}, "dimensions of space: 3, but in run 0: 2"),
    "properties": ({}, {"properties": {"m": np.ones(4)}}, r"properties: \['m'\]"),
    "box": ({}, {"box": np.array([9.0, 9.0])}, r"box: \[9.0, 9.0\], but in run 0: None"),
    "cut-off": ({}, {"cutoff": 2.0}, "cut-off: 2.0, but in run 0: None"),
    "units": ({}, {"units": {"length": "m"}}, "units"),
    "edges": ({}, {"edges": np.array([[0, 1], [1, 0]])}, "edges given: True"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_runs_that_do_not_belong_together_are_named(case):
    shape, change, words = FOREIGN[case]
    other = replace(springs(1, **shape)[0], **change)
    with pytest.raises(DataError, match=rf"a\.h5, run 2: {words}") as caught:
        assemble_dataset([*springs(2), other], where="a.h5")
    assert caught.value.exit_code == 3 and caught.value.remedy


def test_too_little_to_split_is_an_error():
    with pytest.raises(DataError, match="no run"):
        assemble_dataset([])
    with pytest.raises(DataError, match="too few frames"):
        assemble_dataset(springs(1, frames=2))
    with pytest.raises(DataError, match="2 runs or blocks"):
        data = assemble_dataset(springs(10))
        split_by_run(data.select(data.run < 2))


def test_the_robust_scale_is_the_median_and_no_encounter_moves_it():
    force = np.abs(np.random.default_rng(0).normal(size=10_000))
    assert robust_scale(force) == pytest.approx(np.median(force))
    rare = force.copy()
    rare[:50] *= 1e5
    assert robust_scale(rare) == pytest.approx(robust_scale(force), rel=0.02)


def test_the_scale_of_motion_that_has_come_to_rest_is_that_of_the_motion():
    """Damped springs: most of the run is at rest, and the median says nothing. Contacts: most of it nothing is felt."""
    force = np.exp(-np.linspace(0, 15, 3000))
    assert np.median(force) < 6e-4
    assert 0.005 < robust_scale(force) < 1
    assert robust_scale(np.zeros(5)) == robust_scale(np.array([])) == 0.0
    mostly_rest = np.zeros(100)
    mostly_rest[:5] = 2.0
    assert robust_scale(mostly_rest) == pytest.approx(0.25 * 2.0)
