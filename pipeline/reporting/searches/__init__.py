"""Searches as the report shows them."""
