"""Drivers: which networks to train, in which processes, and what was learnt from them."""
