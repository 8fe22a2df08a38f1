"""What the explorer is pointed at."""
