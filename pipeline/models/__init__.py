"""Finished networks, opened to be used."""
