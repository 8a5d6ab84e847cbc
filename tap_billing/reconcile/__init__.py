"""Compares what the API tells with what a warehouse or a file holds, by a path of its own."""
