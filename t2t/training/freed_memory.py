"""Let the C library keep the memory that a training step frees, for the next step to use again.

glibc's malloc fetches each block of more than 32 MB from the kernel and gives it back when it is freed, and
smaller ones too once much lies free. A training step on a CPU makes and frees dozens of such blocks. Each is
then new to the kernel, which maps and clears it page by page, 4 KiB at a time, while the step waits:

    activations of 16 x 512 tokens, 512 wide, bfloat16     8 MiB     2,048 page faults
    attention of 8 heads there, float32                    128 MiB   32,768 page faults

The process keeps its peak of memory to the end of the run, which it needs in every step anyway. Results do
not change. Only glibc is told so: other C libraries have no `mallopt`, or ignore it.

Source: mallopt(3), M_MMAP_MAX and M_TRIM_THRESHOLD.
"""

import ctypes
import platform

# The parameters' numbers in glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """From now on, malloc gives nothing back to the kernel before the process ends.

    Returns: whether the C library took notice; False where it is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    no_block_of_its_own = mallopt(_M_MMAP_MAX, 0)
    never_trimmed = mallopt(_M_TRIM_THRESHOLD, -1)  # -1: no size of free memory is large enough
    return bool(no_block_of_its_own and never_trimmed)
