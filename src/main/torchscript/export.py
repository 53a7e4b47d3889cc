"""Writes the decoder programs to the worker's resources, the same bytes each time:

    python src/main/torchscript/export.py            # torch 2.7.1
    python src/main/torchscript/export.py --check    # compares the programs with the committed ones, writes nothing

The programs carry the SHA-256 of these sources. A test of the worker compares it with the sources, so that a change
without an export is noticed on a machine without Python.
"""

import hashlib
import io
import sys
import zipfile
from pathlib import Path

import torch

SOURCES = Path(__file__).resolve().parent
RESOURCES = SOURCES.parent / "resources/dev/llmworker/model"


def source_sha256() -> str:
    """The hash of the names and contents of the .py files here, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def without_debug_records(archive: bytes) -> bytes:
    """The archive without times, and without the debug records, which hold paths of this machine. Entries start at
    multiples of 64 bytes, as torch needs for tensors."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(source.namelist()):
            if name.endswith((".debug_pkl", "/.data/serialization_id")):
                continue
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            start = out.tell() + 30 + len(name.encode()) + 4
            padding = -start % 64
            entry.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
            target.writestr(entry, source.read(name))
    return out.getvalue()


def exported_program(decoder: torch.nn.Module, methods: list[str]) -> bytes:
    module = torch.jit.script(decoder)
    # Compiled here and not in the sources: their text cannot hold its own hash.
    module.define(f'def source_sha256(self) -> str:\n    return "{source_sha256()}"\n')
    missing = [name for name in methods if not module._c._has_method(name)]
    if missing:
        sys.exit(f"{type(decoder).__name__} has no exported method {', '.join(missing)}")
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    return without_debug_records(buffer.getvalue())


def main() -> None:
    sys.path.insert(0, str(SOURCES))
    from decoder import Decoder
    from dense_decoder import DenseDecoder
    from native_decoder import NativeDecoder
    from program import METHODS

    programs = {"decoder.pt": Decoder(), "dense.pt": DenseDecoder(), "native.pt": NativeDecoder()}
    for name, decoder in programs.items():
        exported = exported_program(decoder, METHODS[name])
        torch.jit.load(io.BytesIO(exported))
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
