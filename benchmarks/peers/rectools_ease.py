"""RecTools' EASE: a job in, every user's list out. Options: `regularization`, values of which validation picks."""

from protocol import Job, answer
from rectools.models import EASEModel
from rectools_data import dataset, lists_of
from validation import Fitted, Option, search


def _fitted(job: Job, option: Option) -> Fitted:
    events = dataset(job)
    return EASEModel(**option).fit(events), events


if __name__ == "__main__":
    answer(lambda job: search(job, ["regularization"], _fitted, lists_of))
