"""The settings of the morning report: what it shows of people, and how far back it looks."""

from pydantic import Field

from pipeline_tasks.settings.source import Section


class ReportSettings(Section):
    people: int = Field(10, ge=0, le=100)
    """Users, chosen anew each night, whose history and list the page shows, and two of them the terminal; 0: nobody's, nor cases of a broken rule. What pages of nights before say stays."""
    thumbnails: int = Field(100, ge=0, le=1000)
    """Images of items that the page holds at most, beside these users' rows; 0: none."""
    nights: int = Field(30, ge=1)
    """Earlier nights that a night's page draws its trends from."""
    index_nights: int = Field(400, ge=1)
    """Newest nights that the page over all nights lists."""
