"""The Singer tap for ChargeOver and Cheddar."""
