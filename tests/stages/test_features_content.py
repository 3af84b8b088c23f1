"""Items' content in feature snapshots: each content is encoded once, by its digest, and kept for later nights."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipeline_tasks.contracts import ITEM_TEXTS
from pipeline_tasks.encoders.images import Descriptors
from pipeline_tasks.encoders.sentences import SentenceEncoder
from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, tables
from pipeline_tasks.settings import Settings, SourceTable
from pipeline_tasks.spark.staging import Staging, open_staging
from pipeline_tasks.stages import features, preprocess
from pipeline_tasks.stages.features import texts
from pipeline_tasks.stages.features.embedded import Embedded
from pipeline_tasks.stages.features.images import embed_pictures
from pipeline_tasks.stages.features.vectors import embed_own, vector_key
from tests.builders import START
from tests.encoders.pictures import picture
from tests.sources_on_disk import ITEMS
from tests.spark.frames import items as frame
from tests.stages.raw_lake import put_night, rows_of, shop

NIGHTS = FIRST, SECOND, THIRD = [date(2026, 1, day) for day in (1, 2, 3)]
NO_TEXT: dict[str, Any] = dict.fromkeys(ITEM_TEXTS)
MAPPED = {**ITEMS, "columns": {**ITEMS["columns"], "image": "image", "embedding": "vec"}}
KEPT = "features/encoded/text-test"

pytestmark = pytest.mark.usefixtures("spark")
Embed = Callable[..., Embedded]


class Model:
    """Stands for a model's weights: a text's vector is made of its hash; `seen` tells what was encoded."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: list[str], **_: Any) -> np.ndarray:
        self.seen += texts
        found = np.array([list(hashlib.sha256(text.encode()).digest()[:3]) for text in texts], np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def settings(make_settings: Any, tmp_path: Path) -> Settings:
    made = shop(make_settings, tmp_path, items=MAPPED)
    return made.model_copy(update={"features": made.features.model_copy(update={"snapshots": 1})})


@pytest.fixture
def staging(settings: Settings) -> Iterator[Staging]:
    with open_staging(settings, "tests") as opened:
        yield opened


@pytest.fixture
def embed_texts(staging: Staging, model: Model) -> Embed:
    """Return a function that embeds titles, of as many items, on a night."""

    def embed(night: date, *titles: str | None) -> Embedded:
        versions = frame(staging.spark, *[item(f"i{n}", title) for n, title in enumerate(titles)])
        return texts.embed_by_model(staging, night, SentenceEncoder("text-test", 3, model), versions)

    return embed


def item(name: str, title: str | None = "x", **fields: Any) -> dict[str, Any]:
    return {**NO_TEXT, "item_id": name, "title": title, **fields}


def found(embedded: Embedded) -> dict[Any, list[float]]:
    vectors = embedded.vectors
    assert vectors.frame is not None
    return {row[vectors.key]: row[vectors.name] for row in vectors.frame.collect()}


def files_of(lake: Any, night: date) -> dict[str, bytes]:
    places = [key for key in lake.keys("features/") if f"run_date={night}" in key]
    return {key: lake.read(key) for key in places}


def test_a_night_encodes_only_the_texts_that_are_new(lake: Any, embed_texts: Embed, model: Model) -> None:
    first = embed_texts(FIRST, "kettle", "pan", None)
    assert sorted(model.seen) == ["kettle", "pan"]
    assert first.facts["texts"] == first.facts["texts_encoded"] == 2
    model.seen.clear()
    second = embed_texts(SECOND, "iron kettle", "pan", None, "pan")
    assert model.seen == ["iron kettle"]
    assert (second.facts["texts"], second.facts["texts_encoded"]) == (2, 1)
    pan = hashlib.sha256(b"pan").hexdigest()
    assert found(second)[pan] == found(first)[pan]
    # what nothing has any more is not carried along
    assert {row["digest"] for row in rows_of(lake, KEPT, SECOND)} == set(found(second))


def test_a_night_without_new_texts_adds_nothing(lake: Any, embed_texts: Embed, model: Model) -> None:
    embed_texts(FIRST, "kettle")
    model.seen.clear()
    report = embed_texts(SECOND, "kettle", "kettle")
    assert model.seen == []
    assert tables.committed(lake, KEPT) == [FIRST]
    kept = layout.night(KEPT, FIRST)
    assert report.inputs == {kept: tables.require_commit(lake, kept, "features").digest}
    assert report.outputs == {}


def test_an_earlier_night_again_looks_back_only_and_gives_the_same_bytes(
    lake: Any, embed_texts: Embed, model: Model
) -> None:
    embed_texts(FIRST, "kettle")
    embed_texts(SECOND, "kettle", "pan")
    embed_texts(THIRD, "kettle", "pan", "hose")
    made = [files_of(lake, night) for night in NIGHTS]
    model.seen.clear()
    embed_texts(SECOND, "kettle", "pan")
    assert model.seen == ["pan"]
    assert [files_of(lake, night) for night in NIGHTS] == made


def test_a_catalogue_without_a_text_has_no_vectors(lake: Any, embed_texts: Embed, model: Model) -> None:
    report = embed_texts(FIRST, None, None)
    assert report.facts["texts"] == 0
    assert found(report) == {}
    assert model.seen == []
    assert tables.committed(lake, KEPT) == []


def test_a_night_encodes_only_the_images_that_are_new(lake: Any, staging: Staging, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for name, data in {"a": picture("red"), "b": picture("blue"), "torn": picture("red")[:50]}.items():
        (folder / f"{name}.png").write_bytes(data)
    (folder / "same.png").write_bytes(picture("blue"))
    declared = SourceTable(**{**MAPPED, "uri": (folder / "items.jsonl").as_uri()})

    def embed(night: date, *names: str) -> Embedded:
        versions = frame(staging.spark, *[item(name, image=f"{name}.png") for name in names])
        return embed_pictures(staging, night, Descriptors(), declared, versions)

    def counts(embedded: Embedded) -> list[int]:
        return [embedded.facts[f"images{what}"] for what in ("", "_encoded", "_missing")]

    first = embed(FIRST, "a", "b", "torn", "gone")
    assert counts(first) == [4, 3, 2]
    before = found(first)
    (folder / "a.png").write_bytes(picture("green"))
    second = embed(SECOND, "a", "b", "torn", "gone", "same")
    assert counts(second) == [5, 1, 2]
    after = found(second)
    assert after["a.png"] != before["a.png"]
    assert after["b.png"] == after["same.png"] == before["b.png"]
    assert after["torn.png"] is None
    assert "gone.png" not in after


def own(versions: DataFrame) -> tuple[Embedded, dict[str, list[float] | None]]:
    """Return the embedding by the source's own vectors, and each item's."""
    embedded = embed_own(FIRST, SourceTable(**MAPPED), versions)
    vectors = found(embedded)
    keyed = versions.select("item_id", F.col("updated_at"), vector_key().alias("key")).collect()
    return embedded, {row["item_id"]: vectors.get(row["key"]) for row in keyed}


def test_the_sources_own_vectors_are_of_one_length(staging: Staging) -> None:
    given = {
        "i1": [3.0, 4.0],
        "i2": [0.0, 0.0],
        "i3": [0.0, 2.0],
        "i4": [1.0, 2.0, 3.0],
        "i5": None,
        "i6": [],
    }
    versions = frame(staging.spark, *[item(name, embedding=vector) for name, vector in given.items()])
    embedded, vectors = own(versions)
    assert vectors == {
        "i1": pytest.approx([0.6, 0.8]), "i2": [0.0, 0.0], "i3": [0.0, 1.0], "i4": None, "i5": None, "i6": None,
    }  # fmt: skip
    assert embedded.facts == {"vectors": 4, "vectors_width": 2, "vectors_of_wrong_length": 1}


def test_vectors_too_long_or_short_to_be_squared_in_single_precision_are_normalized(
    staging: Staging,
) -> None:
    given = {"i1": [3e38, 3e38], "i2": [0.0, -1e-40]}
    _, vectors = own(frame(staging.spark, *[item(name, embedding=each) for name, each in given.items()]))
    assert vectors == {"i1": pytest.approx([0.5**0.5] * 2), "i2": [0.0, -1.0]}


def test_the_newest_vectors_say_how_long_they_are(staging: Staging) -> None:
    old = [item("i1", updated_at=START - timedelta(days=n), embedding=[1.0, 0.0, 0.0]) for n in (2, 3, 4)]
    new = [item(f"i{n}", updated_at=START, embedding=[0.0, 1.0]) for n in (2, 1)]
    embedded, vectors = own(frame(staging.spark, *old, *new))
    assert embedded.facts["vectors_width"] == 2
    assert vectors["i1"] == vectors["i2"] == [0.0, 1.0]


def test_content_lands_in_the_snapshot_and_what_is_missing_is_zeros(
    lake: Any, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "data" / "a.png").write_bytes(picture("red"))
    items = [
        item("i1", "kettle", image="a.png", embedding=[0.0, 2.0]),
        item("i2", None, image="gone.png", embedding=[1.0]),
        item("i3", "pan", embedding=[5.0, 0.0]),
    ]
    put_night(settings, lake, FIRST, [{"event_time": START + timedelta(hours=12)}], items)
    preprocess.run(settings, FIRST)
    report = features.run(settings, FIRST)
    rows = {row["item_id"]: row for row in rows_of(lake, "features/item_features", FIRST)}
    assert {name: row["embedding"] for name, row in rows.items()} == {
        "i1": [0.0, 1.0], "i2": [0.0, 0.0], "i3": [1.0, 0.0],
    }  # fmt: skip
    for name, width in (
        ("text_embedding", settings.features.text_dim),
        ("image_embedding", Descriptors().width),
    ):
        assert any(rows["i1"][name])
        assert rows["i2"][name] == [0.0] * width
    assert "1 of 2 images cannot be read" in report.summary
    assert "1 of 3 vectors left out: their length is not 2" in report.summary


def test_an_encoder_that_cannot_be_used_is_refused_before_anything_is_read(settings: Settings) -> None:
    chosen = {"image_encoder": "torchvision:resnet18", "image_weights": Path("/nowhere/weights.pth")}
    asked = settings.model_copy(update={"features": settings.features.model_copy(update=chosen)})
    with pytest.raises(Refused, match=r"features\.image_"):
        features.run(asked, FIRST)
