"""The second stage of tonight's challenger: examples and a model that had not seen them in, a ranker out.

What retrieval says of an example must be what it would have said that night. So the examples are put to a model
that knows nothing of their days: one that served long enough ago, or one that is fitted on what was before them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_tasks import model_store
from pipeline_tasks.contracts import FEATURE_VIEWS
from pipeline_tasks.evaluation.splits import DAY_SECONDS, Holdout, choose_holdout
from pipeline_tasks.evaluation.trials import measure_on, trial_after
from pipeline_tasks.models.data import Histories, ranges
from pipeline_tasks.models.interface import Model
from pipeline_tasks.models.ranker import Ranker, RankerConfig, RankingExamples
from pipeline_tasks.ranking.features import Known, names_of
from pipeline_tasks.ranking.rerank import USERS_AT_ONCE, Reranker, pair_features, standing
from pipeline_tasks.ranking_data import JoinedExamples, read_examples, read_known
from pipeline_tasks.settings import Settings
from pipeline_tasks.stages.train.work import Work

NAME = "ranker"


@dataclass(frozen=True)
class Ranking:
    """What came of it: a ranker, or none; `said` is for people, `facts` for the record."""

    ranker: Ranker | None
    said: str
    facts: dict[str, Any]


def fit_ranker(work: Work, name: str, past: Histories) -> Ranking:
    """Fit a ranker for the model `name` on the newest days of `past`; none where it is not shown to be better.

    The newest of them validate it: as the holdout does, that grows from one day until it holds enough users. Where
    it takes long, so does what the ranker learns from.
    """
    settings, cut = work.settings, work.data.holdout.cut
    users, most = settings.dataset.holdout_min_users, settings.dataset.holdout_max_days
    measured = past.where(past.novel()) if settings.recommend.exclude_seen else past
    validation = choose_holdout(measured.row_of_event, measured.times, cut, users, most)
    if not validation.enough:
        return _none(f"{validation.warm_users} of {users} users to validate it on in {validation.days} days")
    days = max(settings.ranking.days, validation.days)
    joined = read_examples(work.store, work.run_date, validation.cut - days * DAY_SECONDS, validation.cut)
    if not len(joined.users):
        return _none(f"no examples before {_too_early(work, validation, days)}")
    known = read_known(work.store, work.run_date, work.data, joined.levels, validation.cut)
    if known is None:
        return _none(f"no feature snapshot at {_too_early(work, validation, days)}")
    model = _model_before(work, name, past, int(joined.days.min()))
    examples = _examples(model, past, joined, settings)
    if not len(examples):
        return _none("no examples that retrieval could have found")
    judge = _Judge(work, model, past, validation, known)
    config = _config(settings, joined)
    ranker = Ranker.fit(examples, judge.ranked, config, work.training(NAME))
    return _judged(ranker, judge, len(examples), validation)


def _none(why: str) -> Ranking:
    return Ranking(None, f"no ranking: {why}", {"ranking": why})


def _too_early(work: Work, validation: Holdout, days: int) -> str:
    """Return what nothing is known of, and the setting that reaches there."""
    has, wanted = work.settings.features.snapshots, work.data.holdout.days + validation.days + days + 1
    more = f" (features.snapshots is {has}, all of its days take {wanted})" if has < wanted else ""
    return f"its validation of {validation.days} {'day' if validation.days == 1 else 'days'}{more}"


def _judged(ranker: Ranker | None, judge: "_Judge", examples: int, validation: Holdout) -> Ranking:
    alone = judge.alone()
    found = ranker.facts["training"]["best_quality"] if ranker else alone
    facts = {
        "examples": examples,
        "validation_days": validation.days,
        "validation_users": judge.users,
        "alone": alone,
        "ranked": found,
    }
    if ranker is None:
        return Ranking(None, f"no ranking: retrieval alone is as good (NDCG {alone:.4f})", {"ranking": facts})
    return Ranking(ranker, f"with ranking NDCG {found:.4f}, alone {alone:.4f}", {"ranking": facts})


def _config(settings: Settings, joined: JoinedExamples) -> RankerConfig:
    wanted = settings.ranking
    return RankerConfig(
        levels=joined.levels,
        features=tuple(names_of(FEATURE_VIEWS.values())),
        hidden=wanted.hidden,
        dropout=wanted.dropout,
        learning_rate=wanted.learning_rate,
        epochs=wanted.epochs,
        patience=wanted.patience,
    )


def _model_before(work: Work, name: str, past: Histories, moment: int) -> Model:
    """Return a model of the kind `name` that knows nothing from the moment on."""
    served = model_store.champion_of_old(work.store, work.run_date, name, moment, work.data)
    types = work.data.event_types
    model = served.load(work.device, types) if served else work.fit_before(name, past, moment)
    return model.at(work.data.catalogue)


def _examples(model: Model, past: Histories, joined: JoinedExamples, settings: Settings) -> RankingExamples:
    """Return the examples with what the model says of them; those whose taken item it would never give are left out."""
    order = np.lexsort((joined.days, joined.users))
    users, days, items = joined.users[order], joined.days[order], joined.items[order]
    new = (np.diff(users, prepend=-1) != 0) | (np.diff(days, prepend=-1) != 0)  # the first of a user's day
    gaps, above = standing(
        model,
        by_day(past, users[new], days[new]),
        np.cumsum(new) - 1,
        items,
        settings.ranking.candidates,
        exclude_seen=settings.recommend.exclude_seen,
    )
    there = (items > 0) & np.isfinite(gaps)
    pairs = pair_features(np.where(there, gaps, 0.0), above, joined.crossed[order])
    kept = there[:, 0] & (there.sum(1) > 1)
    own = order[kept]
    return RankingExamples(
        joined.of_users[own], joined.of_items[own], pairs[kept], joined.log_expected[own], there[kept]
    )


def by_day(past: Histories, users: NDArray[np.int32], days: NDArray[np.int64]) -> Iterator[Histories]:
    """Yield a row for each of the users, some at a time: what had happened before the moment beside the user."""
    row = np.searchsorted(past.users, users)
    # times rise within a user: a search among (row, time) finds each moment's place
    width = int(past.times.max()) + 1
    places = np.searchsorted(past.row_of_event * width + past.times, row * width + days)
    starts = past.offsets[row]
    for first in range(0, len(users), USERS_AT_ONCE):
        some = slice(first, first + USERS_AT_ONCE)
        lengths = places[some] - starts[some]
        events = ranges(starts[some], lengths)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        yield Histories(users[some], offsets, past.items[events], past.types[events], past.times[events])


class _Judge:
    """NDCG of lists on users' events after the validation's cut, of retrieval alone and ranked."""

    def __init__(self, work: Work, model: Model, past: Histories, validation: Holdout, known: Known) -> None:
        self.settings, self.model, self.known = work.settings, model, known
        self.n_items = work.data.catalogue.n_items
        novel = self.settings.recommend.exclude_seen
        self.trial = trial_after(past, validation.cut, self.settings.evaluate.max_users, novel=novel)

    @property
    def users(self) -> int:
        """How many are measured: the validation's users, `evaluate.max_users` at most."""
        return len(self.trial.truth)

    def alone(self) -> float:
        return self._measured(None)

    def ranked(self, ranker: Ranker) -> float:
        return self._measured(Reranker(ranker, self.known, self.settings.ranking.candidates))

    def _measured(self, reranker: Reranker | None) -> float:
        wanted = self.settings.recommend
        found = measure_on(
            self.trial,
            self.model,
            reranker,
            self.settings.evaluate.k,
            self.n_items,
            exclude_seen=wanted.exclude_seen,
            users_a_block=wanted.block_users,
        )
        return float(found.ndcg.mean())
