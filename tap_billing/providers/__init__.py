"""One module per provider: its resources as data, then pure functions, bytes in, values out."""
