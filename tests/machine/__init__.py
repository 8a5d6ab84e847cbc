"""State machines: the tap between strict servers in memory and a target that can be compared."""
