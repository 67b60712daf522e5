"""What to try next: axes, the space, conditions, samplers, and checks of a point."""
