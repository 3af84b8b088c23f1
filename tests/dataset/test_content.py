"""The items' content vectors: their blocks, what is missing, and prices."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from pipeline_tasks.dataset.content import encode_prices, make_content

VECTOR = pa.list_(pa.float32())


def features(
    text: list, topics: list, image: list | None = None, own: list | None = None, prices: list | None = None
) -> pa.Table:
    nothing = [None] * len(text)
    arrays = [pa.array(values or nothing, VECTOR) for values in (text, topics, image, own)]
    names = ["text_embedding", "topics", "image_embedding", "embedding"]
    return pa.table([*arrays, pa.array(prices or nothing, pa.float64())], [*names, "price"])


def test_blocks_weigh_the_same_and_the_whole_has_length_one() -> None:
    made = make_content(features([[3.0, 4.0]], [[0.0, 2.0]], [[0.0]]))
    np.testing.assert_allclose(made, [[0.6 / 2**0.5, 0.8 / 2**0.5, 0.0, 1 / 2**0.5]], rtol=1e-6)


def test_no_block_drowns_another() -> None:
    made = make_content(features([[900.0, 0.0]], [[0.0, 2.0]], [[1e-3]], [[0.0, 77.0, 0.0]], [12.5]))
    parts = np.split(made[0], [2, 4, 5, 8])
    assert [len(part) for part in parts] == [2, 2, 1, 3, 8]
    assert [float(part @ part) for part in parts] == pytest.approx([0.2] * 5, rel=1e-5)


def test_images_vectors_and_prices_count_once_an_item_has_one() -> None:
    one = features([[1.0], [1.0]], [[1.0], [1.0]], [[0.0, 0.0], [0.0, 5.0]], [None, [1.0]], [None, 3.0])
    made = make_content(one)
    assert made.shape == (2, 1 + 1 + 2 + 1 + 8)
    assert not made[0, 2:].any()
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1.0, rtol=1e-6)
    assert make_content(features([[1.0]], [[1.0]])).shape == (1, 2)


def test_an_item_without_features_or_without_text_is_zeros() -> None:
    made = make_content(features([None, [0.0, 0.0]], [None, [0.0]], [None, [0.0]]))
    assert made.shape == (2, 3)
    assert not made.any()


def test_an_empty_catalogue_has_no_width() -> None:
    assert make_content(features([], [])).shape == (0, 0)


def likeness(prices: Sequence[float]) -> np.ndarray:
    waves = encode_prices(pa.chunked_array([pa.array(prices, pa.float64())]))
    return np.asarray(waves @ waves.T) / waves.shape[1] * 2


def test_prices_are_the_more_alike_the_smaller_their_ratio() -> None:
    alike = likeness([100.0, 110.0, 200.0, 400.0, 1e9])[0]
    assert alike[0] == pytest.approx(1.0)
    assert list(alike[:4]) == sorted(alike[:4], reverse=True)
    assert alike[4] < 0.5
    cheap, dear = likeness([10.0, 12.0])[0, 1], likeness([1e5, 1.2e5])[0, 1]
    assert cheap == pytest.approx(dear, abs=0.02)


def test_an_item_for_nothing_has_a_price_and_one_without_has_none() -> None:
    waves = encode_prices(pa.chunked_array([pa.array([0.0, None], pa.float64())]))
    assert waves[0].any()
    assert not waves[1].any()
