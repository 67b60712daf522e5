"""What the command of a sweep asks for: its settings, its points, its plan; nothing is written yet."""
