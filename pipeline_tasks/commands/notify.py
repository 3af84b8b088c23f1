"""Tell those whom `notify` names how a night ended; by hand to try the channels, by Airflow when a night fails or is late."""

import argparse
import sys

from pipeline_tasks.commands.nights import add_run_date, night, night_to_run
from pipeline_tasks.errors import NothingToDo, Refused
from pipeline_tasks.settings import Settings

HELP = "tell by webhook and mail how a night ended"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_date(parser)
    parser.add_argument(
        "--event",
        choices=("ended", "failed", "late"),
        default="ended",
        help="why it is told: failed and late are Airflow's",
    )
    parser.add_argument("--dag", help="another DAG than the night's, whose run failed; Airflow's too")
    parser.add_argument("--said", default="", help="a line to add")


def run(loaded: Settings, options: argparse.Namespace) -> int:
    """Return 0 where every channel took it, 1 where one did not; NothingToDo where nobody is to be told."""
    from pipeline_tasks.notifying.channels import send
    from pipeline_tasks.notifying.message import of_another_dag, write_message

    if not loaded.notify.webhook.get_secret_value() and not loaded.notify.mail.host:
        raise NothingToDo("nobody is to be told", "set notify.webhook, or notify.mail.host, sender and to")
    if options.dag:
        message = of_another_dag(options.dag, options.said)
    else:
        said = filter(None, (_refused(options.run_date), options.said))
        message = write_message(loaded, night(options.run_date), options.event, list(said))
    print(message.text, flush=True)
    failed = 0
    for channel, reason in send(loaded.notify, message).items():
        print(f"{channel}: {f'not sent: {reason}' if reason else 'sent'}", file=sys.stderr)
        failed += reason is not None
    return 1 if failed else 0


def _refused(run_date: str | None) -> str:
    """Return why no stage took the night, and none kept a record of it; nothing where they do take it."""
    try:
        night_to_run(run_date)
    except Refused as error:
        return str(error)
    return ""
