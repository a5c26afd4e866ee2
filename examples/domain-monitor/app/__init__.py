"""The domain monitor: what we own, when it expires and what it costs."""
