"""Normalization, tokenization and stop words in English and Chinese."""

import pytest
from pyspark.sql import SparkSession

from pipeline_tasks.spark.text import add_tokens, normalize, tokenize
from tests.spark.frames import items


def test_text_is_normalized() -> None:
    assert normalize(" Ｃｏｐｐｅｒ\u3000 KETTLE\n№5 ") == "copper kettle no5"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Copper kettle of our dreams!", ["copper", "kettle", "dreams"]),
        ("我们的铜水壶，厨房的", ["铜", "水壶", "厨房"]),
        ("USB充电器 20W", ["usb", "充电器", "20w"]),
        ("Müller's crème brûlée", ["müller's", "crème", "brûlée"]),
        ("snake_case e-mail", ["snake", "mail"]),
        ("!!! 🎉 ——", []),
        ("", []),
    ],
)
def test_words_come_in_their_order_without_stop_words(text: str, words: list[str]) -> None:
    assert tokenize(text) == words


def test_an_items_tokens_are_those_of_its_texts(spark: SparkSession) -> None:
    texts = ["title", "title_zh", "description", "description_zh"]
    frame = items(spark, {"description": None}, dict.fromkeys(texts))
    found = [row.tokens for row in add_tokens(frame, texts).collect()]
    assert found == [["copper", "kettle", "铜", "水壶", "铜制", "水壶"], []]
