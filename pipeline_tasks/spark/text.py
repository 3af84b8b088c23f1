"""Texts in English and Chinese: text columns in, a column of tokens out."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StringType

CHINESE = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# a run of Chinese, or a word of letters and digits, with inner apostrophes
PIECES = re.compile(rf"[{CHINESE}]+|(?:(?![{CHINESE}])[^\W_])+(?:['’](?:(?![{CHINESE}])[^\W_])+)*")
IS_CHINESE = re.compile(rf"[{CHINESE}]")


def normalize(text: str) -> str:
    """Return the text in compatibility form (NFKC: full-width letters become plain), lower case, with
    single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def tokenize(text: str) -> list[str]:
    """Return the words of a text in their order, normalized, without stop words of either language."""
    import rjieba

    words: list[str] = []
    for piece in PIECES.findall(normalize(text)):
        words += rjieba.cut(piece) if IS_CHINESE.match(piece) else [piece.replace("’", "'")]
    return [word for word in words if word not in _stop_words()]


@cache
def _stop_words() -> frozenset[str]:
    import stopwordsiso

    return frozenset(stopwordsiso.stopwords(["en", "zh"]))


def add_tokens(frame: DataFrame, columns: Sequence[str], name: str = "tokens") -> DataFrame:
    """Return the frame with the tokens of its text columns, one after the other; empty without a text."""
    tokens = F.arrow_udf(_tokenize_all, ArrayType(StringType()))  # type: ignore[attr-defined]  # missing in its stub
    return frame.withColumn(name, tokens(F.concat_ws("\n", *columns)))


def _tokenize_all(texts: pa.Array) -> pa.Array:
    return pa.array([tokenize(text) for text in texts.to_pylist()], pa.list_(pa.string()))
