"""Searches: plans, studies, candidates, samplers, driver and finalists."""
