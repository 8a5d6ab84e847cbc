"""The real command into real targets, as processes."""
