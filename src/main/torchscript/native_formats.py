"""The numbers that the operators in `src/main/native` take."""

from typing import Final

# `Format` in matrix.h: how a matrix is held.
Q4: Final[int] = 0
Q8: Final[int] = 1
Q8_OFFSET: Final[int] = 2
Q8_HALF_BLOCKS: Final[int] = 3
F32: Final[int] = 4
F16: Final[int] = 5
BF16: Final[int] = 6

# `CacheType` in kv_cache.h.
CACHE_F32: Final[int] = 0
CACHE_F16: Final[int] = 1
CACHE_BF16: Final[int] = 2

# What `put_vector` takes.
NORM: Final[int] = 0
ATTENTION_BIAS: Final[int] = 1
HEAD_NORMS: Final[int] = 2
