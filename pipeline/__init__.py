"""convstudy: trains, prices and compares convolutional architectures, and reports what the evidence says."""

__version__ = "0.1.0"
