"""A folder of MovieLens' layout (ratings.csv, movies.csv) in; histories and a catalogue as nights make them out."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from benchmarks.sequences import catalogue_of
from pipeline_tasks.models.data import Catalogue, Histories
from pipeline_tasks.spark.text import tokenize

RATINGS = {"userId": pa.string(), "movieId": pa.string(), "timestamp": pa.int64()}
MOVIES = {"movieId": pa.string(), "title": pa.string(), "genres": pa.string()}
NO_GENRES = "(no genres listed)"


def read_movielens(folder: Path, seed: int) -> tuple[Histories, Catalogue]:
    """Return every rating as an event, and all movies with content of titles and genres.

    As in a night, users and items are numbered by their ids' order as text, and of a user's events of one second
    the smaller item comes first.
    """
    ratings, movies = _table(folder / "ratings.csv", RATINGS), _table(folder / "movies.csv", MOVIES)
    ids = _distinct(movies["movieId"], ratings["movieId"])
    documents: list[list[str]] = [[] for _ in range(len(ids))]
    labels: list[list[str]] = [[] for _ in range(len(ids))]
    titles, genres = movies["title"].to_pylist(), movies["genres"].to_pylist()
    for place, title, named in zip(_places(movies["movieId"], ids), titles, genres, strict=True):
        documents[place] = tokenize(title)
        labels[place] = [f"tag:{genre.lower()}" for genre in named.split("|") if genre != NO_GENRES]
    return _histories(ratings, ids), catalogue_of(len(ids), documents, labels, seed)


def read_ids(folder: Path) -> tuple[pa.Array, pa.Array]:
    """Return the ids of the users and items that `read_movielens` numbers from 1, in order."""
    ratings, movies = _table(folder / "ratings.csv", RATINGS), _table(folder / "movies.csv", MOVIES)
    return _distinct(ratings["userId"]), _distinct(movies["movieId"], ratings["movieId"])


def _histories(ratings: pa.Table, item_ids: pa.Array) -> Histories:
    users = _places(ratings["userId"], _distinct(ratings["userId"]))
    items, times = _places(ratings["movieId"], item_ids), ratings["timestamp"].to_numpy()
    order = np.lexsort((items, times, users))
    return Histories(
        np.arange(1, users.max() + 2, dtype=np.int32),
        np.concatenate([[0], np.cumsum(np.bincount(users))]),
        (items[order] + 1).astype(np.int32),
        np.ones(len(items), np.int8),
        times[order],
    )


def _table(path: Path, columns: dict[str, pa.DataType]) -> pa.Table:
    options = pa_csv.ConvertOptions(include_columns=list(columns), column_types=columns)
    return pa_csv.read_csv(path, convert_options=options)


def _distinct(*columns: pa.ChunkedArray) -> pa.Array:
    """Return the different texts of the columns, sorted."""
    found = pc.unique(pa.chunked_array([chunk for column in columns for chunk in column.chunks]))
    return found.take(pc.sort_indices(found))


def _places(column: pa.ChunkedArray, ids: pa.Array) -> NDArray[Any]:
    return pc.index_in(column, ids).to_numpy()
