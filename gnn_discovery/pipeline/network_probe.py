"""Study: what a network says at the pairs of the motion, and past them, beside what a law says there."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from gnn_discovery.data.dataset import Dataset, Split, subsample_dataset
from gnn_discovery.distillation import VISIBLE, AdditiveStructure, is_visible
from gnn_discovery.distillation.additive_fit import AdditiveFit
from gnn_discovery.laws.evaluate import law_pair_force, predict_with_law
from gnn_discovery.laws.law import ForceLaw
from gnn_discovery.messages.gauge import Messages
from gnn_discovery.messages.pair_dataset import pair_dataset
from gnn_discovery.messages.pair_force_model import PairForceModel
from gnn_discovery.messages.pair_query import pairs_at
from gnn_discovery.messages.table import MessageTable
from gnn_discovery.pipeline.evidence import in_units_of
from gnn_discovery.pipeline.stages import latent_properties
from gnn_discovery.validation.agreement_profile import (
    AgreementProfile,
    Interval,
    disagreement_intervals,
    extended_bins,
    extrapolated_profile,
    measure_agreement,
)
from gnn_discovery.validation.verdict_on_network import MOST

PROBED_ROWS = {"train": 20_000, "valid": 6_000, "test": 6_000}
"""Pairs that are read of each part of the motion."""
PAST, MOVED = 3.0, 60
"""How many times nearer and farther than any pair of the data the network is asked, and of how many pairs."""
FEWEST = 8
"""Instants from which an error is taken."""


class NetworkProbe:
    """A network, and the motion that it is asked about."""

    def __init__(self, subject: PairForceModel, data: Split):
        self.subject, self.data = subject, data
        self.samples: dict[str, Dataset] = {
            name: subsample_dataset(getattr(data, name), max(1, rows // max(1, len(data.train.senders))))
            for name, rows in PROBED_ROWS.items()
        }
        self.messages: dict[str, Messages] = {name: subject.read(sample) for name, sample in self.samples.items()}
        inferred = "m_j" in self.messages["train"].pair.properties and not data.train.has_mass
        self.latent = latent_properties(data.train) if inferred else ()

    def seen(self, part: str) -> np.ndarray:
        """(K,) which pairs can be seen beside the whole force on the receiver."""
        table = self.messages[part].pair
        return np.linalg.norm(table.contributions, axis=-1) > VISIBLE * table.total

    @property
    def visible_share(self) -> float:
        """Part of the pairs that can be seen."""
        return float(np.mean(self.seen("train")))

    def network_roughness(self, structure: AdditiveStructure) -> float:
        """The deviation, within which most pairs lie, of the network from the best sum of smooth curves."""
        table = self.table
        smooth = sum(value[:, None] * vector for value, vector in AdditiveFit(table).profiles(structure.channels))
        rough = measure_agreement("r", table.distance, table.contributions, smooth)
        order = np.argsort(rough.deviation)
        return float(rough.deviation[order][np.searchsorted(np.cumsum(rough.share[order]), MOST)])

    @property
    def own(self) -> float:
        """Part of the whole force (median) that the network has a particle do to itself."""
        table = self.messages["train"].own
        return float(np.median(np.linalg.norm(table.contributions, axis=-1) / table.total))

    def pairs(self, part: str, where: Interval | None = None) -> Dataset:
        """Two bodies alone as the network says them, as far apart as ``where`` says."""
        messages, sample = self.messages[part], self.samples[part]
        own = is_visible(self.messages["train"].own)
        alone = pair_dataset(sample, messages, faint=VISIBLE, own=own, particular=bool(self.latent))
        if where is None:
            return alone
        s, e = np.nonzero(alone.pair_present())
        r = np.zeros(len(alone.run))
        r[s] = np.linalg.norm(alone.separation()[s, e], axis=-1)
        return alone.select((where.low <= r) & (r <= where.high))

    @cached_property
    def table(self) -> MessageTable:
        """What the network says at all pairs of the data that are seen."""
        tables = [self.messages[part].pair.select(np.flatnonzero(self.seen(part))) for part in PROBED_ROWS]
        return _together(tables)

    @cached_property
    def reach(self) -> tuple[float, float]:
        """The least and the largest distance at which it is asked: past the data, within cut-off and box."""
        sample, r = self.samples["train"], self.table.distance
        limits = [PAST * r.max(), sample.cutoff, None if sample.box is None else 0.5 * np.min(sample.box)]
        return r.min() / PAST, max(r.max(), min(float(limit) for limit in limits if limit is not None))

    def moved(self, distances: np.ndarray) -> MessageTable:
        """What it says of a few pairs of the data, each moved to all ``distances`` (B,); pair first within each."""
        sample, rng = self.samples["train"], np.random.default_rng(0)
        s, e = np.nonzero(sample.pair_present())
        rows = np.tile(rng.choice(np.flatnonzero(self.seen("train")), MOVED), len(distances))
        x, v, p, ends = pairs_at(sample, s[rows], e[rows])
        away = x[:, 0] - x[:, 1]
        x[:, 0] = x[:, 1] + away * (np.repeat(distances, MOVED) / np.linalg.norm(away, axis=-1))[:, None]
        with np.errstate(all="ignore"):
            force = self.subject((x, v, p, ends))
        named = enumerate(sorted(sample.properties))
        columns = {f"{name}_{end}": p[:, k, n] for n, name in named for k, end in enumerate("ij")}
        away, speed = x[:, 0] - x[:, 1], v[:, 0] - v[:, 1]
        return MessageTable("pair", away, speed, columns, ends[:, 0], ends[:, 1], force, np.ones(len(rows)))

    def law_force(self, law: ForceLaw, table: MessageTable) -> np.ndarray:
        """The pair force (K D) by the law."""
        return law_pair_force(law, in_units_of(law, table))

    def profile_over_r(self, law: ForceLaw) -> AgreementProfile:
        """Network and law over the distances of the data."""
        return measure_agreement("r", self.table.distance, self.table.contributions, self.law_force(law, self.table))

    def past(self, law: ForceLaw) -> AgreementProfile:
        """The same past the data too."""
        one = self.profile_over_r(law)
        low, high = extended_bins(one, *self.reach)
        moved = self.moved(np.sqrt(low * high))
        shape = (len(low), MOVED, moved.position.shape[-1])
        return extrapolated_profile(
            one, low, high, moved.contributions.reshape(shape), self.law_force(law, moved).reshape(shape)
        )

    def profiles(self, law: ForceLaw, together: Interval | None) -> tuple[AgreementProfile, ...]:
        """Network and law over all distances, and, where they agree on these, over speed and each property."""
        found = [self.past(law)]
        if together is None:
            return tuple(found)
        r = self.table.distance
        table = self.table.select(np.flatnonzero((together.low <= r) & (r <= together.high)))
        line = self.law_force(law, table)
        for name in ("v", *(name for name in table.properties if name[:-2] not in self.latent)):
            values = _column(table, name)
            if np.ptp(values) > 1e-9 * np.max(np.abs(values)):
                found.append(measure_agreement(name, values, table.contributions, line))
        return tuple(found)

    def parted(self, law: ForceLaw, profiles: tuple[AgreementProfile, ...], tolerance: float) -> tuple[Interval, ...]:
        """Where the profiles part, with the errors of network and law on the motion there."""
        sample, table = self.samples["test"], self.messages["test"].pair
        size = np.linalg.norm(sample.target, axis=-1)
        misses = [
            np.linalg.norm(said - sample.target, axis=-1)
            for said in (self.subject.predict(sample), predict_with_law(law, sample))
        ]
        instant = np.nonzero(sample.pair_present())[0]

        def measured(stretch: Interval) -> Interval:
            values = _column(table, stretch.variable)
            rows = self.seen("test") & (stretch.low <= values) & (values <= stretch.high)
            here = np.zeros(sample.present.shape, bool)
            here[instant[rows], table.receiver[rows]] = True
            if not stretch.share or np.count_nonzero(here) < FEWEST:
                return stretch
            network, line = (float(miss[here].sum() / size[here].sum()) for miss in misses)
            return replace(stretch, network_error=network, law_error=line)

        return tuple(measured(stretch) for one in profiles for stretch in disagreement_intervals(one, tolerance))


def _column(table: MessageTable, variable: str) -> np.ndarray:
    return table.distance if variable == "r" else table.speed if variable == "v" else table.properties[variable]


def _together(tables: list[MessageTable]) -> MessageTable:
    """The rows of all tables in one."""

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
