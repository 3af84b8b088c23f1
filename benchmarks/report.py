"""The report's cost by a shop's size: users, items and events a user come in; seconds and peak memory out.

    python benchmarks/report.py --users 1000000 --items 100000

The tables that the report reads of a night and of the version before it are made of random numbers, in a lake of
their own; then `python -m pipeline_tasks report` is run, and its record read. It prints one JSON line a run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from pipeline_tasks.lake import layout, records, tables  # noqa: E402
from pipeline_tasks.lake.local import LocalStore  # noqa: E402
from pipeline_tasks.lake.records import STAGES, Record, Report  # noqa: E402
from pipeline_tasks.publishing import log, verdicts, versions  # noqa: E402
from pipeline_tasks.publishing.log import Change  # noqa: E402
from pipeline_tasks.publishing.verdicts import Verdict  # noqa: E402

NIGHT = date(2026, 6, 30)
N, FILES, EVENTS, DAY_SHARE = 20, 8, 50, 0.3
# of a user and an item at one stamp; every number is random
USER_FEATURES = """'u' || n AS user_id, floor(random() * 5) AS events_1d, floor(random() * 30) AS events_7d,
    floor(random() * 90) AS events_30d, random() * 30 AS days_since_last_event, random() * 500 AS events_total,
    random() * 4 AS price_level, 18 + random() * 60 AS age"""
ITEM_FEATURES = """'i' || n AS item_id, random() * 9 AS popularity_1d, random() * 60 AS popularity_7d,
    exp(random() * 8) AS popularity_30d, random() - .5 AS trend, random() * 900 AS age_days, exp(random() * 6) AS price,
    random() - .5 AS price_in_category, list_transform(range(256), lambda x: random()::FLOAT) AS text_embedding"""


class Shop:
    """Writes tables of so many users and items to a lake, from queries over `n` = 1, 2, …"""

    def __init__(self, store: LocalStore, scratch: Path, users: int, items: int) -> None:
        self.store, self.scratch, self.users, self.items = store, scratch, users, items
        self.engine = duckdb.connect(config={"temp_directory": str(scratch)})
        self.engine.execute("SELECT setseed(0.5)")

    def write(self, table: str, night: date, select: str, rows: int, **facts: Any) -> None:
        numbers = f"range(1, {rows + 1}) AS numbers(n)"
        query = f"SELECT {select} FROM (SELECT n, random() AS one, random() AS two FROM {numbers})"  # noqa: S608
        (path,) = self.files(query, ["part.parquet"])
        tables.write_files(self.store, layout.night(table, night), [path], rows=rows, facts=facts)
        path.unlink()

    def files(self, query: str, names: Iterable[str]) -> list[Path]:
        paths = [self.scratch / name for name in names]
        for path in paths:
            self.engine.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
        return paths

    def lists(self, night: date) -> tuple[str, str]:
        """Upload a version with N items for every user; return its name and its manifest's SHA-256."""
        files: dict[str, list[Path]] = {"top_n": []}
        for file in range(FILES):
            query = f"""
                SELECT 'u' || n AS user_id, rank::INT AS rank, 'i' || (1 + floor({self.items} * power(random(), 3)))::INT
                       AS item_id, (1 / rank + random() / 10)::FLOAT AS score,
                       CASE WHEN n % 20 = 0 THEN 'popular' ELSE 'model' END AS source, 'i1' AS reason
                FROM range({file}, {self.users}, {FILES}) AS numbers(n) CROSS JOIN range(1, {N + 1}) AS ranks(rank)"""  # noqa: S608
            files["top_n"] += self.files(query, [f"part-{file:05d}.parquet"])
        popular = "SELECT 'all' AS list_name, n AS rank, 'i' || n AS item_id FROM range(1, 101) AS numbers(n)"
        files["popular"] = files["similar_items"] = self.files(popular, ["popular.parquet"])
        facts = {"n": N, "users": self.users, "model": {"name": "random", "version": "random"}}
        manifest = versions.describe(night, files, facts)
        versions.upload(self.store, manifest, files)
        return manifest.version, manifest.sha256

    def night(self) -> None:
        """Write what the report reads of NIGHT."""
        begin = int(datetime(NIGHT.year, NIGHT.month, NIGHT.day, tzinfo=UTC).timestamp())
        user = f"(1 + floor({self.users} * one))::INT"
        item = f"(1 + floor({self.items} * power(random(), 2)))::INT"
        self.write("training/users", NIGHT, "n::INT AS user_index, 'u' || n AS user_id", self.users)
        self.write("training/items", NIGHT, "n::INT AS item_index, 'i' || n AS item_id, n % 50 > 0 AS available, "
                   "'Item ' || n AS title", self.items)  # fmt: skip
        self.write("training/sequences", NIGHT, f"""n::INT AS user_index,
            list_transform(range({EVENTS}), lambda x: {item}) AS items,
            list_transform(range({EVENTS}), lambda x: 1::TINYINT) AS types,
            list_transform(range({EVENTS}), lambda x: {begin} - 86400 * ({EVENTS} - x)) AS times""",
                   self.users, event_types=["view"])  # fmt: skip
        self.write("clean/items", NIGHT, "'i' || n AS item_id, NULL::TIMESTAMPTZ AS updated_at, NULL::VARCHAR AS image, "
                   "'Part ' || n % 30 || ' > x' AS category, NULL::VARCHAR[] AS tags", self.items)  # fmt: skip
        events = int(self.users * DAY_SHARE * 4)
        item_of = f"(1 + floor({self.items} * two * two))::INT"
        self.write("clean/interactions", NIGHT, f"""{user} AS user_index, {item_of} AS item_index,
            'u' || {user} AS user_id, 'i' || {item_of} AS item_id,
            to_timestamp({begin} + 86399 * random()) AS event_time""", events)  # fmt: skip
        for back in (0, 1, 7):
            day = NIGHT - timedelta(days=back)
            self.write("features/user_features", day, USER_FEATURES, self.users)
            self.write("features/item_features", day, ITEM_FEATURES, self.items)


def make(shop: Shop) -> None:
    """Write a night that went live after another, and its records."""
    before, sha256 = shop.lists(NIGHT - timedelta(days=1))
    change = Change(before, str(NIGHT - timedelta(days=1)), sha256, "publish", "a benchmark", "")
    log.append(shop.store, change, lambda live: None)
    version, sha256 = shop.lists(NIGHT)
    verdicts.write(shop.store, NIGHT, Verdict(version, sha256, True, {}))
    log.append(
        shop.store, Change(version, str(NIGHT), sha256, "publish", "a benchmark", ""), lambda live: None
    )
    shop.night()
    for minute, stage in enumerate(STAGES[:11]):
        started = (datetime(2026, 7, 1, 2, tzinfo=UTC) + timedelta(minutes=minute)).isoformat()
        records.write(
            shop.store, Record(stage, str(NIGHT), "done", started, 1.0, 1, "", "", "", Report(stage))
        )


def measure(users: int, items: int) -> dict[str, Any]:
    """Make a lake, report on its night, and return what the record says."""
    with tempfile.TemporaryDirectory(prefix="nightjar-benchmark-") as folder:
        store, scratch = LocalStore(Path(folder, "lake")), Path(folder, "scratch")
        scratch.mkdir()
        make(Shop(store, scratch, users, items))
        environment = {
            **os.environ,
            "NIGHTJAR_LAKE": store.uri,
            "NIGHTJAR_STATE": str(Path(folder, "state")),
            "NIGHTJAR_DATA": folder,
        }
        command = [sys.executable, "-m", "pipeline_tasks", "report", "--run-date", str(NIGHT)]
        subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=sys.stderr, check=True)
        record = records.read(store, NIGHT, "report")
        told = json.loads(store.read(f"{layout.report(NIGHT)}/report.json"))
    if record is None or told["absent"] or told["notes"]:
        raise SystemExit(f"the report is not whole: {told['absent']} {told['notes']}")
    return {
        "users": users,
        "items": items,
        "judged": told["online"]["users"],
        "seconds": round(record.seconds, 2),
        "peak_gib": round(record.peak_rss_bytes / (1 << 30), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    for run in range(1, options.runs + 1):
        print(json.dumps({"run": run, **measure(options.users, options.items)}), flush=True)


if __name__ == "__main__":
    main()
