"""Unpacks what pack.sh packed, on a machine that may have no xz: unpack.py worker.tar.xz FOLDER

An earlier worker there is removed first: files of two runtimes must not be mixed.
"""

import pathlib
import shutil
import sys
import tarfile

folder = pathlib.Path(sys.argv[2])
shutil.rmtree(folder / "worker", ignore_errors=True)
with tarfile.open(sys.argv[1]) as packed:
    packed.extractall(folder, filter="fully_trusted")
