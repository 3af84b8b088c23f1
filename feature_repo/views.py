"""The feature views, one a contract, over the copies of the nightly snapshots; and the lists that publish puts online."""

from entities import hour_of_week, item, user, version

from pipeline_tasks.contracts import CONTEXT_FEATURES, ITEM_FEATURES, ONLINE_LISTS, USER_FEATURES
from pipeline_tasks.featurestore.definitions import feature_view, pushed_view

user_features = feature_view(USER_FEATURES, user)
item_features = feature_view(ITEM_FEATURES, item)
context_features = feature_view(CONTEXT_FEATURES, hour_of_week)
top_n_lists = pushed_view(ONLINE_LISTS, [version, user])
