"""What a network costs: parameters, MACs, activations, memory, latency; each defined once."""
