"""64-bit hashes of runs of numbers, all from one pass however long the runs are.

    T[j]                  sum over k < j of number k times B^k
    hash of i to j - 1    mix((T[j] - T[i]) / B^i)

Arithmetic is modulo 2^64, where the odd B has an inverse. Two different runs share a hash once in 2^64 pairs.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

BASE = 0x9E3779B97F4A7C15  # odd, and as good as random: the golden ratio times 2^64


def prefix_sums(numbers: npt.NDArray[np.unsignedinteger]) -> Hashes:
    """T of the heading (len(numbers) + 1,)."""
    sums = np.zeros(len(numbers) + 1, dtype=np.uint64)
    np.cumsum(numbers * _powers(BASE, len(numbers)), out=sums[1:])
    return sums


def hash_runs(sums: Hashes, begins: Places, stops: Places) -> Hashes:
    """The hash of each run, from its first number to the one before `stops`: like `begins`."""
    return mix((sums[stops] - sums[begins]) * _powers(pow(BASE, -1, 2**64), len(sums))[begins])


def mix(numbers: Hashes) -> Hashes:
    """Spread the bits: the finaliser of SplitMix64 (Steele et al. 2014), a bijection."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _powers(base: int, count: int) -> Hashes:
    """1, base, base^2, ... modulo 2^64 (count,)."""
    return _powers_up_to(base, count.bit_length())[:count]


@lru_cache(maxsize=16)  # two bases, batches of some sizes
def _powers_up_to(base: int, num_bits: int) -> Hashes:
    factors = np.full(1 << num_bits, base, dtype=np.uint64)
    factors[0] = 1
    return np.cumprod(factors)
