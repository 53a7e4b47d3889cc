"""GGUF's numbers for the types of a tensor, as they are in ggml.h.

TorchScript reads a constant of another module as `gguf_types.Q4_0`, and not by `from … import`.
"""

from typing import Final

F32: Final[int] = 0
F16: Final[int] = 1
Q4_0: Final[int] = 2
Q4_1: Final[int] = 3
Q5_0: Final[int] = 6
Q5_1: Final[int] = 7
Q8_0: Final[int] = 8
Q2_K: Final[int] = 10
Q3_K: Final[int] = 11
Q4_K: Final[int] = 12
Q5_K: Final[int] = 13
Q6_K: Final[int] = 14
IQ2_XXS: Final[int] = 16
IQ2_XS: Final[int] = 17
IQ3_XXS: Final[int] = 18
IQ1_S: Final[int] = 19
IQ4_NL: Final[int] = 20
IQ3_S: Final[int] = 21
IQ2_S: Final[int] = 22
IQ4_XS: Final[int] = 23
IQ1_M: Final[int] = 29
BF16: Final[int] = 30
TQ1_0: Final[int] = 34
TQ2_0: Final[int] = 35
MXFP4: Final[int] = 39
