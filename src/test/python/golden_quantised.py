"""Writes src/test/resources/golden/quantised.json: what transformers makes in float32 of tiny models whose matrices are
quantised as `quantization_config` says.

    python src/test/python/golden_quantised.py [NAME…]    # torch, transformers 5, compressed-tensors, bitsandbytes, autoawq

A case has the `config.json` of a folder, the parts of its tensors, some elements of each matrix, and what
`golden_architectures.py` writes. The parts are
random. The tool that publishes a format says what numbers they stand for, and which parts a matrix of this shape has. Of
GPTQ's tools none runs here: its numbers are those of AutoGPTQ's formula. With names, only the cases whose names begin with
one of them are run, and nothing is written.
"""

import importlib.util
import json
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from golden_architectures import DTYPES, OUT, Case, fnv1a, grouped, rope, spread, value
from safetensors.torch import save_file

SAMPLES = 6
INTEGERS = {"I32": (torch.int32, 32), "I8": (torch.int8, 56), "U8": (torch.uint8, 56), "F8_E4M3": (torch.uint8, 56)}


def bits(name: str, count: int) -> np.ndarray:
    """The numbers of SplitMix64 that `value` takes."""
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def random(dtype: str, mask: int, *shape: int) -> dict:
    return {"dtype": dtype, "mask": mask, "shape": list(shape)}


def around(dtype: str, base: float, scale: float, *shape: int) -> dict:
    return {"dtype": dtype, "base": base, "scale": scale, "shape": list(shape)}


def exactly(dtype: str, values: list, *shape: int) -> dict:
    return {"dtype": dtype, "values": values, "shape": list(shape)}


def places(name: str, count: int) -> list[int]:
    """Some elements of a matrix."""
    return [int(z % np.uint64(count)) for z in bits(name, SAMPLES)]


def always(dtype: str, number: int, *shape: int) -> dict:
    return {"dtype": dtype, "mask": 0, "added": number, "shape": list(shape)}


def tensor(name: str, part: dict) -> torch.Tensor:
    """The numbers of a part; `GoldenPart` makes the same ones."""
    shape, dtype = part["shape"], part["dtype"]
    if "values" in part:
        kinds = {"I32": torch.int32, "I64": torch.int64, "U8": torch.uint8, **DTYPES}
        return torch.tensor(part["values"], dtype=kinds[dtype]).view(shape)
    count = math.prod(shape)
    if "base" in part:
        return torch.from_numpy(value(name, count, part["base"], part["scale"])).view(shape).to(DTYPES[dtype])
    kind, shift = INTEGERS[dtype]
    numbers = ((bits(name, count) >> np.uint64(shift)).astype(np.int64) & part["mask"]) + part.get("added", 0)
    whole = torch.from_numpy(numbers).to(kind).view(shape)
    return whole.view(torch.float8_e4m3fn) if dtype == "F8_E4M3" else whole


def int32(word: int) -> int:
    return word - 2**32 if word >= 2**31 else word


def fields(words: torch.Tensor, width: int, dim: int) -> torch.Tensor:
    """The whole numbers in 32-bit words, lowest first, along a dimension."""
    shifts = torch.arange(0, 32, width)
    found = torch.stack([words.long() >> int(shift) & (1 << width) - 1 for shift in shifts], dim + 1)
    return found.flatten(dim, dim + 1)


def awq_packing():
    """Only this file of AutoAWQ: the package needs a GPU."""
    folder = next(Path(path) / "awq" for path in sys.path if (Path(path) / "awq").is_dir())
    spec = importlib.util.spec_from_file_location("packing_utils", folder / "utils/packing_utils.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Gptq:
    """GPTQ: codes of 4 or 8 bits along the columns, zero points along the rows. Version 1 has zero points less 1."""

    def __init__(self, width=4, group=32, symmetric=True, version=1, ordered=False, dtype="F16", dynamic=None):
        self.width, self.group, self.symmetric, self.version = width, group, symmetric, version
        self.ordered, self.dtype, self.dynamic = ordered, dtype, dynamic or {}

    def config(self) -> dict:
        config = dict(quant_method="gptq", bits=self.width, group_size=self.group, sym=self.symmetric, desc_act=self.ordered)
        if self.dynamic:
            config["dynamic"] = {pattern: own.changes() if own else {} for pattern, own in self.dynamic.items()}
        return config | {"checkpoint_format": "gptq" if self.version == 1 else "gptq_v2", "lm_head": False}

    def changes(self) -> dict:
        return dict(bits=self.width, group_size=self.group, sym=self.symmetric)

    def of(self, name: str):
        for pattern, own in self.dynamic.items():
            if pattern[2:].replace(".*", "").replace("\\", "") in name:
                return own
        return self

    def parts(self, rows: int, columns: int) -> dict:
        each, group = 32 // self.width, self.group if self.group > 0 else columns
        groups = math.ceil(columns / group)
        middle = (2 ** (self.width - 1) - (self.version == 1)) * (0xFFFFFFFF // (2**self.width - 1))
        zeros = always("I32", int32(middle), groups, rows // each)
        if not self.symmetric:
            # A zero point is 15 at most, and not less than 0 when 1 is taken from it.
            zeros = random("I32", 0x77777777 if self.version == 1 else 0xFFFFFFFF, groups, rows // each)
        places = [(column * 5 if self.ordered else column) % columns // group for column in range(columns)]
        small = 0.125 / 2 ** (self.width - 1)
        return {
            "qweight": random("I32", 0xFFFFFFFF, columns // each, rows),
            "qzeros": zeros,
            "scales": around(self.dtype, small, small / 2, groups, rows),
            "g_idx": exactly("I32", places, columns),
        }

    def dequantised(self, parts: dict[str, torch.Tensor], rows: int, columns: int) -> torch.Tensor:
        codes = fields(parts["qweight"], self.width, 0)
        zeros = fields(parts["qzeros"], self.width, 1) + (self.version == 1)
        group = parts["g_idx"].long()
        return ((codes - zeros[group]).float() * parts["scales"].float()[group]).T


class Awq:
    """AutoAWQ's layout for matrix products."""

    def __init__(self, group=32, skipped=None):
        self.group, self.skipped = group, skipped

    def config(self) -> dict:
        config = dict(quant_method="awq", bits=4, group_size=self.group, version="gemm", zero_point=True)
        return config | {"modules_to_not_convert": self.skipped}

    def of(self, name: str):
        return None if any(part in name for part in self.skipped or []) else self

    def parts(self, rows: int, columns: int) -> dict:
        groups = columns // self.group
        return {
            "qweight": random("I32", 0xFFFFFFFF, columns, rows // 8),
            "qzeros": random("I32", 0xFFFFFFFF, groups, rows // 8),
            "scales": around("F16", 1 / 64, 1 / 128, groups, rows),
        }

    def dequantised(self, parts: dict[str, torch.Tensor], rows: int, columns: int) -> torch.Tensor:
        # In float32, and not in float16 as AutoAWQ rounds it.
        return awq_packing().dequantize_gemm(parts["qweight"], parts["qzeros"], parts["scales"].float(), 4, self.group).T


class Float8:
    """As DeepSeek and Qwen publish it: a scale for each block."""

    def __init__(self, block=(128, 128), method="fp8", skipped=None):
        self.block, self.method, self.skipped = block, method, skipped

    def config(self) -> dict:
        config = dict(quant_method=self.method, activation_scheme="dynamic", modules_to_not_convert=self.skipped)
        return config | ({"weight_block_size": list(self.block)} if self.block else {})

    def of(self, name: str):
        return None if any(part in name for part in self.skipped or []) else self

    def parts(self, rows: int, columns: int) -> dict:
        # Without the lowest bit no byte is NaN.
        codes = {"weight": random("F8_E4M3", 0xFE, rows, columns)}
        if self.block is None:
            return codes | {"weight_scale": around("F32", 2**-10, 2**-11, rows, 1)}
        blocks = [math.ceil(rows / self.block[0]), math.ceil(columns / self.block[1])]
        return codes | {"weight_scale_inv": around("F32", 2**-10, 2**-11, *blocks)}

    def dequantised(self, parts: dict[str, torch.Tensor], rows: int, columns: int) -> torch.Tensor:
        if self.block is None:
            return parts["weight"].float() * parts["weight_scale"]
        scales = parts["weight_scale_inv"]
        scales = scales.repeat_interleave(self.block[0], 0)[:rows].repeat_interleave(self.block[1], 1)[:, :columns]
        return parts["weight"].float() * scales


class Compressed:
    """compressed-tensors."""

    def __init__(self, format: str, weights: dict, activations=None, ignored=None):
        from compressed_tensors.compressors.base import BaseCompressor
        from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme

        self.format, self.weights, self.ignored = format, weights, ignored or ["lm_head"]
        self.scheme = QuantizationScheme(
            targets=["Linear"],
            weights=QuantizationArgs(**weights),
            input_activations=QuantizationArgs(**activations) if activations else None,
        )
        self.compressor = BaseCompressor.get_value_from_registry(format)

    def config(self) -> dict:
        group = json.loads(self.scheme.model_dump_json())
        config = dict(quant_method="compressed-tensors", format=self.format, quantization_status="compressed")
        return config | {"config_groups": {"group_0": group}, "ignore": self.ignored, "kv_cache_scheme": None}

    def of(self, name: str):
        return None if any(part.removeprefix("re:.*") in name for part in self.ignored) else self

    def parts(self, rows: int, columns: int) -> dict:
        width, strategy = self.weights["num_bits"], self.weights["strategy"]
        groups = columns // self.weights["group_size"] if strategy == "group" else 1
        scales = [1] if strategy == "tensor" else [rows, groups]
        symmetric = self.weights.get("symmetric", True)
        small = 0.125 / 2 ** (width - 1)
        parts = {"weight_scale": around("BF16", small, small / 2, *scales)}
        if self.weights["type"] == "float":
            return {"weight": random("F8_E4M3", 0xFE, rows, columns)} | {"weight_scale": around("BF16", 2**-10, 2**-11, *scales)}
        if self.format != "pack-quantized":
            zeros = {} if symmetric else {"weight_zero_point": random("I8", 0x3F, *scales)}
            return {"weight": random("I8", 0xFF, rows, columns)} | parts | zeros
        parts |= {"weight_packed": random("I32", 0xFFFFFFFF, rows, columns * width // 32)}
        if not symmetric:
            parts["weight_zero_point"] = random("I32", 0xFFFFFFFF, rows * width // 32, groups)
        return parts | {"weight_shape": exactly("I64", [rows, columns], 2)}

    def dequantised(self, parts: dict[str, torch.Tensor], rows: int, columns: int) -> torch.Tensor:
        floats = {name: part.float() if name == "weight_scale" else part for name, part in parts.items()}
        self.check(parts, rows, columns)
        return self.compressor.decompress(floats, self.scheme)["weight"].float()

    def check(self, parts: dict[str, torch.Tensor], rows: int, columns: int) -> None:
        """The compressor writes such parts."""
        zeros = torch.zeros(parts["weight_scale"].shape, dtype=torch.int8)
        state = {"weight": torch.randn(rows, columns), "weight_scale": parts["weight_scale"], "weight_zero_point": zeros}
        written = self.compressor.compress(state, self.scheme)
        kinds = [{name: (part.dtype, part.shape) for name, part in each.items()} for each in (written, parts)]
        assert kinds[0] == kinds[1], kinds


class BitsAndBytes:
    """bitsandbytes: 4 bits, or 8."""

    def __init__(self, kind="nf4", double=True):
        self.kind, self.double = kind, double

    def config(self) -> dict:
        if self.kind == "int8":
            return dict(quant_method="bitsandbytes", load_in_8bit=True, load_in_4bit=False, llm_int8_skip_modules=None)
        more = dict(bnb_4bit_quant_type=self.kind, bnb_4bit_use_double_quant=self.double, bnb_4bit_quant_storage="uint8")
        return dict(quant_method="bitsandbytes", load_in_8bit=False, load_in_4bit=True, **more)

    def of(self, name: str):
        return self

    def parts(self, rows: int, columns: int) -> dict:
        if self.kind == "int8":
            return {"weight": random("I8", 0xFF, rows, columns), "SCB": around("F32", 0.125, 0.0625, rows)}
        from bitsandbytes.functional import quantize_4bit

        # What stays of these is the offset of the scales.
        weights = torch.linspace(-0.125, 0.125, rows * columns).view(rows, columns)
        quants, state = quantize_4bit(weights, quant_type=self.kind, compress_statistics=self.double)
        parts = {"weight": random("U8", 0xFF, *quants.shape)}
        for name, part in state.as_dict(packed=True).items():
            if name == "absmax":
                parts["weight.absmax"] = around("F32", 0.25, 0.125, *part.shape)
            if name == "absmax" and self.double:
                parts["weight.absmax"] = random("U8", 0xFF, *part.shape)
            elif name == "nested_absmax":
                parts["weight." + name] = around("F32", 0.125, 0.0625, *part.shape)
            elif name == "nested_quant_map":
                parts["weight." + name] = around("F32", 0, 1, *part.shape)
            elif name != "absmax":
                kind = "U8" if part.dtype == torch.uint8 else "F32"
                parts["weight." + name] = exactly(kind, part.tolist(), *part.shape)
        return parts

    def dequantised(self, parts: dict[str, torch.Tensor], rows: int, columns: int) -> torch.Tensor:
        if self.kind == "int8":
            return parts["weight"].float() * parts["SCB"][:, None] / 127
        from bitsandbytes.functional import QuantState, dequantize_4bit

        stored = {name.removeprefix("weight."): part for name, part in parts.items() if name != "weight"}
        return dequantize_4bit(parts["weight"], QuantState.from_dict(stored, torch.device("cpu"))).float()


class Quantised(Case):
    def __init__(self, name: str, family: str, method, **config):
        super().__init__(name, family, dtype="BF16", **config)
        self.method = method

    def own(self, name: str, shape: list[int]):
        """The method of a tensor; none if it is not quantised."""
        never = len(shape) != 2 or "embed" in name or "lm_head" in name or name.endswith("mlp.gate.weight")
        return None if never else self.method.of(name)

    def golden(self) -> dict:
        state, described, samples = {}, {}, {}
        for name, shape in self.shapes().items():
            method = self.own(name, shape)
            if method is None:
                base, scale = spread(name, self.norm_base)
                described[name] = around("BF16", base, scale, *shape)
                state[name] = tensor(name, described[name]).float()
                continue
            module = name.removesuffix("weight")
            parts = {part: about for part, about in method.parts(*shape).items()}
            described.update({module + part: about for part, about in parts.items()})
            numbers = {part: tensor(module + part, about) for part, about in parts.items()}
            state[name] = method.dequantised(numbers, *shape).contiguous()
            samples[name] = [float(state[name].flatten()[place]) for place in places(name, math.prod(shape))]
            assert list(state[name].shape) == shape and bool(state[name].isfinite().all()), name
        with tempfile.TemporaryDirectory() as folder:
            self.write(Path(folder), state)
            config = self.config_json() | {"quantization_config": self.method.config()}
            return self.run(Path(folder), {"config": config, "tensors": grouped(described), "samples": samples})


def whole(width: int, strategy: str, **more) -> dict:
    return dict(num_bits=width, type="int", strategy=strategy, **more)


def cases() -> list[Quantised]:
    wide = dict(hidden_size=128, intermediate_size=320, head_dim=32, rope_parameters=rope())
    small = dict(head_dim=16, rope_parameters=rope())
    float8 = dict(num_bits=8, type="float")
    dynamic = dict(num_bits=8, type="float", strategy="token", dynamic=True)
    mixed = {"-:.*o_proj": None, "+:.*down_proj": Gptq(8, 64)}
    return [
        Quantised("GPTQ, 4 bits", "Qwen2", Gptq(), rope_parameters=rope(theta=1e6)),
        Quantised("GPTQ, 4 bits, zero points", "Llama", Gptq(group=64, symmetric=False), **small),
        Quantised("GPTQ, 4 bits, zero points of version 2", "Llama", Gptq(group=128, symmetric=False, version=2), **wide),
        Quantised("GPTQ, 4 bits, ordered", "Llama", Gptq(ordered=True, symmetric=False), **small),
        Quantised("GPTQ, 4 bits, one group", "Llama", Gptq(group=-1), **small),
        Quantised("GPTQ, 4 bits, groups of 16", "Llama", Gptq(group=16), **small),
        Quantised("GPTQ, 8 bits", "Qwen3", Gptq(8, 64), **small),
        Quantised("GPTQ, 8 bits, zero points, ordered", "Llama", Gptq(8, symmetric=False, version=2, ordered=True), **small),
        Quantised("GPTQ, mixed", "Llama", Gptq(4, 32, dynamic=mixed), **small),
        Quantised("AWQ", "Llama", Awq(), **small),
        Quantised("AWQ, some not", "Qwen3", Awq(64, ["o_proj", "layers.1.mlp"]), **small),
        Quantised("AWQ, joined matrices", "Phi3", Awq(), sliding_window=None, original_max_position_embeddings=128),
        Quantised("AWQ with experts", "Qwen3Moe", Awq(), head_dim=16, num_experts=4, num_experts_per_tok=2,
                  moe_intermediate_size=64, norm_topk_prob=True),
        Quantised("FP8 in blocks", "Qwen3", Float8(), **wide),
        Quantised("FP8 in blocks, some not", "Llama", Float8((64, 32), skipped=["lm_head", "down_proj"]), **wide),
        Quantised("FP8 by row", "Llama", Float8(None, "fbgemm_fp8"), **small),
        Quantised("compressed FP8 by row", "Llama", Compressed("float-quantized", {**float8, "strategy": "channel"}, dynamic), **small),
        Quantised("compressed FP8, one scale", "Qwen3", Compressed("float-quantized", {**float8, "strategy": "tensor"}, dynamic), **small),
        Quantised("compressed W4A16", "Llama", Compressed("pack-quantized", whole(4, "group", group_size=32)), **small),
        Quantised("compressed W4A16, zero points", "Qwen3", Compressed(
            "pack-quantized", whole(4, "group", group_size=64, symmetric=False), ignored=["lm_head", "re:.*down_proj"]), **small),
        Quantised("compressed W4A16 by row", "Llama", Compressed("pack-quantized", whole(4, "channel")), **small),
        Quantised("compressed W8A16", "Llama", Compressed("pack-quantized", whole(8, "group", group_size=64)), **small),
        Quantised("compressed W8A16 by row, zero points", "Llama", Compressed(
            "pack-quantized", whole(8, "channel", symmetric=False)), **small),
        Quantised("compressed int8", "Llama", Compressed("int-quantized", whole(8, "channel")), **small),
        Quantised("compressed int8, zero points", "Llama", Compressed("int-quantized", whole(8, "channel", symmetric=False)), **small),
        Quantised("bitsandbytes nf4, twice", "Llama", BitsAndBytes(), **small),
        Quantised("bitsandbytes nf4", "Qwen3", BitsAndBytes(double=False), **small),
        Quantised("bitsandbytes fp4", "Llama", BitsAndBytes("fp4"), **small),
        Quantised("bitsandbytes int8", "Llama", BitsAndBytes("int8"), **small),
    ]


def main() -> None:
    torch.set_num_threads(1)
    chosen = [case for case in cases() if len(sys.argv) == 1 or case.name.startswith(tuple(sys.argv[1:]))]
    goldens = [case.golden() for case in chosen]
    if len(sys.argv) == 1:
        (OUT / "quantised.json").write_text("[\n" + ",\n".join(json.dumps(golden) for golden in goldens) + "\n]\n")


if __name__ == "__main__":
    main()
