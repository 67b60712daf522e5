"""An HTML page from plain values; knows nothing of studies."""
