"""Views: one SQL definition, run over what streams in and over all of it at once, with equal results."""
