"""Driver 1: the engine over recorded ticks, at the speed of a compiled kernel."""
