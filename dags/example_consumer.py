"""### A downstream team's DAG: starts when new tables are published, and reads them

It is scheduled on the asset, not on a clock, so it never reads a night that is not live.
"""

from airflow.sdk import Asset, dag, task


@dag(
    dag_id="example_consumer",
    doc_md=__doc__,
    schedule=[Asset("nightjar_recommendations")],
    catchup=False,
    tags=["nightjar"],
)
def example_consumer() -> None:
    @task
    def read_tables() -> dict[str, str | int]:
        """Open what is live and say how many rows it has: one version, whatever is published meanwhile."""
        from pipeline_tasks import settings
        from pipeline_tasks.reader import open_current

        version = open_current(settings.load().lake_uri)
        return {"version": version.name, "rows": version.manifest["tables"]["top_n"]["rows"]}

    read_tables()


example_consumer()
