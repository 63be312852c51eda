"""The twist action space: a policy steers the wrist camera by chunks of levelled twists."""
