"""The catalogue's content vectors."""

import numpy as np
import pyarrow as pa

from pipeline_tasks.dataset.catalogue import content

VECTOR = pa.list_(pa.float32())


def blocks(text: list, topics: list, image: list) -> pa.Table:
    arrays = [pa.array(values, VECTOR) for values in (text, topics, image)]
    return pa.table(arrays, ["text_embedding", "topics", "image_embedding"])


def test_blocks_weigh_the_same_and_the_whole_has_length_one() -> None:
    made = content(blocks([[3.0, 4.0]], [[0.0, 2.0]], [[0.0]]))
    np.testing.assert_allclose(made, [[0.6 / 2**0.5, 0.8 / 2**0.5, 0.0, 1 / 2**0.5]], rtol=1e-6)


def test_images_count_once_an_item_has_one() -> None:
    made = content(blocks([[1.0], [1.0]], [[1.0], [1.0]], [[0.0, 0.0], [0.0, 5.0]]))
    assert made.shape == (2, 4)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1.0, rtol=1e-6)


def test_an_item_without_features_or_without_text_is_zeros() -> None:
    made = content(blocks([None, [0.0, 0.0]], [None, [0.0]], [None, [0.0]]))
    assert made.shape == (2, 3)
    assert not made.any()


def test_an_empty_catalogue_has_no_width() -> None:
    assert content(blocks([], [], [])).shape == (0, 0)
