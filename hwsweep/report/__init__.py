"""What a study shows when it ends."""
