"""Text embeddings: meaning, degenerate catalogues, state as numbers, refits."""

import numpy as np
import pytest

from pipeline_tasks.spark.text import tokenize
from pipeline_tasks.spark.text_embedding import TextEncoder, align, fit_encoder

KITCHEN = [["copper", "kettle", "stove"], ["steel", "kettle", "stove"], ["copper", "pan", "stove"]]
GARDEN = [["garden", "hose", "green"], ["garden", "rake", "steel"], ["garden", "hose", "long"]]
TEXTS = [*KITCHEN, *GARDEN]


def test_texts_about_the_same_lie_together() -> None:
    vectors = fit_encoder(TEXTS, 3, 7).encode(TEXTS)
    likeness = vectors @ vectors.T
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    assert likeness[0, 1] > likeness[0, 3:].max()
    assert likeness[3, 5] > likeness[3, :3].max()


def test_english_and_chinese_meet_where_items_have_both() -> None:
    both = [
        ("Copper kettle for the stove", "铜水壶 炉灶用"),
        ("Steel kettle with a whistle", "鸣笛不锈钢水壶"),
        ("Kettle of enamel", "搪瓷水壶"),
        ("Garden hose, green", "绿色花园软管"),
        ("Long hose for the garden", "花园用长软管"),
        ("Garden rake", "花园耙子"),
    ]
    encoder = fit_encoder([tokenize(f"{english}\n{chinese}") for english, chinese in both], 3, 7)
    english, chinese = (
        encoder.encode([tokenize("a kettle"), tokenize("garden")]),
        encoder.encode([tokenize("水壶"), tokenize("花园")]),
    )
    alike = english @ chinese.T
    assert alike[0, 0] > alike[0, 1] + 0.5
    assert alike[1, 1] > alike[1, 0] + 0.5


def test_the_same_texts_and_seed_give_the_same_numbers() -> None:
    first, second = fit_encoder(TEXTS, 4, 7), fit_encoder(TEXTS, 4, 7)
    assert first.encode(TEXTS).tobytes() == second.encode(TEXTS).tobytes()


def test_an_encoder_is_kept_as_a_table_of_numbers() -> None:
    encoder = fit_encoder(TEXTS, 4, 7)
    again = TextEncoder.from_table(encoder.to_table(), 4)
    assert again.encode(TEXTS).tobytes() == encoder.encode(TEXTS).tobytes()


@pytest.mark.parametrize("texts", [[], [[]], [[], []], [["kettle"]], [["kettle"], ["kettle"]]])
def test_a_catalogue_of_hardly_anything_works(texts: list[list[str]]) -> None:
    encoder = fit_encoder(texts, 8, 7)
    again = TextEncoder.from_table(encoder.to_table(), 8)
    vectors = again.encode([*texts, ["unheard"], []])
    assert vectors.shape == (len(texts) + 2, 8)
    assert np.isfinite(vectors).all()
    assert not vectors[-2:].any()
    assert bool(vectors.any()) == any(texts)


def test_a_refit_stays_in_the_space_of_the_encoder_before() -> None:
    old = fit_encoder(TEXTS, 4, 7)
    grown = [*TEXTS, ["copper", "hose"], ["rake", "stove"], ["steel", "pan", "long"]]
    free = fit_encoder(grown, 4, 7)
    aligned = align(free, old, TEXTS)
    far = np.linalg.norm(free.encode(TEXTS) - old.encode(TEXTS))
    near = np.linalg.norm(aligned.encode(TEXTS) - old.encode(TEXTS))
    assert near <= far
    assert near < 1.0
    turned, plain = aligned.encode(grown), free.encode(grown)
    assert turned @ turned.T == pytest.approx(plain @ plain.T, abs=1e-4)


def test_an_encoder_of_nothing_can_be_aligned() -> None:
    nothing, old = fit_encoder([[]], 4, 7), fit_encoder(TEXTS, 4, 7)
    assert align(nothing, old, TEXTS).encode(TEXTS).shape == (6, 4)
