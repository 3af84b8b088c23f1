"""Tonight's candidates and the champion in; each measured on the holdout, and who serves, out."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_tasks import model_store
from pipeline_tasks.evaluation.intervals import Bootstrap
from pipeline_tasks.evaluation.metrics import Measured
from pipeline_tasks.evaluation.serving import Bar, Candidate, Comparison, Decision, best, choose
from pipeline_tasks.evaluation.trials import Trial, measure_on, trial_after
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import open_store
from pipeline_tasks.model_store import Saved
from pipeline_tasks.models.checkpoint import config_bytes
from pipeline_tasks.models.devices import memory_explained
from pipeline_tasks.ranking.rerank import LESS_MEMORY, Reranker
from pipeline_tasks.ranking_data import open_reranker
from pipeline_tasks.settings import Settings
from pipeline_tasks.training_data import TrainingData, read_training_data


def run(settings: Settings, run_date: date) -> Report:
    """Measure challenger, champion and baselines on the same users; keep who serves, and why."""
    store = open_store(settings.lake_uri)
    data = read_training_data(store, run_date)
    found = model_store.read_json(store, layout.candidates(run_date), "train")
    before = model_store.champion_before(store, run_date)
    champion = model_store.served(store, before) if before else None
    stranger = champion if champion and not champion.numbers_as(data) else None
    champion = None if stranger else champion
    trained = model_store.read(store, found["challenger"]) if found["challenger"] else None
    baselines = [model_store.read(store, version) for version in found["baselines"].values()]
    judge = _Judge(settings, run_date, data)
    challenger = _better_way(judge, trained) if trained else None
    comparison = _comparison(judge, challenger, champion or _best(judge, baselines))
    decision = choose(
        _candidate(judge, challenger),
        _candidate(judge, champion),
        [_candidate(judge, each) for each in baselines],
        comparison=comparison,
        bar=Bar(settings.evaluate.rule, settings.evaluate.tolerance, settings.dataset.holdout_min_users),
        evidence=judge.users,
    )
    role = _role(decision, challenger, champion)
    serving = {"model_version": decision.model_version, "name": decision.name, "reason": decision.reason}
    chosen = {"challenger": challenger, "champion": champion}.get(role)
    named = _named(judge, trained, champion, baselines)
    facts = {
        "metrics": {name: judge.measured(saved).means() for name, saved in named.items()},
        "intervals": _intervals(judge, named),
        "comparison": comparison.to_json() if comparison else None,
        "serving": serving,
        "role": role,
        "ranking": bool(chosen and chosen.ranker),
        "trials": found["trials"],
        "holdout": {"users": judge.users, "days": data.holdout.days, "cut": data.holdout.cut},
    }
    content = config_bytes({**facts, **serving, "run_date": str(run_date)})
    store.write(layout.champion(run_date), content)
    left_out = (
        f"; the champion {stranger.version} is left out: it numbers users and items otherwise, since its night was run "
        "again in part"
        if stranger
        else ""
    )
    return Report(
        f"{decision.name} serves: {decision.reason}{left_out}",
        rows={"users": judge.users},
        inputs={**data.inputs, "champion": champion.version if champion else "none"},
        outputs={layout.champion(run_date): decision.model_version},
        facts=facts,
    )


class _Judge:
    """Measures models, each once, on the night's holdout; and two of them on the days after a later moment."""

    def __init__(self, settings: Settings, run_date: date, data: TrainingData) -> None:
        self.settings, self.run_date, self.data = settings, run_date, data
        wanted = settings.evaluate
        self.bootstrap = Bootstrap(wanted.confidence, wanted.resamples, settings.seed)
        self.store = open_store(settings.lake_uri)
        self.device = model_store.torch_device(settings.train)
        self.trial = self._trial(data.holdout.cut)
        self.users = len(self.trial.truth)
        self._measured: dict[str, Measured] = {}
        self._rerankers: dict[tuple[str, int], Reranker | None] = {}

    def measured(self, saved: Saved) -> Measured:
        """Return how good the lists are that the model, with its ranker if it has one, would have made."""
        name = f"{saved.version} {saved.label}"
        if name not in self._measured:
            self._measured[name] = self._measure(saved, self.trial, self.data.holdout.cut)
        return self._measured[name]

    def after(self, cut: int, *models: Saved) -> list[Measured]:
        """Return the same of models on the days after a moment of their own."""
        trial = self._trial(cut)
        return [self._measure(each, trial, cut) for each in models]

    def reranker(self, saved: Saved, cut: int) -> Reranker | None:
        """Return the model's second stage as it would have been at `cut`, if it has one that can be used."""
        if saved.ranker is None:
            return None
        if (saved.version, cut) not in self._rerankers:
            ranker, candidates = saved.load_ranker(self.device), self.settings.ranking.candidates
            found = open_reranker(self.store, self.run_date, self.data, ranker, cut, candidates)
            self._rerankers[saved.version, cut] = found
        return self._rerankers[saved.version, cut]

    def _trial(self, cut: int) -> Trial:
        novel, most = self.settings.recommend.exclude_seen, self.settings.evaluate.max_users
        return trial_after(self.data.histories, cut, most, novel=novel)

    def _measure(self, saved: Saved, trial: Trial, cut: int) -> Measured:
        wanted = self.settings.recommend
        with torch.inference_mode(), memory_explained("ranking", LESS_MEMORY):
            return measure_on(
                trial,
                saved.load(self.device, self.data.event_types).at(self.data.catalogue),
                self.reranker(saved, cut),
                self.settings.evaluate.k,
                self.data.catalogue.n_items,
                exclude_seen=wanted.exclude_seen,
                users_a_block=wanted.block_users,
            )


def _candidate(judge: _Judge, saved: Saved | None) -> Any:
    if saved is None:
        return None
    return Candidate(saved.version, saved.label, float(_mean(judge.measured(saved).ndcg)))


def _better_way(judge: _Judge, saved: Saved) -> Saved:
    """Return the model with its ranker, or without it where it cannot be used or is no help on the holdout.

    The ranker was chosen as the best of many epochs on some users: here are others, and later days.
    """
    alone = replace(saved, ranker=None)
    if judge.reranker(saved, judge.data.holdout.cut) is None:
        return alone
    with_ranking, without = (_mean(judge.measured(each).ndcg) for each in (saved, alone))
    return saved if with_ranking >= without else alone


def _best(judge: _Judge, baselines: list[Saved]) -> Saved:
    version = best([_candidate(judge, each) for each in baselines]).model_version
    return next(each for each in baselines if each.version == version)


def _comparison(judge: _Judge, challenger: Saved | None, against: Saved) -> Comparison | None:
    """Compare both on the same users, of the days after the cuts of both."""
    if challenger is None:
        return None
    if against.cut <= challenger.cut:
        own, other = judge.measured(challenger).ndcg, judge.measured(against).ndcg
    else:
        own, other = (each.ndcg for each in judge.after(against.cut, challenger, against))
    less = (own - other)[:, None]  # (users, 1)
    low_high = tuple(judge.bootstrap.intervals(less)[0].tolist()) if len(less) else None
    return Comparison(against.label, _mean(own), _mean(other), len(own), low_high, judge.bootstrap.confidence)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _role(decision: Decision, challenger: Saved | None, champion: Saved | None) -> str:
    if champion and decision.model_version == champion.version:
        return "champion"
    return "challenger" if challenger and decision.model_version == challenger.version else "baseline"


def _named(
    judge: _Judge, challenger: Saved | None, champion: Saved | None, baselines: list[Saved]
) -> dict[str, Saved]:
    """Return each candidate by its role and name, the challenger with its ranker and without."""
    named = {each.name: each for each in baselines}
    if challenger and judge.reranker(challenger, judge.data.holdout.cut):
        named[f"challenger {challenger.label}"] = challenger
    if challenger:
        named[f"challenger {challenger.name}"] = replace(challenger, ranker=None)
    return named | ({f"champion {champion.label}": champion} if champion else {})


def _intervals(judge: _Judge, named: dict[str, Saved]) -> dict[str, dict[str, list[float]]]:
    """Return the intervals of the metrics that are means over users; none without users."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in named}
    if judge.users:
        columns = {
            (name, metric): values
            for name, saved in named.items()
            for metric, values in judge.measured(saved).by_user().items()
        }
        ends = judge.bootstrap.intervals(np.stack(list(columns.values()), axis=1))
        for (name, metric), interval in zip(columns, ends.tolist(), strict=True):
            found[name][metric] = interval
    return found
