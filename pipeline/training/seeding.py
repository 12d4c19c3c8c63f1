"""Random streams derived from (seed, purpose, epoch), so that a training can continue at any epoch without saved state.

Every source of chance in a training (initial weights, order of images, augmentation, dropout) has its own stream;
changing one, or stopping and continuing, leaves the others as they were.
"""

import hashlib


def derive_seed(seed: int, purpose: str, epoch: int = 0) -> int:
    """A 63-bit seed for one purpose in one epoch."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
