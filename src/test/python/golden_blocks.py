"""Writes `src/test/resources/golden/gguf_blocks.json`: random blocks of each quantised type of GGUF, and the float32 numbers that
the package gguf makes of them.

    python src/test/python/golden_blocks.py    # numpy, gguf

Of each type there are four blocks. The scales of the first two are 1, those of the others are random, and some are negative.
"""

import base64
import json
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

OUT = Path(__file__).resolve().parents[1] / "resources/golden/gguf_blocks.json"
# Where the float16 scales of a block are.
SCALES = {
    **dict.fromkeys("Q4_0 Q5_0 Q8_0 IQ4_NL IQ4_XS IQ3_XXS IQ3_S IQ2_XXS IQ2_XS IQ2_S IQ1_S".split(), (0,)),
    **dict.fromkeys("Q4_1 Q5_1 Q4_K Q5_K".split(), (0, 2)),
    "Q2_K": (80, 82),
    "Q3_K": (108,),
    "Q6_K": (208,),
    "TQ1_0": (52,),
    "TQ2_0": (64,),
}
UNITS, OTHERS = 2, 2


def put_scale(block: np.ndarray, at: int, scale: float) -> None:
    block[at : at + 2] = np.array([scale], dtype="<f2").view(np.uint8)


def put_quarters(block: np.ndarray, scale: float) -> None:
    """IQ1_M has 4 bits of its scale in the last 4 bits of each of the last four words."""
    bits = int(np.array([scale], dtype="<f2").view("<u2")[0])
    for i in range(4):
        block[49 + 2 * i] = block[49 + 2 * i] & 15 | (bits >> 4 * i & 15) << 4


def main() -> None:
    random = np.random.default_rng(20)
    golden = {}
    for name in [*SCALES, "IQ1_M", "MXFP4"]:
        kind = GGMLQuantizationType[name]
        blocks = random.integers(0, 256, (UNITS + OTHERS, GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
        for i, block in enumerate(blocks):
            scale = 1.0 if i < UNITS else float(random.normal() * 0.01)
            for at in SCALES.get(name, ()):
                put_scale(block, at, scale if i < UNITS else float(random.normal() * 0.01))
            if name == "IQ1_M":
                put_quarters(block, scale)
            elif name == "MXFP4":
                block[0] = 127 if i < UNITS else random.integers(110, 139)
        values = quants.dequantize(blocks, kind).astype("<f4")
        assert np.isfinite(values).all()
        golden[name] = {key: base64.b64encode(part.tobytes()).decode() for key, part in [("blocks", blocks), ("values", values)]}
    OUT.write_text(json.dumps(golden, indent=0) + "\n")
    print(f"{OUT.name}: {OUT.stat().st_size} bytes, {len(golden)} types")


if __name__ == "__main__":
    main()
