"""`tap-billing doctor`: what a user's settings, network, account and API are like, by asking."""
