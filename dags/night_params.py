"""The trigger form of a night: the settings in, the DAG's parameters out."""

from airflow.sdk import Param

from pipeline_tasks import settings


def night_params(loaded: settings.Settings) -> dict[str, Param]:
    """Return what a run may be given: its night, another challenger, how it is published and why."""
    return {
        "run_date": Param(
            None,
            type=["null", "string"],
            pattern=settings.DATE_PATTERN,
            title="Night (UTC)",
            description="YYYY-MM-DD: everything that had arrived by the end of this day is known. "
            "Empty: the last whole day before the run.",
        ),
        "model": Param(
            loaded.train.model,
            type="string",
            pattern=settings.MODEL_PATTERN,
            title="Challenger",
            description="What is trained tonight, of several (commas between) the one that validation picks: "
            f"{', '.join(settings.MODELS)}. It serves only if it is not worse than who serves now.",
        ),
        "publish": Param(
            loaded.publish.mode,
            type="string",
            enum=["auto", "hold", "force", "off"],
            title="Publish",
            description="auto: tables go live if every check holds. hold: they wait to be released. "
            "force: live although their health holds them back; say why. off: everything but going live.",
        ),
        "why": Param(
            loaded.publish.why,
            type="string",
            title="Why",
            description="Needed where Publish is force; the log keeps it.",
        ),
    }
