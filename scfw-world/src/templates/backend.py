"""A PEP 517 build backend with nothing but the standard library. It packs what lies beside it."""

import base64
import email
import hashlib
import os
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))


def _read(name):
    with open(os.path.join(HERE, name), "rb") as file:
        return file.read()


METADATA = _read("PKG-INFO")
_HEADERS = email.message_from_bytes(METADATA)
MODULE = next(name[:-3] for name in os.listdir(HERE) if name.endswith(".py") and name != "backend.py")
STEM = "{}-{}".format(MODULE, _HEADERS["Version"])
DIST_INFO = STEM + ".dist-info"
WHEEL = b"Wheel-Version: 1.0\nGenerator: backend\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = os.path.join(metadata_directory, DIST_INFO)
    os.makedirs(folder)
    for name, content in (("METADATA", METADATA), ("WHEEL", WHEEL)):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
    return DIST_INFO


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    files = [
        (MODULE + ".py", _read(MODULE + ".py")),
        (DIST_INFO + "/METADATA", METADATA),
        (DIST_INFO + "/WHEEL", WHEEL),
    ]
    record = ""
    for name, content in files:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        record += "{},sha256={},{}\n".format(name, digest, len(content))
    record += DIST_INFO + "/RECORD,,\n"
    files.append((DIST_INFO + "/RECORD", record.encode()))
    wheel = STEM + "-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
    return wheel
