"""What was looked at: the seen-map, what looks say about where the target is not, lines of sight."""
