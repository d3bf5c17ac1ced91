"""What an unpacked source distribution and a downloaded wheel say of themselves. An index, a file name and a metadata
file of its own (PEP 658) only claim. The archives are a stranger's: reads are bounded, and what cannot be read stops pip.
"""
import os
import re
import stat

import scfw_gate as gate

targets = gate.part("pip_targets")

# The most that is read of PKG-INFO or METADATA. Name and version stand at their beginning, before any long text.
LARGEST = 1 << 20
# PEP 508.
NAME = re.compile(r"^[A-Z0-9]([A-Z0-9._-]*[A-Z0-9])?$", re.IGNORECASE)
BLANK_LINE = re.compile(br"\r?\n\r?\n")


class Unreadable(Exception):
    """Metadata that cannot be read, as the end of a sentence."""


def check(pip, requirement, finder):
    """Verifies `requirement`, which pip has unpacked or downloaded, as what it is where that is not what it was said to
    be. A folder of the user's own has nothing to be compared with, nor has an archive without metadata."""
    link = requirement.link
    if link is None or targets.is_own_folder(link):
        return
    is_wheel = link.is_wheel
    claim = (targets.claimed_by_wheel if is_wheel else targets.claimed)(link, requirement.name)
    target = targets.describe(requirement, claim[0], claim[1], finder)
    if target["source"] == "path":
        return
    try:
        for name, version in of_wheel(requirement) if is_wheel else of_source(requirement):
            if not is_same(claim, name, version):
                verify(pip, target, name, version)
    except Unreadable as error:
        pip.refuse("%s cannot be verified: %s" % (requirement.name or target["url"], error))


def verify(pip, target, name, version):
    if not NAME.match(name):
        raise Unreadable("its PKG-INFO or METADATA gives it a name that no package can have")
    pip.verify("build", [dict(target, name=name, version=version)], again=True)


def is_same(claim, name, version):
    claimed_name, claimed_version = claim
    return (
        claimed_name is not None
        and claimed_version is not None
        # Older names have spaces, for which setuptools writes hyphens elsewhere.
        and targets.canonical(claimed_name) == targets.canonical(name.replace(" ", "-"))
        and targets.as_version(claimed_version) == targets.as_version(version)
    )


def of_wheel(requirement):
    """Name and version in the METADATA of a wheel."""
    import zipfile

    if requirement.local_file_path is None:
        return []
    try:
        with zipfile.ZipFile(requirement.local_file_path) as archive:
            # pip takes no wheel with several.
            names = [name for name in archive.namelist() if re.match(r"[^/]+\.dist-info/METADATA$", name)]
            if len(names) > 1:
                raise Unreadable("it has the metadata of several packages")
            return [fields(archive.open(name), "METADATA") for name in names]
    except (Unreadable, MemoryError):
        raise
    except Exception as error:  # What zipfile raises for a broken archive is not limited to its own errors.
        raise Unreadable("its METADATA cannot be read (%s)" % (str(error) or type(error).__name__))


def of_source(requirement):
    """Names and versions in the PKG-INFO at the root of what was unpacked, and of the folder in it that is built."""
    found = []
    for folder in sorted({requirement.source_dir, requirement.unpacked_source_directory}):
        path = os.path.join(folder, "PKG-INFO")
        if not os.path.lexists(path):
            continue
        try:
            # Without O_NONBLOCK a pipe would hold pip here.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise Unreadable("its PKG-INFO is not a regular file")
                found.append(fields(file, "PKG-INFO"))
        except OSError as error:
            raise Unreadable("its PKG-INFO cannot be read (%s)" % error.strerror)
    return found


def fields(file, what):
    """Name and version in the header of core metadata, as pip reads them: the first of each."""
    from email.parser import HeaderParser

    content = b""
    end = None
    while end is None and len(content) < LARGEST:
        # No more at once: what is packed well may be very long.
        piece = file.read(4096)
        if not piece:
            break
        content += piece
        end = BLANK_LINE.search(content, max(0, len(content) - len(piece) - 3))
    header = HeaderParser().parsestr(content[: end and end.end()].decode("utf-8", "replace"))
    name, version = (str(header.get(key) or "").strip() for key in ("Name", "Version"))
    if not name or not version:
        raise Unreadable("its %s names no package and version in its first %d bytes" % (what, len(content)))
    return name, version
