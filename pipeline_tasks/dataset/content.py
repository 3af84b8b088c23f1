"""What items are made of, as models read it: blocks of features in, one vector an item out."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# the blocks in their order, and whether one that no item sets is worth its width
VECTORS = {"text_embedding": True, "topics": True, "image_embedding": False, "embedding": False}
PRICE = "price"
# of the price's sines, in doublings: half of the shortest is a price four times as high, the longest spans all
WAVES = np.array([4.0, 8.0, 16.0, 32.0])


def make_content(features: pa.Table) -> NDArray[np.float32]:
    """Return the items' content (items, width): blocks of equal weight side by side, of length 1, or zeros.

    `features` has the columns of VECTORS and PRICE. A block of an item that has none of it is zeros.
    """
    blocks = [(_dense(features[name]), keep) for name, keep in VECTORS.items()]
    blocks.append((encode_prices(features[PRICE]), False))
    kept = [_unit(block) for block, keep in blocks if keep or block.any()]
    return _unit(np.concatenate(kept, axis=1))


def encode_prices(prices: pa.ChunkedArray) -> NDArray[np.float32]:
    """Return (items, 2 x waves): sines and cosines of log2(1 + price); zeros without a price.

    How alike two prices are hangs on their ratio alone, and nothing is fitted: a night's prices mean what
    they meant the night before. The encoding is that of positions in Vaswani et al., "Attention Is All You
    Need", 2017.
    """
    present = prices.is_valid().to_numpy()
    doublings = np.log2(1.0 + prices.cast(pa.float64()).fill_null(0.0).to_numpy())
    angles = 2 * np.pi * doublings[:, None] / WAVES
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    return np.asarray(waves * present[:, None], np.float32)


def _dense(vectors: pa.ChunkedArray) -> NDArray[np.float32]:
    """Return lists of one width as (rows, width), zeros where there is none."""
    present = vectors.is_valid().to_numpy()
    width = pc.max(pc.list_value_length(vectors)).as_py() or 0
    dense = np.zeros((len(vectors), width), np.float32)
    dense[present] = vectors.drop_null().combine_chunks().flatten().to_numpy().reshape(present.sum(), width)
    return dense


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return scaled
