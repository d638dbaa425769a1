"""NetworkProbe: the pair force of a network at the pairs of the motion and past them, beside that of a law."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from gnn_discovery.criteria import DEFAULT_CRITERIA, Criteria
from gnn_discovery.data.dataset import Dataset, Split, subsample_dataset
from gnn_discovery.distillation import AdditiveStructure, is_visible
from gnn_discovery.distillation.additive_fit import AdditiveFit
from gnn_discovery.estimation.latent_properties import inferable_properties
from gnn_discovery.laws.evaluate import law_pair_force, predict_with_law
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.messages.gauge import Messages
from gnn_discovery.messages.pair_dataset import pair_dataset
from gnn_discovery.messages.pair_force_model import PairForceModel
from gnn_discovery.messages.pair_query import pairs_at
from gnn_discovery.messages.table import MessageTable
from gnn_discovery.pipeline.evidence import in_units_of
from gnn_discovery.validation.agreement_profile import (
    AgreementProfile,
    Interval,
    disagreement_intervals,
    extended_bins,
    extrapolated_profile,
    measure_agreement,
)

PROBED_ROWS = {"train": 20_000, "valid": 6_000, "test": 6_000}
"""The largest number of pairs that are read of each part of the motion."""


class NetworkProbe:
    """Asks a network about pairs of the motion.

    Attributes:
        model: gives the pair force and the prediction of the network.
        data: the motion that it is asked about.
        samples: snapshots of each part whose pairs are read.
        messages: the contributions read from the network at these pairs, by part.
        latent: names of the properties that the network has inferred.
    """

    def __init__(self, model: PairForceModel, data: Split, *, criteria: Criteria = DEFAULT_CRITERIA):
        self.model, self.data, self.criteria = model, data, criteria
        self.samples: dict[str, Dataset] = {
            name: subsample_dataset(getattr(data, name), max(1, rows // max(1, len(data.train.senders))))
            for name, rows in PROBED_ROWS.items()
        }
        self.messages: dict[str, Messages] = {name: model.read(sample) for name, sample in self.samples.items()}
        inferred = "m_j" in self.messages["train"].pair.properties and not data.train.has_mass
        self.latent = inferable_properties(data.train) if inferred else ()

    def visible_rows(self, part: str) -> np.ndarray:
        """Return a mask (K,) of the pairs that can be seen beside the whole force on the receiver."""
        table = self.messages[part].pair
        size = np.asarray(np.linalg.norm(table.contributions, axis=-1))
        return np.asarray(size > self.criteria.visibility.detection_limit * table.total)

    @property
    def visible_fraction(self) -> float:
        """The share of the pairs that can be seen."""
        return float(np.mean(self.visible_rows("train")))

    def network_roughness(self, structure: AdditiveStructure) -> float:
        """Return the deviation of the network from the best sum of smooth curves, within which most pairs lie."""
        table = self.table
        smooth = sum(
            value[:, None] * vector
            for value, vector in AdditiveFit(table, criteria=self.criteria).profiles(structure.components)
        )
        rough = measure_agreement("r", table.distance, table.contributions, smooth, criteria=self.criteria)
        order = np.argsort(rough.deviation)
        return float(
            rough.deviation[order][
                np.searchsorted(np.cumsum(rough.share[order]), self.criteria.verdict.min_agreement_share)
            ]
        )

    @property
    def self_force_share(self) -> float:
        """The share (median) of the self force that the network predicts in the whole force."""
        table = self.messages["train"].self_force
        return float(np.median(np.linalg.norm(table.contributions, axis=-1) / table.total))

    def pairs(self, part: str, where: Interval | None = None) -> Dataset:
        """Return the pair force of the network as motion of two bodies alone.

        Args:
            part: "train", "valid" or "test".
            where: the interval of distances that is kept; None keeps all.
        """
        messages, sample = self.messages[part], self.samples[part]
        own = is_visible(self.messages["train"].self_force, criteria=self.criteria)
        alone = pair_dataset(
            sample,
            messages,
            detection_limit=self.criteria.visibility.detection_limit,
            with_self_force=own,
            keep_particle_indices=bool(self.latent),
        )
        if where is None:
            return alone
        s, e = np.nonzero(alone.pair_present())
        r = np.zeros(len(alone.run))
        r[s] = np.linalg.norm(alone.separation()[s, e], axis=-1)
        return alone.select((where.low <= r) & (r <= where.high))

    @cached_property
    def table(self) -> MessageTable:
        """The contributions of the network at all pairs of the data that can be seen."""
        tables = [self.messages[part].pair.select(np.flatnonzero(self.visible_rows(part))) for part in PROBED_ROWS]
        return _together(tables)

    @cached_property
    def reach(self) -> tuple[float, float]:
        """The least and the largest distance at which the network is asked: past the data, within cut-off and box."""
        sample, r = self.samples["train"], self.table.distance
        beyond = self.criteria.verdict.probe_extension
        limits = [beyond * r.max(), sample.cutoff, None if sample.box is None else 0.5 * np.min(sample.box)]
        return r.min() / beyond, max(r.max(), min(float(limit) for limit in limits if limit is not None))

    def moved(self, distances: np.ndarray) -> MessageTable:
        """Return the contributions at a few pairs of the data, moved to all ``distances`` (B,); pairs vary fastest."""
        sample, rng, count = self.samples["train"], np.random.default_rng(0), self.criteria.verdict.n_probed_pairs
        s, e = np.nonzero(sample.pair_present())
        rows = np.tile(rng.choice(np.flatnonzero(self.visible_rows("train")), count), len(distances))
        x, v, p, ends = pairs_at(sample, s[rows], e[rows])
        away = x[:, 0] - x[:, 1]
        x[:, 0] = x[:, 1] + away * (np.repeat(distances, count) / np.linalg.norm(away, axis=-1))[:, None]
        with np.errstate(all="ignore"):
            force = self.model((x, v, p, ends))
        named = enumerate(sorted(sample.properties))
        columns = {f"{name}_{end}": p[:, k, n] for n, name in named for k, end in enumerate("ij")}
        away, speed = x[:, 0] - x[:, 1], v[:, 0] - v[:, 1]
        return MessageTable("pair", away, speed, columns, ends[:, 0], ends[:, 1], force, np.ones(len(rows)))

    def law_force(self, law: ForceLaw, table: MessageTable) -> np.ndarray:
        """Return the pair force (K D) of the law at the pairs of a table."""
        return law_pair_force(law, in_units_of(law, table))

    def profile_over_r(self, law: ForceLaw) -> AgreementProfile:
        """Return the profile of network and law over the distances of the data."""
        return measure_agreement(
            "r", self.table.distance, self.table.contributions, self.law_force(law, self.table), criteria=self.criteria
        )

    def extended_profile(self, law: ForceLaw) -> AgreementProfile:
        """Return the profile of network and law over distances past the data too."""
        one = self.profile_over_r(law)
        low, high = extended_bins(one, *self.reach, criteria=self.criteria)
        moved = self.moved(np.sqrt(low * high))
        shape = (len(low), self.criteria.verdict.n_probed_pairs, moved.position.shape[-1])
        return extrapolated_profile(
            one,
            low,
            high,
            moved.contributions.reshape(shape),
            self.law_force(law, moved).reshape(shape),
            criteria=self.criteria,
        )

    def profiles(self, law: ForceLaw, together: Interval | None) -> tuple[AgreementProfile, ...]:
        """Return the profiles over all distances, and, where both agree on these, over speed and each property.

        Args:
            law: the law of the network.
            together: the interval of distances over which both agree; None where there is none.
        """
        found = [self.extended_profile(law)]
        if together is None:
            return tuple(found)
        r = self.table.distance
        table = self.table.select(np.flatnonzero((together.low <= r) & (r <= together.high)))
        line = self.law_force(law, table)
        for name in ("v", *(name for name in table.properties if name[:-2] not in self.latent)):
            values = _column(table, name)
            if np.ptp(values) > 1e-9 * np.max(np.abs(values)):
                found.append(measure_agreement(name, values, table.contributions, line, criteria=self.criteria))
        return tuple(found)

    def disagreements(
        self, law: ForceLaw, profiles: tuple[AgreementProfile, ...], tolerance: float
    ) -> tuple[Interval, ...]:
        """Return the intervals where network and law differ, with the errors of both on the motion there.

        Args:
            law: the law of the network.
            profiles: those of `profiles`.
            tolerance: the largest relative deviation that is no difference.
        """
        sample, table = self.samples["test"], self.messages["test"].pair
        size = np.linalg.norm(sample.target, axis=-1)
        misses = [
            np.linalg.norm(said - sample.target, axis=-1)
            for said in (self.model.predict(sample), predict_with_law(law, sample))
        ]
        instant = np.nonzero(sample.pair_present())[0]

        def measured(stretch: Interval) -> Interval:
            values = _column(table, stretch.variable)
            rows = self.visible_rows("test") & (stretch.low <= values) & (values <= stretch.high)
            here = np.zeros(sample.present.shape, bool)
            here[instant[rows], table.receiver[rows]] = True
            if not stretch.share or np.count_nonzero(here) < self.criteria.verdict.min_instants_for_error:
                return stretch
            network, line = (float(miss[here].sum() / size[here].sum()) for miss in misses)
            return replace(stretch, network_error=network, law_error=line)

        return tuple(measured(stretch) for one in profiles for stretch in disagreement_intervals(one, tolerance))


def _column(table: MessageTable, variable: str) -> np.ndarray:
    return table.distance if variable == "r" else table.speed if variable == "v" else table.properties[variable]


def _together(tables: list[MessageTable]) -> MessageTable:
    """Return the rows of all tables in one."""

    def join(name: str) -> np.ndarray:
        return np.concatenate([getattr(table, name) for table in tables])

    return replace(
        tables[0],
        position=join("position"),
        velocity=join("velocity"),
        properties={k: np.concatenate([table.properties[k] for table in tables]) for k in tables[0].properties},
        receiver=join("receiver"),
        sender=join("sender"),
        contributions=join("contributions"),
        total=join("total"),
    )
