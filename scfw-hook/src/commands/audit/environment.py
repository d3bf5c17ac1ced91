"""Where this interpreter finds packages, found out without running anything that lies there: called with -I -S, it has
not looked at path configuration files and customisation modules, which can hold code."""

import os
import site
import sys


def virtual():
    """The directory of the virtual environment (PEP 405), and whether the system's packages count in it."""
    if not sys.executable:
        return None, True
    here = os.path.dirname(os.path.abspath(sys.executable))
    for directory in (here, os.path.dirname(here)):
        try:
            with open(os.path.join(directory, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
                lines = file.read(65536).splitlines()
        except OSError:
            continue
        pairs = [line.partition("=") for line in lines]
        values = {key.strip().lower(): value.strip().lower() for key, _, value in pairs}
        return directory, values.get("include-system-site-packages") == "true"
    return None, True


def site_directories(prefixes):
    # Distributions patch this, and their patches look at the prefix.
    sys.prefix, sys.exec_prefix = prefixes[0], prefixes[-1]
    return site.getsitepackages(prefixes)


directory, with_system = virtual()
base = [sys.base_prefix, sys.base_exec_prefix]
found = site_directories([directory]) if directory else []
if with_system:
    if not os.environ.get("PYTHONNOUSERSITE"):
        found.append(site.getusersitepackages())
    found += site_directories(base)
others = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
answer = ["scfw-environment", directory or base[0]] + ["s" + path for path in found] + ["o" + path for path in others]
sys.stdout.buffer.write(b"\0".join(os.fsencode(part) for part in answer))
