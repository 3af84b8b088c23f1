"""Who serves and everything known at the night's end in; every user's list, similar items, popular lists out.

Lists are staged with spares, by the source's own ids: `check` reads availability again and fills the gaps.
"""

from dataclasses import replace
from datetime import date

import numpy as np
import torch

from pipeline_tasks import model_store
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.records import Report
from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.model_store import Saved
from pipeline_tasks.models.devices import memory_explained
from pipeline_tasks.models.interface import Model
from pipeline_tasks.models.popular import PopularConfig, popularity, segment_popularity
from pipeline_tasks.ranking.lists import EVERYBODY, PopularLists
from pipeline_tasks.ranking.rerank import LESS_MEMORY
from pipeline_tasks.ranking_data import open_reranker
from pipeline_tasks.rules_data import read_rules
from pipeline_tasks.scratch import scratch_folder
from pipeline_tasks.settings import Settings
from pipeline_tasks.stages.recommend.ruling import told
from pipeline_tasks.stages.recommend.staged import Staged
from pipeline_tasks.training_data import TrainingData, read_training_data


def run(settings: Settings, run_date: date) -> Report:
    """Stage the night's three tables; raises Refused where dataset or evaluate has not run."""
    store = open_store(settings.lake_uri)
    data = read_training_data(store, run_date)
    rules = read_rules(settings, store, run_date, data)
    data = rules.data if rules else data
    champion = model_store.read_json(store, layout.champion(run_date), "evaluate")
    saved = model_store.served(store, champion)
    if not saved.numbers_as(data):
        raise Refused(
            f"model {saved.version} numbers users and items otherwise than {layout.night('training/users', run_date)}",
            "run train, evaluate and what follows for this night again",
        )
    device = model_store.torch_device(settings.train)
    model = saved.load(device, data.event_types).at(data.catalogue)
    popular = popular_lists(data, settings)
    ranker, candidates = saved.load_ranker(device), settings.ranking.candidates
    reranker = open_reranker(store, run_date, data, ranker, data.holdout.end, candidates)
    if reranker is None:  # who is called what serves
        saved = replace(saved, ranker=None)
    with scratch_folder(settings) as folder, memory_explained("ranking", LESS_MEMORY):
        work = Staged(settings, run_date, store, data, saved, champion["trials"], folder, rules)
        outputs = {
            # the popular list is made of all that is known by now, whatever was so when it was fitted
            "staged/top_n": work.top_n(None if saved.name == "popular" else model, reranker, popular),
            "staged/similar_items": work.similar(_similar_model(store, run_date, saved, model, data, device)),
            "staged/popular": work.popular(popular),
        }
    rows = {name.partition("/")[2]: commit.rows for name, commit in outputs.items()}
    ruled = told(rules) if rules else {}
    users, warm = len(work.listed), int(np.isin(data.histories.users - 1, work.listed).sum())
    cold = users - warm
    return Report(
        f"{users:,} users ({cold:,} without history), {rows['top_n']:,} rows by {saved.label}"
        + (f"; {ruled['sentence']}" if ruled else ""),
        rows={"users": users, "cold_users": cold, **rows},
        inputs={**data.inputs, layout.model(saved.version): saved.version},
        outputs={layout.night(name, run_date): commit.digest for name, commit in outputs.items()},
        facts={"lists": list(popular.names), "model": saved.label, "model_version": saved.version}
        | {name: ruled[name] for name in ruled if name != "sentence"},
    )


def popular_lists(data: TrainingData, settings: Settings) -> PopularLists:
    """Return everybody's popular list and those of the segments, of available items, with spares.

    What nobody touched comes last, so that everybody's list holds the whole catalogue if it must.
    """
    n_items, size = data.catalogue.n_items, settings.recommend.popular + settings.recommend.spares
    config = PopularConfig(data.holdout.end, settings.recommend.popular_days, data.weights)
    segments = [data.segments[user - 1] for user in data.histories.users]
    counted = {
        EVERYBODY: popularity(data.histories, n_items, config),
        **segment_popularity(data.histories, n_items, config, segments),
    }
    items, scores = [], []
    for name, counts in counted.items():
        counts = np.where(data.available, counts, -1.0)
        order = np.argsort(-counts, kind="stable")
        kept = order[counts[order] >= 0] if name == EVERYBODY else order[counts[order] > 0]
        longest = max(size, settings.recommend.n + settings.recommend.spares + _longest(data, settings))
        if settings.rules.declared:  # rules choose from more, and refill from everybody's list
            longest = data.catalogue.n_items if name == EVERYBODY else longest + settings.rules.candidates
        items.append(kept[:longest].astype(np.int32))
        scores.append(counts[kept[:longest]].astype(np.float32))
    return PopularLists(list(counted), items, scores)


def _longest(data: TrainingData, settings: Settings) -> int:
    """Return how many items of a popular list one user may have seen."""
    return int(data.histories.lengths.max(initial=0)) if settings.recommend.exclude_seen else 0


def _similar_model(
    store: Store, run_date: date, saved: Saved, model: Model, data: TrainingData, device: torch.device
) -> Model:
    """Return the model whose likeness of items is published: who serves, or item-kNN where that has none."""
    if saved.name != "popular":
        return model
    found = model_store.read_json(store, layout.candidates(run_date), "train")
    other = model_store.read(store, found["baselines"]["item_knn"])
    return other.load(device, data.event_types).at(data.catalogue)
