"""The same scenarios through three real clients against a real process; what a library lacks is in `absent.py`."""
