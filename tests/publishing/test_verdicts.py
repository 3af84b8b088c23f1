"""A night's verdict comes back as it was written; a damaged one is named, with what to do."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from pipeline_tasks.errors import Refused
from pipeline_tasks.lake import layout
from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing import verdicts
from pipeline_tasks.publishing.difference import Difference
from pipeline_tasks.publishing.verdicts import Verdict
from tests.lists import NIGHT

FINDING = {"name": "users_lost", "severity": "stop", "found": 1.0, "sentence": "30% lost", "holds": False}
DIFFERENCE = asdict(Difference(0, 0, 1, 0, 0, 0, 1.0, 0, 0, [("i1", 2)], []))


def test_a_verdict_comes_back_and_is_replaced(either_lake: Store) -> None:
    assert verdicts.read(either_lake, NIGHT) is None
    staged = {"staged/top_n": "0" * 64}
    for passed in (True, False):
        failures: list[dict[str, Any]] = [] if passed else [{"reason": "top_n", "count": 3}]
        verdict = Verdict("2026-01-10-abc", "f" * 64, passed, staged, failures, warnings=["few users"])
        verdicts.write(either_lake, NIGHT, verdict)
        assert verdicts.read(either_lake, NIGHT) == verdict


def test_a_verdict_of_old_has_no_difference_and_loads(either_lake: Store) -> None:
    old = {"version": "2026-01-10-abc", "manifest_sha256": "f" * 64, "passed": True, "staged": {}}
    either_lake.write(layout.verdict(NIGHT), json.dumps(old).encode())
    found = verdicts.read(either_lake, NIGHT)
    assert found is not None
    assert (found.against, found.difference) == (None, None)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_a_damaged_verdict_is_named(lake: Store, data: bytes) -> None:
    lake.write(layout.verdict(NIGHT), data)
    with pytest.raises(
        Refused, match=r"verdicts/run_date=2026-01-10.json is damaged: .*run check for 2026-01-10 again"
    ):
        verdicts.read(lake, NIGHT)


@pytest.mark.parametrize(
    "altered",
    [
        {"health": [{"sevesity": "stop", "sentence": "30% lost", "holds": False}]},
        {"health": [{**FINDING, "severity": "stoq"}]},
        {"health": [{**FINDING, "holds": "no"}]},
        {"health": {}},
        {"failures": [{"table": "top_n"}]},
        {"difference": {("jept" if name == "kept" else name): DIFFERENCE[name] for name in DIFFERENCE}},
        {"difference": {**DIFFERENCE, "kept": None}},
        {"difference": {**DIFFERENCE, "gained": [["i1"]]}},
        {"passed": "false"},
        {"staged": {"staged/top_n": 7}},
    ],
)
def test_a_verdict_of_which_a_part_was_altered_is_named(lake: Store, altered: dict[str, Any]) -> None:
    verdict = Verdict("2026-01-10-abc", "f" * 64, True, {}, health=[FINDING], difference=DIFFERENCE)
    verdicts.write(lake, NIGHT, verdict)
    found = verdicts.read(lake, NIGHT)
    assert found is not None
    assert found.held_by == ["30% lost"]
    (name,) = altered
    lake.write(layout.verdict(NIGHT), json.dumps({**asdict(verdict), **altered}).encode())
    with pytest.raises(Refused, match=f"is damaged: .*{name}|is damaged: .*(kept|gained|jept)") as refused:
        verdicts.read(lake, NIGHT)
    assert refused.value.hint == "run check for 2026-01-10 again"
