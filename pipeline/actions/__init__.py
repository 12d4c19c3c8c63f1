"""What the verbs and `import convstudy` share. Options go in, records or tables come out, nothing is printed."""
