"""Timings: arms measured in turn on one machine, for claims about time and memory."""
