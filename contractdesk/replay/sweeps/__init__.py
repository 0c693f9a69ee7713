"""Many replays at once: grids, searches and walks forward, on workers, kept and resumable."""
