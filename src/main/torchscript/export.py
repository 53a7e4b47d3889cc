"""Writes the decoder programs to the worker's resources, the same bytes each time:

    python src/main/torchscript/export.py            # torch 2.7.1
    python src/main/torchscript/export.py --check    # compares the programs with the committed ones, writes nothing

The programs carry the SHA-256 of these sources. A test of the worker compares it with the sources, so that a change
without an export is noticed on a machine without Python.
"""

import hashlib
import io
import re
import sys
import zipfile
from pathlib import Path

import torch
from inlined import inlined

SOURCES = Path(__file__).resolve().parent
RESOURCES = SOURCES.parent / "resources/dev/llmworker/model"


def source_sha256() -> str:
    """The hash of the names and contents of the .py files here, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def rewritten(archive: bytes) -> bytes:
    """The archive with text that loads quickly, without times, and without the debug records, which hold paths of this machine.
    Entries start at multiples of 64 bytes, as torch needs for tensors."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(source.namelist()):
            if name.endswith((".debug_pkl", "/.data/serialization_id")):
                continue
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            start = out.tell() + 30 + len(name.encode()) + 4
            padding = -start % 64
            entry.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
            content = source.read(name)
            target.writestr(entry, inlined(content.decode()) if name.endswith(".py") else content)
    return out.getvalue()


def operations(graph: torch._C.Graph) -> str:
    """The text of the graph, to be compared: values have numbers for names, and no line says where it is in a file."""
    constants: dict[str, str] = {}
    numbers: dict[str, str] = {}
    lines = []

    def numbered(name: re.Match) -> str:
        return constants.get(name[0]) or numbers.setdefault(name[0], f"%{len(numbers)}")

    for line in re.sub(r" # \S*:\d+:\d+$", "", graph.str(False), flags=re.M).splitlines():
        constant = re.match(r"\s*(%[\w.]+) : (.* = prim::Constant.*)", line)
        if constant:
            constants[constant[1]] = constant[2]
        else:
            lines.append(re.sub(r"%[\w.]+", numbered, line))
    return "\n".join(lines)


def graphs(program: bytes) -> dict[str, str]:
    """The operations of each method, with those of the functions that it calls."""
    module = torch.jit.load(io.BytesIO(program))._c
    return {name: operations(module._get_method(name).inlined_graph) for name in module._method_names()}


def exported_program(decoder: torch.nn.Module, methods: list[str]) -> bytes:
    module = torch.jit.script(decoder)
    # Compiled here and not in the sources: their text cannot hold its own hash.
    module.define(f'def source_sha256(self) -> str:\n    return "{source_sha256()}"\n')
    missing = [name for name in methods if not module._c._has_method(name)]
    if missing:
        sys.exit(f"{type(decoder).__name__} has no exported method {', '.join(missing)}")
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    program = rewritten(buffer.getvalue())
    if graphs(program) != graphs(buffer.getvalue()):
        sys.exit(f"{type(decoder).__name__} is another program after its text was rewritten")
    return program


def main() -> None:
    if sys.version_info < (3, 11):
        sys.exit(f"export.py needs Python 3.11 or newer, because older ones write the same text otherwise; this is {sys.version}")
    sys.path.insert(0, str(SOURCES))
    from decoder import Decoder
    from dense_decoder import DenseDecoder
    from native_decoder import NativeDecoder
    from program import METHODS

    programs = {"decoder.pt": Decoder(), "dense.pt": DenseDecoder(), "native.pt": NativeDecoder()}
    for name, decoder in programs.items():
        exported = exported_program(decoder, METHODS[name])
        if "--check" not in sys.argv[1:]:
            RESOURCES.mkdir(parents=True, exist_ok=True)
            (RESOURCES / name).write_bytes(exported)
            print(f"{name}: {len(exported)} bytes")
        elif exported != (RESOURCES / name).read_bytes():
            sys.exit(f"{name} is not what the sources export: run export.py")
        else:
            print(f"{name} is what the sources export")


if __name__ == "__main__":
    main()
