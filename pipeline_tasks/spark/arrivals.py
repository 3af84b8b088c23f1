"""What arrived when: typed rows of a source in; dated rows, rejected rows and derived tables out."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from pipeline_tasks.contracts import INTERACTIONS, MAX_ID_CHARACTERS, Contract
from pipeline_tasks.sources.typed import REASON, REASONS, ROW, untypable
from pipeline_tasks.spark.schemas import SPARK_TYPES

ARRIVED = "arrived"  # the UTC date of arrival; null for a rejected row that has no time that can be read
REJECTED = T.StructType(
    [
        T.StructField("id", T.StringType()),  # of the first key column, where that could be read
        T.StructField(ROW, T.StringType()),  # the row as the source has it, as JSON
        T.StructField(REASON, T.StringType()),  # what is wrong with it, for people
        T.StructField(REASONS, T.ArrayType(T.StringType())),  # the same as codes
        T.StructField("digest", T.StringType()),  # SHA-256 of the row
    ]
)


def dated(typed: DataFrame, default_event: str) -> DataFrame:
    """Fill in what an event that does not say it is taken to say, and add its date of arrival.

    An event without a type is of `default_event`; one without an arrival arrived when it happened, and one with an
    arrival that cannot be read at nobody knows what date.
    """
    unread = F.array_contains(REASONS, untypable(INTERACTIONS.column("arrival")))
    return (
        typed.withColumn("event_type", F.coalesce("event_type", F.lit(default_event)))
        .withColumn("arrival", F.coalesce("arrival", "event_time"))
        .withColumn(ARRIVED, F.when(~unread, F.to_date("arrival")))
    )


def is_good() -> Column:
    """Return whether a typed row could be typed."""
    return F.col(REASON).isNull()


def rejects(typed: DataFrame, contract: Contract) -> DataFrame:
    """Return the rows that could not be typed, as they are kept."""
    bad = typed.filter(~is_good())
    return bad.select(
        F.col(contract.key[0]).alias("id"), ROW, REASON, REASONS, F.sha2(ROW, 256).alias("digest")
    )


def not_yet_rejected(rejected: DataFrame, before: DataFrame) -> DataFrame:
    """Return the rejected rows that `before` does not hold already; of equal rows as many as it lacks."""
    known = before.groupBy("digest").agg(F.count("*").alias("known"))
    number = F.row_number().over(Window.partitionBy("digest").orderBy(ROW))
    numbered = rejected.withColumn("number", number).join(known, "digest", "left")
    return numbered.filter(F.col("number") > F.coalesce("known", F.lit(0))).select(*REJECTED.names)


def derived(interactions: DataFrame, contract: Contract, first_seen: str) -> DataFrame:
    """Return a table of items or users from interactions: their ids, and in `first_seen` their first event."""
    name = contract.key[0]
    known = interactions.filter(F.length(name).between(1, MAX_ID_CHARACTERS))
    made = {name: F.col(name), first_seen: F.col("first")}
    return (
        known.groupBy(name)
        .agg(F.min("event_time").alias("first"))
        .select(
            *(
                made.get(each.name, F.lit(None)).cast(SPARK_TYPES[each.type]).alias(each.name)
                for each in contract.columns
            )
        )
    )


def merged(first: DataFrame, second: DataFrame, contract: Contract, first_seen: str) -> DataFrame:
    """Return two derived tables as one, with the earlier of both first events."""
    both = first.unionByName(second).select(contract.key[0], F.col(first_seen).alias("event_time"))
    return derived(both, contract, first_seen)
