"""DuckDB over Parquet files: it sorts and joins beyond memory, in this process, without a session to start.

Every query that makes a table orders its rows totally, so that threads do not show in the bytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

ROWS_A_BATCH = 1 << 20


@contextmanager
def open_engine(scratch: Path, memory: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a database in memory that spills what exceeds `memory` ("2g") to the folder `scratch`."""
    connection = duckdb.connect(config={"memory_limit": memory, "temp_directory": str(scratch / "spill")})
    connection.execute("SET TimeZone = 'UTC'")  # moments become texts by it
    try:
        yield connection
    finally:
        connection.close()


def define(engine: duckdb.DuckDBPyConnection, view: str, files: Sequence[Path]) -> None:
    """Call the files' rows `view`; a column that some files lack is null there."""
    engine.read_parquet([str(path) for path in files], union_by_name=True).create_view(view)


def columns(
    engine: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()
) -> dict[str, NDArray[Any]]:
    """Return the query's columns as arrays; none of them may hold nulls."""
    found = engine.execute(query, list(values)).fetchnumpy()
    return {name: np.asarray(column) for name, column in found.items()}


def write_row_groups(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], rows: int) -> int:
    """Write the batches as one Parquet file of row groups of `rows` rows; return how many rows there are.

    However the rows were batched, the bytes are the same.
    """
    held, total = schema.empty_table(), 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            held = pa.concat_tables([held, pa.Table.from_batches([batch]).cast(schema)])
            while held.num_rows >= rows:
                writer.write_table(held.slice(0, rows).combine_chunks(), row_group_size=rows)
                held, total = held.slice(rows), total + rows
        if held.num_rows or not total:
            writer.write_table(held.combine_chunks(), row_group_size=rows)
    return total + len(held)
