"""Comparisons with what a user would pick instead, measured on the machine they run on."""
