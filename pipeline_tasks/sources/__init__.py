"""The source: which of the declared ones is there, its files, and what their columns are called. No Spark."""

from pipeline_tasks.sources.choice import ChosenSource, check_owner, choose, claim_lake, identity, owner_of
from pipeline_tasks.sources.columns import Declared, Layout, declared, layouts, told_unwritten
from pipeline_tasks.sources.files import fetch, files, open_file

__all__ = [
    "ChosenSource",
    "Declared",
    "Layout",
    "check_owner",
    "choose",
    "claim_lake",
    "declared",
    "fetch",
    "files",
    "identity",
    "layouts",
    "open_file",
    "owner_of",
    "told_unwritten",
]
