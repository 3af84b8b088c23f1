"""The oldest night that can be run again is kept by itself, and what to do where it is damaged is said."""

import json
from datetime import date

import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import floors, layout
from pipeline_tasks.lake.store import Store


@pytest.mark.parametrize("data", [b"", b"{", b"{}", b'{"oldest_night": "soon"}'])
def test_a_damaged_floor_is_named_with_a_way_out_that_works(lake: Store, data: bytes) -> None:
    night = date(2026, 1, 10)
    lake.write(layout.FLOOR, data)
    with pytest.raises(Refused, match=r"retention\.json is damaged: .*put it back .* or write") as refused:
        floors.refuse_below(lake, night)
    written = refused.value.hint.partition("write ")[2]
    content = written[: written.index("}") + 1].replace("YYYY-MM-DD", str(night))
    lake.write(layout.FLOOR, json.dumps(json.loads(content)).encode())
    assert floors.read(lake) == night
