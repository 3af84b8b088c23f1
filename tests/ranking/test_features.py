"""Vectors of features: snapshots of two widths go together, each pair's likeness being that of its own snapshot."""

import numpy as np
import pyarrow as pa

from pipeline_tasks.ranking.features import crosses, read_vectors


def vectors(*lists: list[float] | None) -> np.ndarray:
    return read_vectors(pa.chunked_array([pa.array(lists, pa.list_(pa.float32()))]))


def test_vectors_of_an_older_narrower_snapshot_keep_their_product() -> None:
    users = vectors([1.0, 2.0], None, [1.0, 0.0, 3.0, 4.0])
    items = vectors([3.0, 4.0], [1.0, 1.0], [1.0, 5.0, 0.0, 2.0])
    assert users.tolist() == [[1, 2, 0, 0], [0, 0, 0, 0], [1, 0, 3, 4]]
    nothing = np.zeros(3, np.float32)
    assert crosses(users, items, nothing, nothing)[:, 0].tolist() == [11, 0, 9]


def test_users_of_whom_no_vector_is_known_are_like_nothing() -> None:
    nothing = np.zeros(2, np.float32)
    found = crosses(vectors(None, None), vectors([1.0, 2.0], [3.0, 4.0]), nothing, nothing)
    assert found[:, 0].tolist() == [0, 0]
