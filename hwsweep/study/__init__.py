"""A stored study from Python: what `hwsweep.load_study` returns."""
