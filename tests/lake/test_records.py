"""Stage records come back as they were written, a night's in the order of its stages."""

import json
from dataclasses import replace
from datetime import date

import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout, records
from pipeline_tasks.lake.records import Record, Report
from pipeline_tasks.lake.store import Store

NIGHT = date(2026, 1, 2)
RECORD = Record(
    stage="train",
    run_date=str(NIGHT),
    status="done",
    started="2026-01-03T01:00:00+00:00",
    seconds=1.5,
    peak_rss_bytes=1 << 30,
    host="worker-1",
    code="0.1.0",
    settings="0123456789ab",
    report=Report("a line", {"users": 3}, {"a": "b"}, {"c": "d"}, {"metrics": {"popular": {"ndcg": 0.1}}}),
)


def test_a_record_comes_back_whole(either_lake: Store) -> None:
    records.write(either_lake, RECORD)
    assert records.read(either_lake, NIGHT, "train") == RECORD
    assert records.read(either_lake, NIGHT, "ingest") is None
    assert records.nights(either_lake) == [NIGHT]


def test_what_a_later_version_keeps_beside_is_passed_over_and_what_few_records_have_is_in_no_other(
    lake: Store,
) -> None:
    key = layout.record(NIGHT, "train")
    records.write(lake, RECORD)
    content = json.loads(lake.read(key))
    assert "changed_before" not in content
    lake.write(key, json.dumps({**content, "weather": "rain"}).encode())
    assert records.read(lake, NIGHT, "train") == RECORD


def test_a_nights_records_are_in_the_order_of_the_stages(lake: Store) -> None:
    for stage in ("outcome", "ingest", "train"):
        records.write(lake, replace(RECORD, stage=stage))
    assert list(records.read_night(lake, NIGHT)) == ["ingest", "train", "outcome"]


def test_a_rerun_replaces_the_record(lake: Store) -> None:
    records.write(lake, RECORD)
    records.write(lake, replace(RECORD, status="failed", reason="disk full"))
    found = records.read(lake, NIGHT, "train")
    assert found is not None
    assert (found.status, found.reason) == ("failed", "disk full")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"report": {"sum": 1}}', b"\xff"])
def test_a_damaged_record_is_named(lake: Store, data: bytes) -> None:
    lake.write(layout.record(NIGHT, "train"), data)
    with pytest.raises(
        Refused, match=r"runs/2026-01-02/train.json is damaged: .*run train for 2026-01-02 again"
    ):
        records.read_night(lake, NIGHT)
    records.write(lake, replace(RECORD, stage="check"))
    assert list(records.read_night(lake, NIGHT, ("check",))) == ["check"]
    found, damaged = records.readable(lake, NIGHT)
    assert (list(found), list(damaged)) == (["check"], ["train"])
    assert "runs/2026-01-02/train.json is damaged" in str(damaged["train"])
