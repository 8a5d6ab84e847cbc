"""Defects of other connectors, planted into this tap one by one, and what finds each of them."""
