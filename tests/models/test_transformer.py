"""The Transformer: order matters, content speaks for new items, nights go on from one another."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.models.data import Catalogue, Histories
from pipeline_tasks.models.fitting import Fitting
from pipeline_tasks.models.interface import Training
from pipeline_tasks.models.loop import train
from pipeline_tasks.models.network import Dropout, Network, SequenceConfig
from pipeline_tasks.models.schedule import Schedule
from pipeline_tasks.models.transformer import Transformer, TransformerEncoder
from pipeline_tasks.models.validation import hold_out
from pipeline_tasks.ranking.blocks import rank_users
from tests.models.worlds import TRANSFORMER, catalogue, checkerboard, colours, histories

ITEMS = 24
CHAIN = replace(TRANSFORMER, novel_targets=False, epochs=30, patience=30)
NO_CONTENT = Catalogue(np.zeros((ITEMS + 1, 4), np.float32))


def chain(users: int, length: int, seed: int = 0) -> Histories:
    """Return users of whom each item is followed by the next number, from a random one on."""
    starts = np.random.default_rng(seed).integers(0, ITEMS, users)
    return histories([[int((start + step) % ITEMS) + 1 for step in range(length)] for start in starts])


def first(model: Transformer, known: Histories, *, allowed: np.ndarray | None = None) -> list[int]:
    chosen = np.ones(model.network.content.shape[0], dtype=bool) if allowed is None else allowed
    return [
        int(row[0]) for block in rank_users(model, known, 1, chosen, exclude_seen=True) for row in block.items
    ]


@pytest.mark.parametrize("full_softmax_items", [100, 1])
def test_it_learns_what_follows_what_from_ids_alone(full_softmax_items: int) -> None:
    # without validation users all epochs count: theirs would be perfect before every item's successor is learnt
    config = replace(CHAIN, full_softmax_items=full_softmax_items, negatives=64, validation_users=0)
    model = Transformer.fit(chain(200, 8), NO_CONTENT, config, Training(seed=1))
    assert first(model, histories([[1, 2, 3], [9, 10], [24]])) == [4, 11, 1]
    orders = histories([[20, 5, 9, 12], [20, 12, 9, 5]])
    assert first(model, orders) == [13, 6]


def test_an_item_without_history_is_recommended_from_its_content() -> None:
    """Items are twins in content; a new twin of an item takes its place in the sequence."""
    generator = np.random.default_rng(3)
    content = generator.normal(size=(ITEMS, 12))
    twin = content[[10, 17]]  # of items 11 and 18
    config = replace(CHAIN, id_dropout=0.5)
    model = Transformer.fit(chain(200, 8), catalogue(content), config, Training(seed=1))
    larger = model.at(catalogue(np.concatenate([content, twin])))
    only_new = np.zeros(ITEMS + 3, dtype=bool)
    only_new[ITEMS + 1 :] = True
    asked = histories([[8, 9, 10], [15, 16, 17]])
    assert first(larger, asked, allowed=only_new) == [ITEMS + 1, ITEMS + 2]
    scores = larger.score(asked)
    assert (scores[0] > scores[0, ITEMS + 1]).sum() <= 3  # among the best, not only among the new
    assert first(larger, histories([[9, 10, ITEMS + 1]])) == [12]


def test_an_id_embedding_that_never_learnt_does_not_speak() -> None:
    trained = torch.tensor([False, True, True, False])
    network = Network(TRANSFORMER, TransformerEncoder, torch.ones(4, 3), trained).eval()
    vectors = network.all_vectors()
    torch.testing.assert_close(vectors[3], network.project.weight.sum(1))
    assert not torch.allclose(vectors[1], vectors[2])


def test_an_item_counts_by_how_much_was_learnt_of_it_up_to_the_full_length() -> None:
    content = torch.tensor([[0.0], [0.0], [0.0], [1.0], [1.0]])
    config = replace(TRANSFORMER, full_length=2.0)
    network = Network(
        config, TransformerEncoder, content, torch.tensor([False, True, True, True, False])
    ).eval()
    ids, projected = torch.zeros(2, config.dim)
    ids[0], projected[1] = 1.0, 0.5
    with torch.no_grad():
        network.ids.weight.copy_(ids * torch.tensor([9.0, 0.5, 8.0, 0.5, 9.0])[:, None])
        network.project.weight.copy_(projected[:, None])
        vectors = network.all_vectors()
    both = torch.nn.functional.normalize(ids + 2 * projected, dim=0)  # equal say, whatever their lengths
    expected = torch.stack([0 * ids, 0.25 * ids, ids, 0.5**0.5 / 2 * both, 0.5 * projected])
    torch.testing.assert_close(vectors, expected)


def test_padding_changes_nothing() -> None:
    model = Transformer.fit(chain(40, 6), NO_CONTENT, replace(CHAIN, epochs=1), Training())
    alone = model.encode(histories([[5, 6]]))
    beside = model.encode(histories([[5, 6], [1, 2, 3, 4]]))
    torch.testing.assert_close(alone[0], beside[0])


def test_only_a_users_first_event_with_an_item_is_asked_for() -> None:
    known = histories([[1, 1, 2, 2, 3]])
    network = Network(TRANSFORMER, TransformerEncoder, torch.zeros(5, 2), torch.ones(5, dtype=torch.bool))
    nobody = known.rows(np.array([], dtype=np.int64)), np.array([], dtype=np.int64)
    asked = Fitting(network, known, nobody, TRANSFORMER, Training()).made
    assert asked.targets.tolist() == [1, 0, 2, 0, 3]
    again = Fitting(network, known, nobody, replace(TRANSFORMER, novel_targets=False), Training()).made
    assert again.targets.tolist() == [1, 1, 2, 2, 3]


def test_validation_users_lose_their_last_target_and_what_came_after_it() -> None:
    rows = [[1, 2, 3, 3] for _ in range(400)]
    known = histories(rows)
    learnt, asked, answers = hold_out(known, novel=True)
    assert 60 < len(asked) < 140  # about a quarter
    assert set(answers.tolist()) == {3}
    assert all(asked.rows(np.array([row])).items.tolist() == [1, 2] for row in range(len(asked)))
    assert len(learnt.items) == len(known.items) - 2 * len(asked)
    later = histories([*rows, *([[1, 2]] * 400)])
    assert set(asked.users) == set(hold_out(later, novel=True)[1].users) & set(range(1, 401))


def test_a_warm_start_keeps_what_was_learnt_and_takes_new_items_in() -> None:
    known, items = chain(200, 8), NO_CONTENT
    earlier = Transformer.fit(known, items, CHAIN, Training(seed=1))
    grown = Catalogue(np.zeros((ITEMS + 3, 4), np.float32))
    config = replace(CHAIN, epochs=1)
    cold = Transformer.fit(known, grown, config, Training(seed=1))
    warm = Transformer.fit(known, grown, config, Training(seed=1, previous=earlier.state()))
    assert (warm.facts["warm_start"], cold.facts["warm_start"]) == (True, False)
    assert warm.facts["training"]["losses"][0] < 0.5 * cold.facts["training"]["losses"][0]
    assert first(warm, histories([[1, 2, 3]])) == [4]


def test_a_model_of_another_shape_is_not_gone_on_from() -> None:
    earlier = Transformer.fit(chain(40, 6), NO_CONTENT, replace(CHAIN, epochs=1), Training())
    config = replace(CHAIN, dim=8, epochs=1)
    model = Transformer.fit(chain(40, 6), NO_CONTENT, config, Training(previous=earlier.state()))
    assert not model.facts["warm_start"]


def test_training_stops_when_nothing_gets_better_and_keeps_the_best_epoch() -> None:
    config = replace(TRANSFORMER, epochs=60, patience=2)
    facts = Transformer.fit(checkerboard(60, ITEMS), colours(ITEMS), config, Training()).facts["training"]
    assert facts["epoch"] < 60
    assert facts["epoch"] >= facts["best_epoch"] + 2
    assert facts["best_quality"] == max(facts["qualities"])


def test_a_diverging_loss_is_refused_with_what_to_change() -> None:
    config = replace(TRANSFORMER, learning_rate=1e20)
    with pytest.raises(Refused, match=r"the loss is nan in epoch \d+.*lower train.learning_rate"):
        Transformer.fit(checkerboard(60, ITEMS), colours(ITEMS), config, Training())


def test_a_last_step_that_leaves_no_numbers_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss is of the weights before the step: it may be fine in the very batch that spoils them."""
    step = torch.optim.AdamW.step

    def spoilt(self: torch.optim.AdamW) -> None:
        step(self)
        with torch.no_grad():
            self.param_groups[0]["params"][0][0] = torch.nan

    monkeypatch.setattr(torch.optim.AdamW, "step", spoilt)
    config = replace(TRANSFORMER, epochs=1, batch_events=1 << 20)
    with pytest.raises(Refused, match="a weight no number after it"):
        Transformer.fit(checkerboard(60, ITEMS), colours(ITEMS), config, Training())


def test_running_out_of_memory_says_what_to_change() -> None:
    class Greedy:
        def batches(self, generator: np.random.Generator) -> list[int]:
            return [1]

        def loss(self, batch: int) -> torch.Tensor:
            return torch.empty(1 << 60)

    with pytest.raises(NightjarError, match=r"memory ran out in training.*lower train.batch_events"):
        train(torch.nn.Linear(1, 1), Greedy(), Schedule(1, 1, 0.1, 0.0), Training(), "", warm=False)  # type: ignore[arg-type]


def test_users_with_one_event_alone_still_give_a_model() -> None:
    config = SequenceConfig(event_types=1, dim=8, heads=1, blocks=1, epochs=2)
    model = Transformer.fit(histories([[1], [2]]), NO_CONTENT, config, Training())
    assert torch.isfinite(model.score(histories([[1]]))[:, 1:3]).all()


@pytest.mark.parametrize("blocks", [1, 3])
def test_the_newest_state_is_that_of_the_whole_pass(blocks: int) -> None:
    torch.manual_seed(0)
    encoder = TransformerEncoder(replace(TRANSFORMER, blocks=blocks)).eval()
    events, last = torch.randn(3, 7, 16), torch.tensor([6, 2, 0])
    states, added = encoder.newest(events, last)
    torch.testing.assert_close(states, encoder(events)[torch.arange(3), last])
    assert (added[1, 3:] == added[1, 3]).all()  # what comes later adds nothing but the mean that is taken off
    assert added.shape == events.shape


def test_what_events_add_is_all_that_there_is_but_for_the_dense_layers() -> None:
    torch.manual_seed(0)
    encoder = TransformerEncoder(TRANSFORMER).eval()
    for layer in (encoder.blocks[0].mlp[2], encoder.blocks[0].attention.out):
        torch.nn.init.zeros_(layer.bias)
    torch.nn.init.zeros_(encoder.blocks[0].mlp[2].weight)
    torch.nn.init.normal_(encoder.norm.weight)
    events, last = torch.randn(2, 5, 16), torch.tensor([4, 3])
    states, added = encoder.newest(events, last)
    whole = added.sum(1)  # the norm's input, centred and weighed: the state but for its length
    torch.testing.assert_close(torch.nn.functional.cosine_similarity(whole, states), torch.ones(2))


def test_the_reason_is_the_event_that_the_item_follows() -> None:
    model = Transformer.fit(chain(200, 8), NO_CONTENT, CHAIN, Training(seed=1))
    asked = histories([[20, 5, 9], [3], [7, 8]])
    assert model.reasons(asked, np.array([[10], [4], [9]], dtype=np.int32)).tolist() == [[2], [3], [5]]


def test_the_fast_dropout_drops_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    dropout, ones = Dropout(0.3), torch.ones(1_000, 333)
    dropped = dropout(ones)
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.005)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.005)
    assert len(dropped.unique()) == 2
    assert dropout.eval()(ones) is ones
