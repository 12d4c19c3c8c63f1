"""What the verbs and `import convstudy` have in common: options in, records or tables out, nothing printed."""
