"""Searches: studies, candidates, samplers and their driver, finalists."""
