"""Running: which trainings a plan asks for, in which processes, and what was learnt from them."""
