"""Loaded by the server that forks the workers: makes it end with its driver, and its workers with it.

This works even for paused workers, which could not notice that their driver is gone.
"""

from pipeline.process import die_with_parent

die_with_parent()
