"""Items' content in feature snapshots: each content is encoded once, by its digest, and kept for later nights."""

import hashlib
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline_tasks.encoders.images import Descriptors
from pipeline_tasks.encoders.sentences import SentenceEncoder
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.lake.records import Report
from pipeline_tasks.settings import Settings
from pipeline_tasks.stages import features, preprocess
from pipeline_tasks.stages.features import embeddings
from tests.builders import START
from tests.encoders.pictures import picture
from tests.sources_on_disk import ITEMS
from tests.stages.raw_lake import put_night, rows_of, shop

NIGHTS = FIRST, SECOND, THIRD = [date(2026, 1, day) for day in (1, 2, 3)]
NO_TEXT = dict.fromkeys(("title", "title_zh", "description", "description_zh"))
MAPPED = {**ITEMS, "columns": {**ITEMS["columns"], "image": "image", "embedding": "vec"}}

pytestmark = pytest.mark.usefixtures("spark")
Run = Callable[..., Report]


class Model:
    """Stands for a model's weights: a text's vector is made of its hash; `seen` tells what was encoded."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: list[str], **_: Any) -> np.ndarray:
        self.seen += texts
        found = np.array([list(hashlib.sha256(text.encode()).digest()[:3]) for text in texts], np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture
def settings(make_settings: Any, tmp_path: Path) -> Settings:
    made = shop(make_settings, tmp_path, items=MAPPED)
    return made.model_copy(update={"features": made.features.model_copy(update={"snapshots": 1})})


@pytest.fixture
def run(settings: Settings, lake: Any) -> Run:
    """Return a function that makes a night's clean tables of these items, and its features."""

    def night(day: date, items: list[dict[str, Any]]) -> Report:
        noon = START + timedelta(days=(day - FIRST).days, hours=12)
        put_night(settings, lake, day, [{"event_time": noon, "item_id": items[0]["item_id"]}], items)
        preprocess.run(settings, day)
        return features.run(settings, day)

    return night


@pytest.fixture
def model(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Model:
    """Let the settings' text encoder be `Model`."""
    made = Model()
    encoders = embeddings.Encoders(SentenceEncoder("text-test", 3, made), Descriptors())
    monkeypatch.setattr(features, "open_encoders", lambda _: encoders)
    return made


def vectors(lake: Any, night: date, name: str) -> dict[str, list[float]]:
    return {row["item_id"]: row[name] for row in rows_of(lake, "features/item_features", night)}


def files_of(lake: Any, night: date) -> dict[str, bytes]:
    places = [key for key in lake.keys("features/") if f"run_date={night}" in key]
    return {key: lake.read(key) for key in places}


def item(name: str, title: str, **fields: Any) -> dict[str, Any]:
    return {**NO_TEXT, "item_id": name, "title": title, **fields}


def test_a_night_encodes_only_the_texts_that_are_new(lake: Any, run: Run, model: Model) -> None:
    none = {**NO_TEXT, "item_id": "i3"}
    first = run(FIRST, [item("i1", "kettle"), item("i2", "pan"), none])
    assert sorted(model.seen) == ["kettle", "pan"]
    assert first.facts["texts"] == first.facts["texts_encoded"] == 2
    model.seen.clear()
    second = run(SECOND, [item("i1", "iron kettle"), item("i2", "pan"), none, item("i4", "pan")])
    assert model.seen == ["iron kettle"]
    assert (second.facts["texts"], second.facts["texts_encoded"]) == (2, 1)
    assert "1 of 2 texts encoded anew" in second.summary
    before, after = (vectors(lake, night, "text_embedding") for night in (FIRST, SECOND))
    assert after["i2"] == after["i4"] == before["i2"]
    assert after["i1"] != before["i1"]
    assert after["i3"] == [0.0, 0.0, 0.0]
    # what nothing has any more is not carried along
    assert len(rows_of(lake, "features/encoded/text-test", SECOND)) == 2


def test_a_night_without_new_texts_adds_nothing(lake: Any, run: Run, model: Model) -> None:
    run(FIRST, [item("i1", "kettle")])
    model.seen.clear()
    report = run(SECOND, [item("i1", "kettle"), item("i2", "kettle")])
    assert model.seen == []
    assert tables.committed(lake, "features/encoded/text-test") == [FIRST]
    kept = layout.night("features/encoded/text-test", FIRST)
    assert report.inputs[kept] == tables.require_commit(lake, kept, "features").digest
    assert not [place for place in report.outputs if "encoded" in place]


def test_an_earlier_night_again_looks_back_only_and_gives_the_same_bytes(
    lake: Any, run: Run, settings: Settings, model: Model
) -> None:
    run(FIRST, [item("i1", "kettle")])
    run(SECOND, [item("i1", "kettle"), item("i2", "pan")])
    run(THIRD, [item("i1", "kettle"), item("i2", "pan"), item("i3", "hose")])
    made = [files_of(lake, night) for night in NIGHTS]
    model.seen.clear()
    features.run(settings, SECOND)
    assert model.seen == ["pan"]
    assert [files_of(lake, night) for night in NIGHTS] == made


def test_a_catalogue_without_a_text_is_zeros(lake: Any, run: Run, model: Model) -> None:
    report = run(FIRST, [{**NO_TEXT, "item_id": "i1"}])
    assert report.facts["texts"] == 0
    assert vectors(lake, FIRST, "text_embedding") == {"i1": [0.0, 0.0, 0.0]}
    assert model.seen == []


def test_a_night_encodes_only_the_images_that_are_new(lake: Any, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for name, data in {"a": picture("red"), "b": picture("blue"), "torn": picture("red")[:50]}.items():
        (folder / f"{name}.png").write_bytes(data)
    items = [item(f"i{n}", "x", image=f"{name}.png") for n, name in enumerate(("a", "b", "torn", "gone"))]
    first = run(FIRST, items)
    assert [first.facts[f"images{what}"] for what in ("", "_encoded", "_missing")] == [4, 3, 2]
    assert "2 of 4 images cannot be read" in first.summary
    (folder / "a.png").write_bytes(picture("green"))
    second = run(SECOND, [*items, item("i9", "x", image="b.png")])
    assert [second.facts[f"images{what}"] for what in ("", "_encoded", "_missing")] == [4, 1, 2]
    before, after = (vectors(lake, night, "image_embedding") for night in (FIRST, SECOND))
    assert after["i0"] != before["i0"]
    assert after["i1"] == after["i9"] == before["i1"]
    assert any(after["i1"])
    assert not any(after["i2"])
    assert len(after["i3"]) == Descriptors().width


def test_the_sources_own_vectors_are_of_one_length(lake: Any, run: Run) -> None:
    own = {"i1": [3.0, 4.0], "i2": [0.0, 0.0], "i3": [0.0, 2.0], "i4": [1.0, 2.0, 3.0], "i5": None, "i6": []}
    report = run(FIRST, [item(name, "x", embedding=vector) for name, vector in own.items()])
    zeros = [0.0, 0.0]
    assert vectors(lake, FIRST, "embedding") == {
        "i1": pytest.approx([0.6, 0.8]), "i2": zeros, "i3": [0.0, 1.0], "i4": zeros, "i5": zeros, "i6": zeros,
    }  # fmt: skip
    assert report.facts["vectors"] == 4
    assert report.facts["vectors_of_wrong_length"] == 1
    assert "1 of 4 vectors left out: their length is not 2" in report.summary


def test_the_newest_vectors_say_how_long_they_are(lake: Any, run: Run) -> None:
    old = [
        item("i1", "x", updated_at=START - timedelta(days=n), embedding=[1.0, 0.0, 0.0]) for n in (2, 3, 4)
    ]
    new = [item(f"i{n}", "x", updated_at=START, embedding=[0.0, 1.0]) for n in (1, 2)]
    report = run(FIRST, [*old, *new])
    assert report.facts["vectors_width"] == 2
    assert vectors(lake, FIRST, "embedding") == {"i1": [0.0, 1.0], "i2": [0.0, 1.0]}


def test_items_without_vectors_of_their_own_have_none(lake: Any, run: Run) -> None:
    run(FIRST, [item("i1", "x")])
    assert vectors(lake, FIRST, "embedding") == {"i1": None}


def test_an_encoder_that_cannot_be_used_is_refused_before_anything_is_read(settings: Settings) -> None:
    chosen = {"image_encoder": "torchvision:resnet18", "image_weights": Path("/nowhere/weights.pth")}
    asked = settings.model_copy(update={"features": settings.features.model_copy(update=chosen)})
    with pytest.raises(Refused, match=r"features\.image_"):
        features.run(asked, FIRST)
