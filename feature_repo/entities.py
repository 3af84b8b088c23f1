"""What features are of: a user, an item, an hour of the week; and lists, of a version."""

from pipeline_tasks.contracts import CONTEXT_FEATURES, ITEM_FEATURES, ONLINE_LISTS, USER_FEATURES
from pipeline_tasks.featurestore.definitions import entity

user = entity(USER_FEATURES)
item = entity(ITEM_FEATURES)
hour_of_week = entity(CONTEXT_FEATURES)
version = entity(ONLINE_LISTS, "version")
