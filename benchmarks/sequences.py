"""Benchmark files in, histories and catalogues out: one user a line, `user item item …`, oldest first."""

import csv
import json
import re
from pathlib import Path

import numpy as np

from pipeline_tasks.models.data import Catalogue, Histories
from pipeline_tasks.settings.stages import FeatureSettings
from pipeline_tasks.spark.text_embedding import Documents, fit_encoder

# of texts as of labels
WIDTH = FeatureSettings().text_dim


def read_sequences(sequences: Path, times: Path | None = None) -> Histories:
    """Return the users' events, by user; `times` has the shape of `sequences`, Unix seconds in place of items."""
    rows = _rows(sequences)
    lengths = np.array([len(row) - 1 for row in rows])
    items = np.concatenate([row[1:] for row in rows])
    seconds = np.zeros(len(items), dtype=np.int64)
    if times is not None:
        lines = _rows(times)
        if [len(line) for line in lines] != [len(row) for row in rows]:
            raise SystemExit(f"{times} has not the shape of {sequences}: give a time for each item")
        seconds = np.concatenate([line[1:] for line in lines])
    users = np.array([row[0] for row in rows], dtype=np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Histories(users, offsets, items.astype(np.int32), np.ones(len(items), np.int8), seconds)


def _rows(path: Path) -> list[np.ndarray]:
    """Return the numbers of each line, by the first of them."""
    lines = (line for line in path.read_text().splitlines() if line.strip())
    rows = [np.array(line.split(), dtype=np.int64) for line in lines]
    return sorted(rows, key=lambda row: int(row[0]))


def without_last(histories: Histories) -> tuple[Histories, Histories]:
    """Return each user's events but the last, and the last, of users with at least two."""
    several = histories.rows(np.flatnonzero(histories.lengths > 1))
    last = np.zeros(len(several.items), dtype=bool)
    last[several.offsets[1:] - 1] = True
    return several.where(~last), several.where(last)


def read_catalogue(n_items: int, text: Path | None, attributes: Path | None, seed: int) -> Catalogue:
    """Return content of texts (a TSV of item, …, text) and attributes (JSON: item to ids), as nights make it."""
    documents, labels = None, None
    if text is not None:
        documents = [[] for _ in range(n_items)]
        with text.open(newline="", encoding="utf-8") as file:
            for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row[0].isdigit() and 0 < int(row[0]) <= n_items:
                    documents[int(row[0]) - 1] = re.findall(r"\w+", row[-1].lower())
    if attributes is not None:
        named = json.loads(attributes.read_text())
        labels = [[f"attribute:{label}" for label in named.get(str(item + 1), [])] for item in range(n_items)]
    return catalogue_of(n_items, documents, labels, seed)


def catalogue_of(n_items: int, documents: Documents | None, labels: Documents | None, seed: int) -> Catalogue:
    """Return content of each item's words and labels (both n_items long), in blocks of equal weight, of length 1."""
    encoded = [each for each in (documents, labels) if each is not None]
    blocks = [fit_encoder(each, WIDTH, seed).encode(each) for each in encoded]
    content = np.concatenate(blocks, axis=1) if blocks else np.zeros((n_items, 1), np.float32)
    norms = np.linalg.norm(content, axis=1, keepdims=True)
    content = np.divide(content, norms, out=np.zeros_like(content), where=norms > 0)
    return Catalogue(
        np.concatenate([np.zeros((1, content.shape[1]), np.float32), content]).astype(np.float32)
    )
