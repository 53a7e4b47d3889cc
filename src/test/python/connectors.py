#!/usr/bin/env python3
"""Writes src/main/resources/dev/llmworker/routes/connectors.tsv: which artifact of Camel has which component, language and data
format.

    python src/test/python/connectors.py camel-bom-VERSION.pom camel-catalog-VERSION.jar

The names of the artifacts are those of the BOM, which is of the worker's version of Camel. The catalog may be an older one.
"""

import json
import re
import sys
import zipfile
from pathlib import Path

OUTPUT = Path(__file__).parents[2] / "main/resources/dev/llmworker/routes/connectors.tsv"
KINDS = {"components": "component", "languages": "language", "dataformats": "dataformat"}
GROUP = "org.apache.camel"


def artifacts(bom):
    """The version of the BOM, and the names in it."""
    text = Path(bom).read_text(encoding="utf-8")
    version = re.search(r"<artifactId>camel-bom</artifactId>\s*<version>([^<]+)</version>", text)
    if version is None:
        version = re.search(r"<version>([^<]+)</version>", text)
    names = re.findall(rf"<groupId>{GROUP}</groupId>\s*<artifactId>(camel-[^<]+)</artifactId>", text)
    return version.group(1), set(names)


def contents(catalog):
    """What each artifact has: {"camel-ftp": ["component:ftp", "component:sftp"]}."""
    found = {}
    with zipfile.ZipFile(catalog) as jar:
        for name in sorted(jar.namelist()):
            match = re.fullmatch(r"org/apache/camel/catalog/(components|languages|dataformats)/([^/]+)\.json", name)
            if match:
                kind = KINDS[match.group(1)]
                description = json.loads(jar.read(name))[kind]
                if description.get("groupId", GROUP) == GROUP:
                    found.setdefault(description["artifactId"], []).append(f"{kind}:{match.group(2)}")
    return found


def main():
    version, names = artifacts(sys.argv[1])
    found = contents(sys.argv[2])
    lines = [f"# Camel {version}. Written by src/test/python/connectors.py."]
    lines += ["\t".join([name] + found.get(name, [])) for name in sorted(names)]
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
