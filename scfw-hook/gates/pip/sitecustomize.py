"""scfw's gate for pip.

scfw puts this file's directory first on PYTHONPATH, so that Python imports it at start-up. It holds pip between
"resolved" and "install", and before each build that pip does to learn a package's metadata: the packages go to
scfw's verifier, whose exit status decides. A Python process that never imports pip notices nothing.

Until the gate has attached, a variable makes pip refuse to do anything (the switch). The gate lifts it only while
pip reads its configuration, so whatever pip starts has it again: what loses the gate installs nothing.

The syntax is kept to what Python 2.7 parses, so that an old interpreter gets a message and not a traceback.
"""
import atexit
import os
import sys

VERIFIER = os.environ.get("SCFW_GATE_VERIFIER")
RUN = os.environ.get("SCFW_GATE_RUN")
DIRECTORY = os.path.dirname(os.path.abspath(__file__))

SWITCH = "PIP_EXISTS_ACTION"
SWITCH_VALUE = "refused-by-scfw-because-its-gate-did-not-attach"

BLOCKED, DECLINED, UNVERIFIED = 77, 76, 69
MESSAGES = {
    BLOCKED: "scfw blocked this installation",
    DECLINED: "the installation was declined",
    UNVERIFIED: "scfw could not verify this installation",
}
OLDEST_PIP = (20, 3)
INSTALLING = frozenset(["install", "download", "wheel", "lock"])
HARMLESS = frozenset(["--version", "-V", "--help", "-h", "help", "list", "freeze", "show", "check", "config", "debug"])


class State(object):
    """What this process remembers."""

    exit_status = None
    # Whether this pip, which the gate cannot hold, may go on without it.
    is_let_go = False
    # What has passed the verifier, so that its warnings are not asked about twice.
    accepted = set()
    loaded = set()
    # When files were uploaded, by their addresses, as index pages say it.
    uploaded = {}


def is_on(name):
    return os.environ.get(name, "").lower() not in ("", "0", "false", "no", "off")


def may_install():
    """Whether this pip could have been asked to install. Beneath an install another one may be asked for its version;
    a program that calls pip as a library does not show what it asks for."""
    return bool(INSTALLING.intersection(sys.argv)) or not HARMLESS.intersection(sys.argv)


# --- The switch


def lift_switch():
    """Gives pip the value that the user had set, or none."""
    kept = os.environ.get("SCFW_GATE_PIP_EXISTS_ACTION", "")
    if kept.startswith("="):
        os.environ[SWITCH] = kept[1:]
    else:
        os.environ.pop(SWITCH, None)


def set_switch():
    os.environ[SWITCH] = SWITCH_VALUE


def note_attached():
    """Takes back the note that this run's gate has not reported."""
    if RUN:
        try:
            os.unlink(RUN)
        except OSError:
            pass  # Another pip of this run was first.


# --- Targets


def without_credentials(url):
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme + separator + authority.rpartition("@")[2] + slash + path


def canonical(name):
    """PEP 503."""
    import re

    return re.sub(r"[-_.]+", "-", name).lower()


def named_by_file(file_name, name=None):
    """Name and version in a source distribution's file name: what stands before and after the project's name, or
    without one before and after the last hyphen that a digit follows."""
    for extension in (".tar.gz", ".tar.bz2", ".tar.xz", ".tar.lz", ".tgz", ".tar", ".zip"):
        if file_name.lower().endswith(extension):
            file_name = file_name[: -len(extension)]
            break
    else:
        return name, None
    hyphens = [index for index, character in enumerate(file_name) if character == "-"]
    for index in hyphens:
        if name and canonical(file_name[:index]) == canonical(name):
            return name, file_name[index + 1 :]
    for index in reversed(hyphens):
        if file_name[index + 1 : index + 2].isdigit():
            return name or file_name[:index], file_name[index + 1 :]
    return name, None


def required_by(requirement):
    """Names of the packages that led to `requirement`, the one the user asked for first."""
    chain = []
    parent = requirement.comes_from
    while getattr(parent, "name", None) and len(chain) < 100:
        chain.insert(0, parent.name)
        parent = parent.comes_from
    return chain


def source_of(requirement, link, direct):
    if link.is_vcs:
        return "git"
    if not direct:
        return "registry"
    return "path" if link.url.startswith("file:") else "url"


def index_of(link, name, finder):
    """The index that offered `link`: the address of the project's page less the project. For a link from a lockfile or
    another page it is the index in use."""
    page = getattr(link, "comes_from", None)
    if isinstance(page, str) and page.startswith(("https://", "http://")):
        page = without_credentials(page).partition("?")[0].partition("#")[0].rstrip("/")
        index, slash, project = page.rpartition("/")
        if name and canonical(project) == canonical(name):
            return index + slash
    if not link.url.startswith(("https://", "http://")):
        return None  # Found in a folder.
    indexes = getattr(finder, "index_urls", None) or []
    return without_credentials(str(indexes[0])) if indexes else None


def describe(requirement, name, version, finder, chosen=None):
    """A requirement as the verifier's document has it. `chosen` is the link that the resolver chose, which a wheel
    that pip has built of it before may stand in for."""
    # The link that the user or a dependency wrote, where one did; an index's file has none.
    original = getattr(requirement, "original_link", None)
    link = original or chosen or requirement.link
    is_stand_in = chosen is None and getattr(requirement, "original_link_is_in_wheel_cache", False)
    hashes = {}
    if link.hash_name and link.hash:
        hashes[link.hash_name] = link.hash
    return {
        "name": name,
        "version": version,
        "source": source_of(requirement, link, original is not None),
        "index": index_of(link, name, finder),
        # Where it was built from is not known then, which is not the same as a file of the user's own.
        "url": None if is_stand_in and original is None else without_credentials(link.url_without_fragment),
        "hashes": hashes,
        "artifact": "wheel" if link.is_wheel else "sdist",
        "requested": bool(getattr(requirement, "user_supplied", False)),
        "required_by": required_by(requirement),
        # What a lockfile says of it does not count.
        "published": State.uploaded.get(link.url),
    }


def resolved_targets(resolver, requirement_set):
    result = getattr(resolver, "_result", None)
    finder = getattr(getattr(resolver, "factory", None), "_finder", None) or getattr(resolver, "finder", None)
    versions, chosen = {}, {}
    if result is not None:
        for candidate in result.mapping.values():
            versions[candidate.project_name] = str(candidate.version)
            # A package with extras is a candidate of its own, with no link.
            link = getattr(candidate, "source_link", None)
            chosen[candidate.project_name] = link or chosen.get(candidate.project_name)
    targets = []
    for name, requirement in requirement_set.requirements.items():
        if requirement.link is None or requirement.constraint:
            continue
        if requirement.satisfied_by is not None and not getattr(requirement, "should_reinstall", False):
            continue
        version = versions.get(name)
        if version is None:
            version = str(requirement.get_dist().version)
        link = chosen.get(name) or getattr(requirement, "cached_wheel_source_link", None)
        targets.append(describe(requirement, requirement.name, version, finder, link))
    return targets


# --- The verifier


def key_of(target):
    # A repository or archive is known by its address before its name and version are.
    if target["source"] in ("git", "url"):
        return target["url"]
    return " ".join([target["name"], target["version"] or "", target["url"]])


def accepted_in_this_run():
    """What any pip of this run has had verified, so that its warnings are asked about once."""
    import json

    try:
        with open(RUN + ".accepted") as notes:
            State.accepted.update(json.loads(line) for line in notes)
    except (OSError, TypeError, ValueError):
        pass  # Nothing yet, or nowhere to keep it.
    return State.accepted


def accept(targets):
    import json

    keys = [key_of(target) for target in targets]
    State.accepted.update(keys)
    try:
        with open(RUN + ".accepted", "a") as notes:
            notes.write("".join(json.dumps(key) + "\n" for key in keys))
    except (OSError, TypeError):
        pass  # Another pip of this run will ask again.


def as_text(word):
    """An argument need not be text; the verifier's document is."""
    return (word if isinstance(word, bytes) else word.encode("utf-8", "replace")).decode("utf-8", "replace")


def program():
    """pip as it was called."""
    name = os.path.basename(sys.argv[0])
    return as_text(name if name.startswith("pip") else os.path.basename(sys.executable or "python") + " -m pip")


def ask(phase, targets, **beside):
    """Sends a document to the verifier and gives its exit status."""
    import json
    import subprocess

    document = {
        "protocol": 1,
        "manager": "pip",
        "phase": phase,
        "program": program(),
        "argv": [as_text(word) for word in sys.argv[1:]],
        "targets": targets,
    }
    document.update(beside)
    try:
        with open(os.devnull, "wb") as nowhere:
            verifier = subprocess.Popen([VERIFIER, "verify"], stdin=subprocess.PIPE, stdout=nowhere)
            verifier.communicate(json.dumps(document).encode("utf-8"))
        return verifier.returncode if verifier.returncode >= 0 else UNVERIFIED
    except OSError as error:
        sys.stderr.write("scfw: the verifier %s could not be run: %s\n" % (VERIFIER, error))
        return UNVERIFIED


def go_on_unverified(reason, **beside):
    """Ends the process before pip does anything, unless the verifier lets it go on without the gate."""
    note_attached()
    if not State.is_let_go:
        status = ask("unsupported", [], reason=reason, **beside)
        if status != 0:
            sys.stderr.flush()
            os._exit(status)
        State.is_let_go = True
    lift_switch()


def verify(phase, targets):
    """Asks the verifier about `targets`; returns when they may be built or installed."""
    import pip

    accepted = accepted_in_this_run()
    fresh = [target for target in targets if key_of(target) not in accepted]
    if not targets or (phase == "build" and not fresh):
        return
    for target in targets:
        target["accepted"] = target not in fresh
    status = ask(phase, targets, version=pip.__version__)
    if status != 0:
        stop(status)
    accept(targets)
    if phase == "install" and is_on("SCFW_DRY_RUN"):
        import logging

        # pip would call this an error; the verifier has already said how the dry run ended.
        logging.disable(logging.CRITICAL)
        stop(0)


def stop(status):
    """Makes pip clean up after itself and end with `status`."""
    from pip._internal.exceptions import InstallationError

    State.exit_status = status
    raise InstallationError(MESSAGES.get(status, "scfw ended with status %d" % status))


def verdict_of_inner_run():
    """The status with which a pip that pip started was stopped, if one was."""
    try:
        with open(RUN + ".verdict") as note:
            return int(note.read())
    except (OSError, TypeError, ValueError):
        return None


def finish():
    # Runs last of all exit handlers, for it was registered first: pip has cleaned up.
    if RUN and ("-%d-" % os.getpid()) in os.path.basename(RUN):
        for note in (".verdict", ".accepted"):
            try:
                os.unlink(RUN + note)
            except OSError:
                pass  # There was nothing to note.
    if State.exit_status is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(State.exit_status)


# --- The points in pip


def wrap(owner, name, make):
    """Replaces a method by what `make` makes of it; a method that is not there is a point not found."""
    original = owner.__dict__.get(name)
    if original is None:
        go_on_unverified("pip has no %s.%s; this pip is newer than scfw's gate: update scfw" % (owner.__name__, name))
        return
    wrapped = make(original)
    wrapped.__name__ = name
    setattr(owner, name, wrapped)


def patch_configuration(module):
    """pip reads its configuration here, the switch with it: the gate has attached."""
    import importlib.util

    import pip

    version = tuple(int(part) for part in pip.__version__.split(".")[:2] if part.isdigit())
    missing = None
    if version < OLDEST_PIP:
        missing = "pip %s is older than 20.3, the first that scfw can verify: update pip" % pip.__version__
    elif importlib.util.find_spec("pip._internal.resolution.resolvelib.resolver") is None:
        missing = "pip %s has no resolver that scfw knows: update scfw" % pip.__version__
    if missing and may_install():
        go_on_unverified(missing, version=pip.__version__)

    def make(original):
        def load(self, *args, **kwargs):
            lift_switch()
            try:
                return original(self, *args, **kwargs)
            finally:
                set_switch()

        return load

    wrap(module.Configuration, "load", make)
    note_attached()


def patch_resolver(module):
    def make(original):
        def resolve(self, *args, **kwargs):
            try:
                requirement_set = original(self, *args, **kwargs)
            except BaseException:
                if State.exit_status is None:
                    State.exit_status = verdict_of_inner_run()
                raise
            verify("install", resolved_targets(self, requirement_set))
            return requirement_set

        return resolve

    wrap(module.Resolver, "resolve", make)


def patch_link(module):
    """Keeps the upload times of index pages in JSON (PEP 691, PEP 700). A pip without this point reads pages in another
    way, and the verifier asks the index."""
    link_class = getattr(module, "Link", None)
    original = getattr(link_class, "from_json", None)
    if original is None:
        return

    def from_json(cls, file_data, *args, **kwargs):
        link = original(file_data, *args, **kwargs)
        uploaded = file_data.get("upload-time")
        if link is not None and isinstance(uploaded, str):
            State.uploaded[link.url] = uploaded
        return link

    link_class.from_json = classmethod(from_json)


def patch_preparer(module):
    def before_build(requirement, finder):
        link = requirement.link
        if link is None or link.is_wheel or (link.url.startswith("file:") and link.is_existing_dir()):
            return  # Nothing is built, or the directory is the user's own.
        name, version = (requirement.name, None) if link.is_vcs else named_by_file(link.filename, requirement.name)
        verify("build", [describe(requirement, name, version, finder)])

    def make(original):
        def prepare(self, req, *args, **kwargs):
            before_build(req, getattr(self, "finder", None))
            return original(self, req, *args, **kwargs)

        return prepare

    wrap(module.RequirementPreparer, "prepare_linked_requirement", make)
    wrap(module.RequirementPreparer, "prepare_editable_requirement", make)


def patch_build_environment(module):
    """A build runs with a PYTHONPATH of its own; a pip that it starts shall find the gate all the same."""

    def make(original):
        def enter(self, *args, **kwargs):
            entered = original(self, *args, **kwargs)
            rest = os.environ.get("PYTHONPATH") or ""
            if rest.split(os.pathsep)[0] != DIRECTORY:
                os.environ["PYTHONPATH"] = DIRECTORY + (os.pathsep + rest if rest else "")
            return entered

        return enter

    for owner in list(vars(module).values()):
        if isinstance(owner, type) and owner.__module__ == module.__name__ and "__enter__" in owner.__dict__:
            wrap(owner, "__enter__", make)


POINTS = {
    "pip._internal.configuration": patch_configuration,
    "pip._internal.resolution.resolvelib.resolver": patch_resolver,
    "pip._internal.resolution.legacy.resolver": patch_resolver,
    "pip._internal.models.link": patch_link,
    "pip._internal.operations.prepare": patch_preparer,
    "pip._internal.build_env": patch_build_environment,
    "pip._internal.build_env.venv": patch_build_environment,
    "pip._internal.build_env.virtual": patch_build_environment,
}


class Finder(object):
    """Finds the modules that hold a point as Python would, and patches them once they are loaded."""

    def find_spec(self, name, path=None, target=None):
        if name not in POINTS:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        # A zip before Python 3.10 loads and executes in one step.
        method = "exec_module" if hasattr(spec.loader, "exec_module") else "load_module"
        load = getattr(spec.loader, method)

        def load_and_patch(module):
            loaded = load(module)
            name = getattr(module, "__name__", module)
            if name in POINTS and name not in State.loaded:
                State.loaded.add(name)
                POINTS[name](sys.modules[name])
            return loaded

        setattr(spec.loader, method, load_and_patch)
        return spec

    def find_module(self, name, path=None):
        """How Python 2 asks. pip for it is older than what the gate knows."""
        if sys.version_info[0] == 2 and name == "pip":
            if may_install():
                go_on_unverified("pip under Python %d.%d cannot be verified: use Python 3" % sys.version_info[:2])
            lift_switch()


def run_shadowed():
    """Runs the sitecustomize that this one stands in front of, if there is one."""
    this = sys.modules.pop("sitecustomize")
    try:
        __import__("sitecustomize")
    except ImportError as error:
        if getattr(error, "name", "sitecustomize") != "sitecustomize":
            raise
    finally:
        # The import system looks for the module that it has just loaded.
        sys.modules.setdefault("sitecustomize", this)


sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != DIRECTORY]
if VERIFIER:
    atexit.register(finish)
    sys.meta_path.insert(0, Finder())
if __name__ == "sitecustomize":
    run_shadowed()
