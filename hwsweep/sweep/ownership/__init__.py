"""Which trials a process may run: turns, heartbeats, locks."""
