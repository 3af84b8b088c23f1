"""The project that everything here belongs to."""

from feast import Project

nightjar = Project(name="nightjar", description="features of users, items and hours for nightly ranking")
