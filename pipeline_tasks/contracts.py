"""Every table's contract, said once: Spark schemas, expectations, quarantine predicates, Feast fields and
the consumers' documentation are made from these declarations. Data in, data out; imports nothing of ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["string", "integer", "float", "boolean", "timestamp", "strings", "vector"]
Severity = Literal["stop", "quarantine", "warn"]

MAX_ID_CHARACTERS = 512


@dataclass(frozen=True)
class Column:
    """One column: its type, its meaning, and what its values may be.

    `required` columns must be mapped by the source; a column that is not `nullable` sends a row with a
    null to `severity`, as does a value outside `minimum`..`maximum`, longer than `max_characters`, or
    not in `allowed` (`"event_types"` stands for the event types that the settings declare).
    """

    name: str
    type: ColumnType
    doc: str
    required: bool = False
    nullable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] | Literal["event_types"] | None = None
    max_characters: int | None = None
    severity: Severity = "quarantine"


@dataclass(frozen=True)
class Contract:
    """A table: what one row is (`grain`), the columns that identify it (`key`), whether a night's partition
    holds that night's arrivals (`delta`) or everything known (`snapshot`), and its freshness column.

    `one_of` names columns of which at least one must be set for a row to be placed at all.
    """

    name: str
    grain: str
    kind: Literal["delta", "snapshot"]
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    freshness: str | None = None
    one_of: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def required(self) -> list[str]:
        return [column.name for column in self.columns if column.required]

    def column(self, name: str) -> Column:
        """Return the column called `name`; raises KeyError with the names that there are."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name!r}; it has {', '.join(self.names)}")


def _id(name: str, of: str) -> Column:
    return Column(name, "string", f"the source's own id of the {of}", required=True, nullable=False,
                  max_characters=MAX_ID_CHARACTERS)  # fmt: skip


INTERACTIONS = Contract(
    name="interactions",
    grain="one event of one user with one item",
    kind="delta",
    key=("user_id", "item_id", "event_type", "event_time"),
    freshness="event_time",
    one_of=("arrival", "event_time"),
    columns=(
        _id("user_id", "user"),
        _id("item_id", "item"),
        Column("event_type", "string", "what the user did: one of the declared event types", nullable=False,
               allowed="event_types"),
        Column("event_time", "timestamp", "when it happened (UTC)", required=True, nullable=False),
        Column("arrival", "timestamp", "when the record reached the source (UTC); by default event_time",
               nullable=False),
        Column("value", "float", "what the event carries: a rating, a quantity, an amount", minimum=0.0,
               maximum=1e9),
    ),
)  # fmt: skip

ITEMS = Contract(
    name="items",
    grain="one version of one item",
    kind="snapshot",
    key=("item_id", "updated_at"),
    freshness="updated_at",
    columns=(
        _id("item_id", "item"),
        Column("updated_at", "timestamp", "from when this version holds (UTC); without it, always"),
        Column("title", "string", "the item's name in the shop's main language", max_characters=2_000),
        Column("title_zh", "string", "the item's name in Chinese", max_characters=2_000),
        Column("description", "string", "a text in the shop's main language", max_characters=100_000),
        Column("description_zh", "string", "a text in Chinese", max_characters=100_000),
        Column("category", "string", "path from the root, levels separated by ' > '", max_characters=1_000),
        Column("tags", "strings", "free labels"),
        Column("brand", "string", "the maker's name", max_characters=1_000),
        Column("price", "float", "price in the shop's currency", minimum=0.0, maximum=1e9),
        Column("appeared_at", "timestamp", "when the item entered the catalogue (UTC)"),
        Column("available", "boolean", "whether it can be had now; by default yes"),
        Column("image", "string", "a file, relative to the items' folder, or a URI", max_characters=4_000),
        Column("embedding", "vector", "a ready-made vector, as long as the other items'"),
    ),
)  # fmt: skip

# what an item's text is made of, in this order
ITEM_TEXTS = ("title", "title_zh", "description", "description_zh")

USERS = Contract(
    name="users",
    grain="one version of one user",
    kind="snapshot",
    key=("user_id", "updated_at"),
    freshness="updated_at",
    columns=(
        _id("user_id", "user"),
        Column("updated_at", "timestamp", "from when this version holds (UTC); without it, always"),
        Column("joined_at", "timestamp", "when the user registered (UTC)"),
        Column("age", "integer", "age in years", minimum=0, maximum=150),
        Column("gender", "string", "as the source says it", max_characters=100),
        Column("country", "string", "ISO 3166 code or name", max_characters=100),
        Column("membership", "string", "tier or plan", max_characters=100),
    ),
)  # fmt: skip

SOURCE_TABLES = {contract.name: contract for contract in (INTERACTIONS, ITEMS, USERS)}

WINDOWS_DAYS = (1, 7, 30)


def _windows(what: str, doc: str) -> Iterable[Column]:
    for days in WINDOWS_DAYS:
        yield Column(f"{what}_{days}d", "float", f"{doc} over the last {days} days before the stamp",
                     nullable=False, minimum=0.0)  # fmt: skip


_STAMP = Column("event_timestamp", "timestamp", "the snapshot's stamp: made of what was before it (UTC)",
                nullable=False)  # fmt: skip

USER_FEATURES = Contract(
    name="user_features",
    grain="one user at one stamp",
    kind="snapshot",
    key=("user_id", "event_timestamp"),
    columns=(
        _id("user_id", "user"),
        _STAMP,
        *_windows("events", "the user's events"),
        Column("days_since_last_event", "float", "days since the last event",
               minimum=0.0),
        Column("events_total", "float", "all events before", nullable=False, minimum=0.0),
        Column("price_level", "float", "mean log1p(price) of the items touched"),
        Column("affinity", "vector", "TF-IDF of categories and tags over the user's events, hashed to a fixed "
               "width, L2-normalized; zeros without events", nullable=False),
        Column("age", "float", "age in years"),
        Column("membership", "string", "tier or plan"),
    ),
)  # fmt: skip

ITEM_FEATURES = Contract(
    name="item_features",
    grain="one item at one stamp",
    kind="snapshot",
    key=("item_id", "event_timestamp"),
    columns=(
        _id("item_id", "item"),
        _STAMP,
        *_windows("popularity", "events with the item"),
        Column("trend", "float", "log of the 7 days' daily rate over the 30 days'", nullable=False),
        Column("age_days", "float", "days since the item appeared (or was first touched)", minimum=0.0),
        Column("price", "float", "price valid at the stamp", minimum=0.0),
        Column("price_in_category", "float", "log price minus the mean log price of its category"),
        Column("topics", "vector", "TF-IDF of categories and tags, hashed like a user's affinity, "
               "L2-normalized", nullable=False),
        Column("text_embedding", "vector", "titles and descriptions by the text encoder; zeros without text",
               nullable=False),
        Column("image_embedding", "vector", "the image by the image encoder; zeros without one",
               nullable=False),
        Column("embedding", "vector", "the source's own vector, L2-normalized; zeros without one, null where "
               "no item has one"),
    ),
)  # fmt: skip

CONTEXT_FEATURES = Contract(
    name="context_features",
    grain="one hour of the week (0 = Monday 00:00 UTC) at one stamp",
    kind="snapshot",
    key=("hour_of_week", "event_timestamp"),
    columns=(
        Column("hour_of_week", "integer", "0..167", nullable=False, minimum=0, maximum=167),
        _STAMP,
        Column("hour", "float", "hour of the day (UTC)", nullable=False, minimum=0, maximum=23),
        Column("weekday", "float", "0 = Monday", nullable=False, minimum=0, maximum=6),
        Column("season_sin", "float", "sine of the stamp's day of the year", nullable=False),
        Column("season_cos", "float", "cosine of the stamp's day of the year", nullable=False),
        Column("activity", "float", "events in this hour of the week over the last 28 days, relative to the "
               "mean hour; 1 without events", nullable=False, minimum=0.0),
    ),
)  # fmt: skip

FEATURE_VIEWS = {view.name: view for view in (USER_FEATURES, ITEM_FEATURES, CONTEXT_FEATURES)}

_RANK = Column("rank", "integer", "from 1, without gaps: the order is the truth", nullable=False, minimum=1,
               severity="stop")  # fmt: skip
_SCORE = Column("score", "float", "comparable within one list only", nullable=False, severity="stop")

TOP_N = Contract(
    name="top_n",
    grain="one place in one user's list",
    kind="snapshot",
    key=("user_id", "rank"),
    columns=(
        _id("user_id", "user"),
        _RANK,
        _id("item_id", "recommended item"),
        _SCORE,
        Column("source", "string", "what made the row: model, popular, …", nullable=False, severity="stop"),
        Column("reason", "string", "the item of the user's history that it follows from, or the list's name",
               nullable=False, severity="stop"),
        Column("bucket", "integer", "first 8 hex digits of md5(user_id), modulo the number of files",
               nullable=False, minimum=0, severity="stop"),
        Column("model_version", "string", "the model that scored it", nullable=False, severity="stop"),
        Column("data_cutoff", "timestamp", "events before this moment were known (UTC)", nullable=False,
               severity="stop"),
    ),
)  # fmt: skip

SIMILAR_ITEMS = Contract(
    name="similar_items",
    grain="one place in one item's list of neighbours",
    kind="snapshot",
    key=("item_id", "rank"),
    columns=(_id("item_id", "item"), _RANK, _id("similar_item_id", "neighbour"), _SCORE),
)

POPULAR = Contract(
    name="popular",
    grain="one place in one list",
    kind="snapshot",
    key=("list_name", "rank"),
    columns=(
        Column("list_name", "string", "'all' or '<user column>=<value>'", nullable=False, severity="stop"),
        _RANK,
        _id("item_id", "item"),
        _SCORE,
    ),
)  # fmt: skip

PUBLISHED_TABLES = {contract.name: contract for contract in (TOP_N, SIMILAR_ITEMS, POPULAR)}

ONLINE_LISTS = Contract(
    name="top_n_lists",
    grain="one user's list in one version, for services that ask for it online",
    kind="snapshot",
    key=("version", "user_id", "event_timestamp"),
    columns=(
        Column("version", "string", "the version of the tables that the list is of", nullable=False),
        _id("user_id", "user"),
        Column("event_timestamp", "timestamp", "events before this moment were known (UTC)", nullable=False),
        Column("item_ids", "strings", "the recommended items' ids, best first", nullable=False),
        Column("scores", "vector", "their scores, comparable within one list only", nullable=False),
        Column("reasons", "strings", "what each follows from, as in top_n", nullable=False),
    ),
)
