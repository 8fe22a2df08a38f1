"""A failure or a verdict made readable."""
