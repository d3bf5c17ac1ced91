#!/usr/bin/env python3
"""An external verifier for scfw: packages that are not on a list are a warning.

Copy it to verifiers.d/ in scfw's configuration directory and make it executable. The list is allow-list.txt beside
that folder: one `npm:NAME` or `pypi:NAME` a line, with `*` for any characters; `#` begins a comment.
"""

import fnmatch
import json
import re
import sys
from pathlib import Path

LIST = Path(__file__).resolve().parent.parent / "allow-list.txt"


def key(ecosystem, name):
    """A package as its ecosystem compares names: PEP 503 for PyPI."""
    if ecosystem.lower() == "pypi":
        name = re.sub(r"[-_.]+", "-", name).lower()
    return f"{ecosystem.lower()}:{name}"


def read_list():
    for line in LIST.read_text(encoding="utf-8").splitlines():
        entry = line.split("#")[0].strip()
        if entry:
            ecosystem, _, name = entry.partition(":")
            yield key(ecosystem, name)


def main():
    document = json.load(sys.stdin)
    if document["protocol"] != 1:
        # Whatever is written to standard error, and any other status than 0, tells scfw that nothing is known.
        sys.exit(f"protocol {document['protocol']} is not understood")
    allowed = list(read_list())
    findings = []
    for index, target in enumerate(document["targets"]):
        package = key(target["ecosystem"], target["name"])
        if not target["private"] and not any(fnmatch.fnmatchcase(package, pattern) for pattern in allowed):
            findings.append(
                {
                    "target": index,
                    "severity": "warning",
                    "message": f"{target['name']} is not on the list of packages that we use",
                }
            )
    json.dump({"findings": findings}, sys.stdout)


if __name__ == "__main__":
    main()
