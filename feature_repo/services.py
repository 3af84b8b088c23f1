"""What models ask for by name: `ranking` joins all features to a user, an item and a moment."""

from feast import FeatureService
from views import context_features, item_features, user_features

ranking = FeatureService(
    name="ranking",
    features=[user_features, item_features, context_features],
    description="features of a user, an item and an hour of the week, as known at a moment",
)
