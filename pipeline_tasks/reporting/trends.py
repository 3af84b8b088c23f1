"""Nights in a row: their report.json in, a line a night out.

What cannot be read, or was written by an older report, is left out of the line, or the line of the trend.
"""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from pipeline_tasks.lake import layout, staleness
from pipeline_tasks.lake.store import Store, StoreError
from pipeline_tasks.reporting.verdict import ended

AT_ONCE = 16
# what a night's page may be at most to be read for a line
MOST_BYTES = 8 << 20


@dataclass(frozen=True)
class Line:
    """What is told of a night beside others. NDCG is of who serves, on the holdout; `online` ones are of the lists
    that were live before it, and `popular` of popular items in their place, on the night's events.
    """

    run_date: str
    state: str
    verdict: str
    version: str | None = None
    model: str | None = None
    ndcg: float | None = None
    ndcg_interval: list[float] | None = None
    baseline: float | None = None
    online: float | None = None
    online_interval: list[float] | None = None
    popular: float | None = None
    online_recall: float | None = None
    online_recall_interval: list[float] | None = None
    online_users: int | None = None
    users: int | None = None
    rows: int | None = None
    events: int | None = None
    kept_out: int | None = None
    kept_out_share: float | None = None
    seconds: float | None = None
    peak_rss_bytes: int | None = None
    stale: str | None = None


def line(content: Mapping[str, Any]) -> Line:
    """Return the line of a night's report.json."""
    serving, metrics = content.get("serving") or {}, content.get("metrics") or {}
    names = (f"{serving.get('role')} {serving.get('name')}", str(serving.get("name")))
    server = next((name for name in names if name in metrics), "")
    baselines = [_of(own, "ndcg") for name, own in metrics.items() if " " not in name]
    online = content.get("online") or {}
    live, between = online.get("metrics", {}).get("live"), online.get("intervals", {}).get("live")
    kept = {each["table"]: each for each in content.get("quarantine") or ()}.get("interactions", {})
    account = (content.get("accounts") or {}).get("interactions", {})
    stages = content.get("stages") or ()
    return Line(
        run_date=str(date.fromisoformat(content["run_date"])),
        state=ended(content),
        verdict=str(content["verdict"]),
        version=content.get("version"),
        model=serving.get("name"),
        ndcg=_of(metrics.get(server), "ndcg"),
        ndcg_interval=_of((content.get("intervals") or {}).get(server), "ndcg"),
        baseline=max((each for each in baselines if each is not None), default=None),
        online=_of(live, "ndcg"),
        online_interval=_of(between, "ndcg"),
        popular=_of(online.get("metrics", {}).get("popular"), "ndcg"),
        online_recall=_of(live, "recall"),
        online_recall_interval=_of(between, "recall"),
        online_users=online.get("users"),
        users=content.get("users") if content.get("version") else None,
        rows=(content.get("rows") or {}).get("top_n") if content.get("version") else None,
        events=account.get("clean"),
        kept_out=kept.get("rows"),
        kept_out_share=kept["rows"] / kept["rows_in"] if kept.get("rows_in") else None,
        seconds=round(sum(each["seconds"] for each in stages), 3) if stages else None,
        peak_rss_bytes=max((each["peak_rss_bytes"] for each in stages), default=None),
    )


def lines(store: Store, most: int, before: date | None = None) -> tuple[list[Line], list[str]]:
    """Return the lines of the newest `most` nights (strictly before a date), oldest first, and what was unreadable."""
    nights = [night for night in map(layout.date_of, store.folders("reports/")) if night]
    wanted = sorted(night for night in nights if before is None or night < before)[-most:]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(_reading(store), wanted))
    return [each for each in found if isinstance(each, Line)], [
        each for each in found if isinstance(each, str)
    ]


def _reading(store: Store) -> Callable[[date], Line | str]:
    def read(night: date) -> Line | str:
        key = f"{layout.report(night)}/report.json"
        try:
            with store.open(key) as handle:
                data = handle.read(MOST_BYTES + 1)
            found = line(json.loads(data))
            if found.run_date != str(night):
                raise ValueError(f"it is of {found.run_date}")
            return replace(found, stale=staleness.read(store, night))
        except (StoreError, ValueError, KeyError, TypeError, AttributeError) as error:
            return f"{store.uri}/{key}: {error}"

    return read


def _of(values: Mapping[str, Any] | None, metric: str) -> Any:
    """Return the metric's value (or interval) at whatever k it was measured."""
    return next((value for name, value in (values or {}).items() if name.partition("@")[0] == metric), None)
