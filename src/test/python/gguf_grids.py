"""Writes `src/main/torchscript/gguf_grids.py`: the grids of GGUF's IQ types, as data of the package gguf (MIT).

    python src/test/python/gguf_grids.py    # gguf
"""

from importlib.metadata import version
from pathlib import Path

import numpy as np
from gguf import quants

OUT = Path(__file__).resolve().parents[2] / "main/torchscript/gguf_grids.py"
WIDTH = 116
HEAD = '''"""The grids of GGUF's IQ types: each point has the next 4 or 8 elements of a row, without their signs. Written by
`src/test/python/gguf_grids.py` from version {version} of the package gguf, which is under the MIT licence.

An element is the place of its size in the type's table. A hexadecimal digit has two of them, the first in its low half; in
IQ3_XXS and IQ3_S it has one.
"""

from typing import List

import torch
from torch import Tensor

'''
CODE = '''

def pairs(digits: str) -> List[int]:
    return [half for digit in digits for half in (int(digit, 16) & 3, int(digit, 16) >> 2)]


def all_grids() -> Tensor:
    """The elements of all grids, one behind the other, in the order of the types above."""
    singles = [int(digit) for digit in IQ3_XXS + IQ3_S]
    return torch.tensor(pairs(IQ2_XXS + IQ2_XS + IQ2_S + IQ1) + singles, dtype=torch.uint8)
'''
TWO_BITS = {"IQ2_XXS": quants.IQ2_XXS, "IQ2_XS": quants.IQ2_XS, "IQ2_S": quants.IQ2_S, "IQ1": quants.IQ1_S}
THREE_BITS = {"IQ3_XXS": quants.IQ3_XXS, "IQ3_S": quants.IQ3_S}


def entries(kind) -> np.ndarray:
    """The elements of a grid as numbers of `grid_map`."""
    kind.init_grid()
    return np.searchsorted(np.array(kind.grid_map, dtype=np.float32), kind.grid.reshape(-1)).astype(int)


def main() -> None:
    text = HEAD.format(version=version("gguf"))
    for name, kind in (TWO_BITS | THREE_BITS).items():
        found = entries(kind)
        if name in TWO_BITS:
            found = found[0::2] | found[1::2] << 2
        digits = "".join(f"{digit:x}" for digit in found)
        lines = [digits[i : i + WIDTH] for i in range(0, len(digits), WIDTH)]
        text += f"{name} = (\n" + "".join(f'    "{line}"\n' for line in lines) + ")\n"
    OUT.write_text(text + CODE)
    print(f"{OUT.name}: {len(text)} characters")


if __name__ == "__main__":
    main()
