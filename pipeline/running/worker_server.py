"""Loaded by the process from which workers are forked: it ends with its driver, and its workers end with it.

They do so even while they are paused, and could not see themselves that they are orphans.
"""

from pipeline.process import die_with_parent

die_with_parent()
