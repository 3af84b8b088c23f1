"""Text embeddings: lists of tokens in, vectors of a fixed width out (TF-IDF of hashed tokens, then SVD).

Latent semantic analysis: Deerwester et al., "Indexing by Latent Semantic Analysis", 1990. An encoder is
numbers only, and is kept as a table.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_matrix
from sklearn.feature_extraction import FeatureHasher
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd

HASHED = 2**15
MOST_DOCUMENTS = 200_000
Documents = Sequence[Sequence[str]]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TextEncoder:
    """What was fitted, for the `slots` of the hashed tokens that were seen: (slots,) and (slots, width)."""

    slots: npt.NDArray[np.int32]
    idf: Floats
    components: Floats

    @property
    def width(self) -> int:
        return int(self.components.shape[1])

    def encode(self, documents: Documents) -> Floats:
        """Return (documents, width), L2-normalized; zeros for a document without a known token."""
        if not len(documents) or not len(self.slots):
            return np.zeros((len(documents), self.width), np.float32)
        weighed = _weigh(_count(documents)[:, self.slots], self.idf)
        return np.asarray(normalize(weighed @ self.components), np.float32)

    def to_table(self) -> pa.Table:
        flat = pa.array(self.components.reshape(-1), pa.float32())
        components = pa.FixedSizeListArray.from_arrays(flat, self.width).cast(pa.list_(pa.float32()))
        return pa.table({"slot": self.slots, "idf": self.idf, "components": components})

    @classmethod
    def from_table(cls, table: pa.Table, width: int) -> "TextEncoder":
        rows = table.combine_chunks()
        flat = rows["components"].combine_chunks().flatten().to_numpy()
        slots, idf = rows["slot"].to_numpy(), rows["idf"].to_numpy()
        return cls(slots.astype(np.int32), idf.astype(np.float32), flat.reshape(len(slots), width))


def fit_encoder(documents: Documents, width: int, seed: int) -> TextEncoder:
    """Return an encoder fitted on at most the first 200,000 documents; of zeros where they have no token.

    Where there are fewer documents or tokens than `width`, the vectors end in zeros.
    """
    counts = _count(documents[:MOST_DOCUMENTS])
    frequency = np.bincount(counts.indices, minlength=HASHED)
    slots = np.flatnonzero(frequency).astype(np.int32)
    idf = (np.log((1 + counts.shape[0]) / (1 + frequency[slots])) + 1).astype(np.float32)
    components = np.zeros((len(slots), width), np.float32)
    if len(slots):
        weighed = _weigh(counts[:, slots], idf)
        rank = min(width, *weighed.shape)
        # flip_sign makes each component's largest entry positive: an SVD leaves the sign open
        _, _, right = randomized_svd(weighed, rank, n_iter=5, random_state=seed, flip_sign=True)
        components[:, :rank] = right.T
    return TextEncoder(slots, idf, components)


def align(encoder: TextEncoder, earlier: TextEncoder, documents: Documents) -> TextEncoder:
    """Return `encoder` rotated onto the space of an earlier one, so that vectors of both can be compared.

    The rotation is the one that brings the documents' vectors closest (Schönemann's orthogonal Procrustes
    problem, 1966); it changes no distance between the encoder's own vectors.
    """
    left, _, right = np.linalg.svd(encoder.encode(documents).T @ earlier.encode(documents))
    return replace(encoder, components=np.ascontiguousarray(encoder.components @ (left @ right)))


def _count(documents: Documents) -> csr_matrix:
    hasher = FeatureHasher(HASHED, input_type="string", alternate_sign=False, dtype=np.float32)
    return hasher.transform(documents) if len(documents) else csr_matrix((0, HASHED), dtype=np.float32)


def _weigh(counts: csr_matrix, idf: Floats) -> csr_matrix:
    """TF-IDF with 1 + ln(tf), rows L2-normalized."""
    weighed = counts.copy()
    weighed.data = (1 + np.log(weighed.data)) * idf[weighed.indices]
    return normalize(weighed)
