"""One Parquet file of a version, by ranges: what the manifest says of it in; its rows, or why they are not to be read, out.

A lookup reads one row group, and before the first one the footer, which is kept. The footer is held against its
SHA-256 in the manifest, a page against the checksum beside it, and a file that is read whole against its own SHA-256.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.lake.local import LocalStore
from pipeline_tasks.lake.ranges import RangeReader
from pipeline_tasks.lake.store import Missing, Store
from pipeline_tasks.publishing.versions import FOOTER_END_BYTES

# a whole read fetches row groups together up to so much, and holds no more than that and what it decodes to
SPAN_BYTES = 4 << 20
# no text comes after it
ANYTHING = chr(0x10FFFF)


class DataFile:
    """The file `key`, which its manifest describes by `bytes`, `sha256` and `footer`; sorted by its first column.

    Every method raises Refused where the file is not what was published, and NightjarError where it has gone. May
    be used by several threads.
    """

    def __init__(self, store: Store, key: str, described: dict[str, Any]) -> None:
        self.uri = f"{store.uri}/{key}"
        # engines differ in whether they decode a file:// URI
        self.place = str(store.path(key)) if isinstance(store, LocalStore) else self.uri
        self._store, self._key = store, key
        self._size: int = described["bytes"]
        self._sha256: str = described["sha256"]
        # manifests did not always tell of footers
        self._footer_told: dict[str, Any] | None = described.get("footer")

    def rows_of(self, owner: str) -> pa.Table:
        """Return the rows whose first column, a string, is `owner`, in the file's order."""
        # lists lie whole in a row group where check wrote them; another writer may have cut one
        groups = [n for n, (lowest, highest) in self._bounds.items() if lowest <= owner <= highest]
        if not groups:
            return self._footer.schema.to_arrow_schema().empty_table()
        start, end = self._extent(groups[0])[0], self._extent(groups[-1])[1]
        table = self._decode(self._range(start, end), start, groups, threads=False)
        return table.filter(pc.equal(table[0], owner))

    def tables(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Yield all rows in order, some megabytes of the file at a time.

        The file is fetched whole, also where only some `columns` are wanted, and Refused raised before its last
        rows are given where its SHA-256 is not the manifest's.
        """
        digest = hashlib.sha256()
        for start, end, groups in self._spans():
            data = self._range(start, end)
            digest.update(data)
            if end > self._size and digest.hexdigest() != self._sha256:
                raise self._altered()
            yield self._decode(data, start, groups, columns)

    @cached_property
    def _footer(self) -> pq.FileMetaData:
        told = self._footer_told
        size = told["bytes"] if told else self._footer_bytes()
        # one byte more than there should be: a file that has grown is not what was published
        data = self._range(max(0, self._size - size), self._size + 1)
        if len(data) != size or (told and hashlib.sha256(data).hexdigest() != told["sha256"]):
            raise self._altered()
        try:
            return pq.read_metadata(pa.BufferReader(data))
        except pa.ArrowException as error:
            raise self._altered() from error

    def _footer_bytes(self) -> int:
        """Return how long the file itself says that its footer is: four bytes before the last four."""
        return FOOTER_END_BYTES + int.from_bytes(
            self._range(self._size - FOOTER_END_BYTES, self._size - 4), "little"
        )

    @cached_property
    def _bounds(self) -> dict[int, tuple[str, str]]:
        """The lowest and highest value of each row group's first column; where the footer does not say, any."""
        bounds = {}
        for number in range(self._footer.num_row_groups):
            group = self._footer.row_group(number)
            told = group.column(0).statistics
            if group.num_rows:
                bounds[number] = (told.min, told.max) if told and told.has_min_max else ("", ANYTHING)
        return bounds

    def _extent(self, group: int) -> tuple[int, int]:
        """Return where in the file a row group begins and ends."""
        described = self._footer.row_group(group)
        starts, ends = [], []
        for number in range(described.num_columns):
            column = described.column(number)
            starts.append(column.dictionary_page_offset or column.data_page_offset)
            ends.append(starts[-1] + column.total_compressed_size)
        return min(starts), max(ends)

    def _spans(self) -> Iterator[tuple[int, int, list[int]]]:
        """Yield (start, end, row groups) from the file's first byte to one after its last."""
        start, groups = 0, list[int]()
        for group in range(self._footer.num_row_groups):
            end = self._extent(group)[1]
            groups.append(group)
            if end - start >= SPAN_BYTES and group + 1 < self._footer.num_row_groups:
                yield start, end, groups
                start, groups = end, []
        yield start, self._size + 1, groups

    def _range(self, start: int, end: int) -> bytes:
        try:
            return self._store.read_range(self._key, start, end)
        except Missing as error:
            raise NightjarError(
                f"{self.uri} has gone",
                "open what is live now; if that is this one, make an earlier one live: python -m pipeline_tasks rollback",
            ) from error

    def _decode(
        self,
        data: bytes,
        start: int,
        groups: Sequence[int],
        columns: list[str] | None = None,
        *,
        threads: bool = True,
    ) -> pa.Table:
        """Return row groups whose bytes `data` holds from the file's byte `start` on."""
        here = RangeReader(self._size, lambda first, last: data[first - start : last - start])
        try:
            file = pq.ParquetFile(
                here, metadata=self._footer, page_checksum_verification=True, pre_buffer=False
            )
            table = file.read_row_groups(groups, columns, use_threads=threads)
        except (OSError, pa.ArrowException) as error:
            raise self._altered() from error
        return table.select(columns) if columns else table

    def _altered(self) -> Refused:
        return Refused(
            f"{self.uri} has been altered since it was published",
            "see python -m pipeline_tasks verify; python -m pipeline_tasks rollback makes an earlier version live",
        )
