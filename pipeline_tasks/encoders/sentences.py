"""Texts by a sentence-transformers model that is on this machine already: texts in, vectors of length 1 out.

Reimers and Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks", 2019.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_tasks.encoders.files import digest_of, files_below
from pipeline_tasks.errors import Refused

KEY = "features.text_encoder"
PREFIX = "sentence-transformers:"
TEXTS_AT_ONCE = 32
# read once, when the libraries are imported: nothing is asked of a hub, whatever a model's files say
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",  # Spark forks; a tokenizer's threads do not survive that
}


@dataclass(frozen=True)
class SentenceEncoder:
    """A loaded model; `digest` names it by the content of its files."""

    digest: str
    width: int
    model: Any

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return (texts, width), on the CPU. Raises Refused where a vector is not finite."""
        if not len(texts):
            return np.zeros((0, self.width), np.float32)
        vectors = self.model.encode(
            list(texts), batch_size=TEXTS_AT_ONCE, normalize_embeddings=True, show_progress_bar=False
        )
        broken = int((~np.isfinite(vectors)).any(axis=1).sum())
        if broken:
            raise Refused(
                f"{KEY}: {broken:,} of {len(texts):,} texts get vectors that are not finite",
                "the model's weights may be damaged: fetch them anew, or choose another encoder",
            )
        return np.asarray(vectors, np.float32).reshape(len(texts), self.width)


def open_sentences(name: str, checkout: Path) -> SentenceEncoder:
    """Return the model called `name`: a folder (relative ones start from `checkout`), an installed package
    that carries one, or one of Hugging Face's cache. Raises Refused where there is none that can be used."""
    os.environ.update(OFFLINE)
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise Refused(
            f"{KEY} is {PREFIX + name!r}, and sentence-transformers is not installed ({error})",
            "make setup EXTRAS=text, or set it to tfidf",
        ) from error
    folder = _folder_of(name, checkout)
    try:
        model = SentenceTransformer(
            str(folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},  # a pickle could run code
        )
        width = len(model.encode(["one text"])[0])
    except Exception as error:  # whatever a model's files can raise: none of it goes away by itself
        raise Refused(
            f"{KEY}: {folder} holds no model that loads: {str(error).partition(chr(10))[0]}",
            "it takes the whole folder of a sentence-transformers model, weights as safetensors",
        ) from error
    return SentenceEncoder(digest_of("text", files_below(folder)), width, model)


def _folder_of(name: str, checkout: Path) -> Path:
    found = _in_folder(name, checkout) or _in_package(name) or _in_cache(name)
    if found is None:
        raise Refused(
            f"{KEY}: there is no model {name!r} on this machine, and a night downloads nothing",
            "name a folder or an installed package that holds one, or fetch it first: hf download NAME",
        )
    return found


def _in_folder(name: str, checkout: Path) -> Path | None:
    folder = checkout / Path(name).expanduser()
    return folder if folder.is_dir() else None


def _in_package(name: str) -> Path | None:
    try:
        files = metadata.files(name) or []
    except (metadata.PackageNotFoundError, ValueError):
        return None
    return next((Path(str(each.locate())).parent for each in files if each.name == "modules.json"), None)


def _in_cache(name: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError):
        return None
