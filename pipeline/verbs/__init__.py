"""The verbs of `convstudy`: each parses its options, calls the core once, and prints."""
