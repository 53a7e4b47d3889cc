"""Unpacks what pack.sh packed, on a machine that may have no xz: unpack.py worker.tar.xz FOLDER"""

import sys
import tarfile

tarfile.open(sys.argv[1]).extractall(sys.argv[2], filter="fully_trusted")
