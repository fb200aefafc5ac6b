"""Real clients against a real broker process; every scenario runs through all of them."""
