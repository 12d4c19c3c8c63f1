"""convstudy: trains, profiles and compares convolutional architectures, and reports the evidence."""

__version__ = "0.1.0"
