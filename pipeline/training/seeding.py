"""Random streams derived from (seed, purpose, epoch), so that a training can resume at any epoch without their state.

Each use of randomness in a training (initial weights, order of images, augmentation, dropout) has its own stream, which
does not depend on the others or on interruptions.
"""

import hashlib


def derive_seed(seed: int, purpose: str, epoch: int = 0) -> int:
    """A 63-bit seed for one purpose in one epoch."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
