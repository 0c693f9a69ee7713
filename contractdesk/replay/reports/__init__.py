"""What a replay says of itself: figures, tables, charts and one page."""
