"""The night's training tables in; tonight's challenger and the baselines, fitted up to the cut, out."""

from datetime import date
from typing import Any

from pipeline_tasks import launching, model_store
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import open_store
from pipeline_tasks.model_store import KINDS
from pipeline_tasks.models.checkpoint import config_bytes
from pipeline_tasks.models.data import Histories
from pipeline_tasks.models.devices import memory_explained
from pipeline_tasks.models.interface import Model
from pipeline_tasks.models.processes import joined
from pipeline_tasks.models.ranker import Ranker
from pipeline_tasks.models.sequence_model import SequenceModel
from pipeline_tasks.models.validation import hold_out
from pipeline_tasks.settings import Settings
from pipeline_tasks.stages.train.ranking import Ranking, fit_ranker
from pipeline_tasks.stages.train.work import Work
from pipeline_tasks.training_data import read_training_data

BASELINES = ("popular", "item_knn")
LESS_MEMORY = (
    "lower train.batch_events, train.full_softmax_items, train.ease_max_items or dataset.max_examples"
)


def run(settings: Settings, run_date: date) -> Report:
    """Fit `train.model` and the baselines on events before the cut, and save them.

    Of several models, the one that is best on users' next items, kept from all of them, is the challenger.
    Killed at any instant, it goes on from its last epoch. Without events before the cut there is nothing that
    a challenger could learn from: the baselines are all there is. Of several processes all fit the sequence
    models together; the first does everything else, and the report is its own.
    """
    with memory_explained("training", LESS_MEMORY):
        return _run(settings, run_date)


def _run(settings: Settings, run_date: date) -> Report:
    store = open_store(settings.lake_uri)
    data = read_training_data(store, run_date)
    past = data.histories.before(data.holdout.cut)
    asked = settings.train.models if len(past) else ()
    # several models learn without the events that they are then judged by
    judged = hold_out(past, novel=settings.recommend.exclude_seen) if len(asked) > 1 else None
    learnt = judged[0] if judged else past
    device = model_store.torch_device(settings.train)
    with joined(launching.count(), device) as together:
        work = Work(settings, run_date, store, data, device, together)
        shared = [name for name in asked if issubclass(KINDS[name], SequenceModel)]
        fitted = {name: work.fit_together(name, learnt) for name in shared}
    if together.rank:
        return Report("")
    fitted |= {name: work.fit(name, learnt) for name in asked if name not in fitted}
    trials = work.judge(fitted, *judged[1:]) if judged else {}
    whole = {} if judged else fitted
    baselines = {name: whole.get(name) or work.fit(name, past) for name in BASELINES}
    chosen = next(iter(trials or fitted), None)
    ranking = fit_ranker(work, chosen, past) if chosen and settings.ranking.enabled else None
    ranker, numbering = ranking.ranker if ranking else None, data.numbering()

    cut, types = data.holdout.cut, data.event_types

    def saved(model: Model, ranker: Ranker | None = None) -> str:
        return model_store.save(store, run_date, model, cut, types, ranker, numbering)

    versions = {name: saved(model) for name, model in baselines.items()}
    challenger = saved(fitted[chosen], ranker) if chosen else None
    candidates = {"challenger": challenger, "baselines": versions, "trials": trials}
    store.write(layout.candidates(run_date), config_bytes(candidates))
    store.delete(store.keys(layout.checkpoints(run_date)))
    progress = {name: model.state().facts.get("training", {}) for name, model in fitted.items()}
    outputs = {*versions.values(), *([challenger] if challenger else [])}
    return Report(
        _summary(past, chosen, challenger, trials, progress, ranking),
        rows={"users": len(past), "events": len(past.items), "items": data.catalogue.n_items},
        inputs=data.inputs,
        outputs={layout.model(version): version for version in sorted(outputs)},
        facts={
            **candidates,
            "training": progress,
            **work.how(),
            "cut": cut,
            **(ranking.facts if ranking else {}),
        },
    )


def _summary(
    past: Histories,
    name: str | None,
    challenger: str | None,
    trials: dict[str, float],
    learnt: dict[str, Any],
    ranking: Ranking | None,
) -> str:
    if name is None:
        return "no events before the holdout: only the baselines"
    progress = learnt[name]
    epochs = f", best after epoch {progress['best_epoch']} of {progress['epoch']}" if progress else ""
    found = ", ".join(f"{each} {quality:.4f}" for each, quality in trials.items())
    of = f"; validation NDCG: {found}" if trials else ""
    return f"{name} {challenger} on {len(past.items):,} events of {len(past):,} users{epochs}{of}{f'; {ranking.said}' if ranking else ''}"
