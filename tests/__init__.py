"""The tests of tap-billing."""
