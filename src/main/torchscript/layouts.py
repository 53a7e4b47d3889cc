"""How `decoder.py` holds a matrix. The worker's `WeightLayout` has the same numbers.

All but DENSE use operators that are private to torch 2.7 on CPUs.
"""

from typing import Final

# As it is, in the type that the device computes in.
DENSE: Final[int] = 1
# bfloat16, packed by oneDNN.
PACKED_BF16: Final[int] = 2
# Blocks of 4 bits, and blocks of 5 or 8 bits as two planes of 4 bits.
INT4: Final[int] = 3
INT4_PAIR: Final[int] = 4

# Each matrix has a layout for few rows and one for many. These say which of the two a product takes.
# The number of rows decides.
BY_ROWS: Final[int] = 0
FEW: Final[int] = 1
MANY: Final[int] = 2
# The layout for few rows. A dense product runs row by row: it adds up in another order for each number of rows.
ROW_BY_ROW: Final[int] = 3
