"""Batches of a sequence model: what is asked for, numbered by what a batch is about, and divided among processes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline_tasks.models.batches import Batches
from pipeline_tasks.models.network import SequenceConfig
from pipeline_tasks.models.processes import ALONE, Processes
from tests.models.worlds import TRANSFORMER, checkerboard, histories

CPU = torch.device("cpu")
SAMPLED = replace(TRANSFORMER, full_softmax_items=1, negatives=8)


def test_a_batch_asks_for_what_comes_next_and_only_once_where_items_are_to_be_new() -> None:
    made = Batches(histories([[7, 3, 3, 5], [5, 7]]), 10, TRANSFORMER, ALONE)
    (batch,) = made.epoch(np.random.default_rng(0), CPU)
    assert batch.used.tolist() == [0, 3, 5, 7]
    rows = {tuple(batch.used[row].tolist()) for row in batch.items}
    assert rows == {(7, 3, 3), (5, 7, 0)}
    length = batch.items.shape[1]
    asked = [(int(place) // length, int(place) % length) for place in batch.asked]
    after = {
        (int(batch.used[batch.items[at]]), int(batch.used[t]))
        for at, t in zip(asked, batch.targets, strict=True)
    }
    assert after == {(7, 3), (3, 5), (5, 7)}
    assert (batch.share, batch.events, len(batch.drawn)) == (1.0, 4, 0)


def test_windows_that_ask_for_nothing_make_no_batch() -> None:
    made = Batches(histories([[4, 4, 4]]), 10, TRANSFORMER, ALONE)
    assert list(made.epoch(np.random.default_rng(0), CPU)) == []


def test_an_epochs_order_of_a_day_hangs_on_its_generator_alone() -> None:
    known, mixing = checkerboard(40, 20), replace(TRANSFORMER, mixed_days=True)

    def epoch(made: Batches, seed: int) -> list[list[int]]:
        batches = made.epoch(np.random.default_rng(seed), CPU)
        return [batch.used[batch.items].flatten().tolist() for batch in batches]

    made = Batches(known, 21, mixing, ALONE)
    first = epoch(made, 1)
    assert epoch(made, 2) != first
    assert epoch(made, 1) == first == epoch(Batches(known, 21, mixing, ALONE), 1)
    ordered = Batches(known, 21, TRANSFORMER, ALONE)
    assert epoch(ordered, 1) != first


@pytest.mark.parametrize("config", [TRANSFORMER, SAMPLED, replace(SAMPLED, batch_events=8)])
def test_processes_divide_a_batch_and_draw_the_same_negatives(config: SequenceConfig) -> None:
    known, parts = checkerboard(41, 20), []
    for rank in range(3):
        together = Processes(rank, 3, torch.Generator())
        together.seed(11)
        epoch = Batches(known, 21, config, together).epoch(np.random.default_rng(2), CPU)
        parts.append(list(epoch))
    ALONE.seed(11)
    whole = list(Batches(known, 21, config, ALONE).epoch(np.random.default_rng(2), CPU))
    assert [len(part) for part in parts] == [len(whole)] * 3
    for batch, *shares in zip(whole, *parts, strict=True):
        targets = torch.cat([share.used[share.targets] for share in shares])
        assert sorted(targets.tolist()) == sorted(batch.used[batch.targets].tolist())
        assert sum(share.share for share in shares) == pytest.approx(1.0)
        for share in shares:
            assert share.events == batch.events
            assert share.share == pytest.approx(len(share.targets) / len(batch.targets))
            assert share.used[share.drawn].tolist() == batch.used[batch.drawn].tolist()
            torch.testing.assert_close(share.log_expected, batch.log_expected)
        for part in (batch, *shares):  # each knows where its own targets are drawn
            assert part.hits.tolist() == (part.targets[:, None] == part.drawn).nonzero().T.tolist()
    hits = sum(batch.hits.shape[1] for batch in whole)
    assert hits == 0 if config.full_softmax_items > 20 else hits > 0


def test_each_process_draws_its_own_dropout() -> None:
    def drawn(rank: int) -> list[float]:
        Processes(rank, 2, torch.Generator()).seed(11)
        return torch.rand(3).tolist()

    assert drawn(0) == drawn(0) != drawn(1)
