"""Tonight's candidates and the champion in; each measured on the holdout, and who serves, out."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_tasks import model_store
from pipeline_tasks.evaluation.lists import top_lists
from pipeline_tasks.evaluation.metrics import Measured, measure
from pipeline_tasks.evaluation.serving import Candidate, Comparison, Decision, choose
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import open_store
from pipeline_tasks.model_store import Saved
from pipeline_tasks.models.checkpoint import config_bytes
from pipeline_tasks.models.data import Histories
from pipeline_tasks.settings import Settings
from pipeline_tasks.training_data import TrainingData, read_training_data


@dataclass(frozen=True)
class Trial:
    """Warm users after a moment: what they had done by then, and what they did next."""

    known: Histories
    truth: Histories


def run(settings: Settings, run_date: date) -> Report:
    """Measure challenger, champion and baselines on the same users; keep who serves, and why."""
    store = open_store(settings.lake_uri)
    data = read_training_data(store, run_date)
    found = model_store.read_json(store, layout.candidates(run_date), "train")
    before = model_store.champion_before(store, run_date)
    champion = model_store.read(store, before["model_version"]) if before else None
    challenger = model_store.read(store, found["challenger"]) if found["challenger"] else None
    baselines = [model_store.read(store, version) for version in found["baselines"].values()]
    trial = holdout_trial(data.histories, data.holdout.cut, settings)
    judge = _Judge(settings, data, trial)
    decision = choose(
        _candidate(judge, challenger),
        _candidate(judge, champion),
        [_candidate(judge, each) for each in baselines],
        comparison=_comparison(judge, challenger, champion),
        tolerance=settings.evaluate.tolerance,
        min_users=settings.dataset.holdout_min_users,
        evidence=len(trial.truth),
    )
    role = _role(decision, challenger, champion)
    serving = {"model_version": decision.model_version, "name": decision.name, "reason": decision.reason}
    facts = {
        "metrics": _table(judge, challenger, champion, baselines),
        "serving": serving,
        "role": role,
        "trials": found["trials"],
        "holdout": {"users": len(trial.truth), "days": data.holdout.days, "cut": data.holdout.cut},
    }
    content = config_bytes({**facts, **serving, "run_date": str(run_date)})
    store.write(layout.champion(run_date), content)
    return Report(
        f"{decision.name} serves: {decision.reason}",
        rows={"users": len(trial.truth)},
        inputs={**data.inputs, "champion": champion.version if champion else "none"},
        outputs={layout.champion(run_date): decision.model_version},
        facts=facts,
    )


def holdout_trial(histories: Histories, cut: int, settings: Settings) -> Trial:
    """Return the warm users of the holdout that begins at `cut`, at most `evaluate.max_users` of them.

    Where seen items are never recommended, only items that are new to the user count as the truth.
    """
    after = histories.since(cut)
    if settings.recommend.exclude_seen:
        after = histories.where((histories.times >= cut) & histories.novel())
    past = histories.before(cut)
    warm = np.intersect1d(past.users, after.users)
    if len(warm) > settings.evaluate.max_users:
        mixed = (warm.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(16)
        warm = np.sort(warm[np.argsort(mixed, kind="stable")[: settings.evaluate.max_users]])
    return Trial(past.rows(np.searchsorted(past.users, warm)), after.rows(np.searchsorted(after.users, warm)))


class _Judge:
    """Measures models on a trial; each is measured once."""

    def __init__(self, settings: Settings, data: TrainingData, trial: Trial) -> None:
        self.settings, self.data, self.trial = settings, data, trial
        self.device = model_store.torch_device(settings.train)
        self._measured: dict[str, Measured] = {}

    def measured(self, saved: Saved) -> Measured:
        if saved.version not in self._measured:
            self._measured[saved.version] = self.measure(saved, self.trial)
        return self._measured[saved.version]

    def measure(self, saved: Saved, trial: Trial) -> Measured:
        k, items = self.settings.evaluate.k, self.data.catalogue.n_items
        with torch.inference_mode():
            lists = top_lists(
                saved.load(self.device).at(self.data.catalogue),
                trial.known,
                k,
                items,
                exclude_seen=self.settings.recommend.exclude_seen,
                users_a_block=self.settings.recommend.block_users,
            )
        return measure(lists, trial.truth, k, items)


def _candidate(judge: _Judge, saved: Saved | None) -> Any:
    if saved is None:
        return None
    return Candidate(saved.version, saved.name, float(_mean(judge.measured(saved).ndcg)))


def _comparison(judge: _Judge, challenger: Saved | None, champion: Saved | None) -> Comparison | None:
    """Compare both on the days after the cuts of both."""
    if challenger is None or champion is None:
        return None
    if champion.cut <= challenger.cut:
        own, other = judge.measured(challenger), judge.measured(champion)
    else:
        trial = holdout_trial(judge.data.histories, champion.cut, judge.settings)
        own, other = judge.measure(challenger, trial), judge.measure(champion, trial)
    return Comparison(_mean(own.ndcg), _mean(other.ndcg), len(own.ndcg))


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _role(decision: Decision, challenger: Saved | None, champion: Saved | None) -> str:
    if champion and decision.model_version == champion.version:
        return "champion"
    return "challenger" if challenger and decision.model_version == challenger.version else "baseline"


def _table(
    judge: _Judge, challenger: Saved | None, champion: Saved | None, baselines: list[Saved]
) -> dict[str, dict[str, float]]:
    """Return the metrics of each candidate by its role and name."""
    named = {each.name: each for each in baselines}
    named |= {f"challenger {challenger.name}": challenger} if challenger else {}
    named |= {f"champion {champion.name}": champion} if champion else {}
    return {name: judge.measured(saved).means() for name, saved in named.items()}
