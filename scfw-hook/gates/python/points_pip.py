"""The points in pip: where it reads its configuration, resolves, prepares and builds."""
import os
import sys

import scfw_gate as gate
from scfw_gate import State

targets = gate.part("pip_targets")
verifier = gate.part("verifier")

OLDEST_PIP = (20, 3)
INSTALLING = frozenset(["install", "download", "wheel", "lock"])
HARMLESS = frozenset(["--version", "-V", "--help", "-h", "help", "list", "freeze", "show", "check", "config", "debug"])


def may_install():
    """Whether this pip could have been asked to install. Beneath an install another one may be asked for its version;
    a program that calls pip as a library does not show what it asks for."""
    return bool(INSTALLING.intersection(sys.argv)) or not HARMLESS.intersection(sys.argv)


def refuse_python_2():
    if may_install():
        verifier.go_on_unverified("pip under Python %d.%d cannot be verified: use Python 3" % sys.version_info[:2])
    gate.lift_switch()


def wrap(owner, name, make):
    """Replaces a method by what `make` makes of it; a method that is not there is a point not found."""
    original = owner.__dict__.get(name)
    if original is None:
        missing = "pip has no %s.%s; this pip is newer than scfw's gate: update scfw" % (owner.__name__, name)
        verifier.go_on_unverified(missing)
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
        missing = "pip %s is older than 20.3, the first that scfw can verify" % pip.__version__
        if not verifier.is_on("SCFW_ALLOW_UNSUPPORTED"):
            update = "SCFW_ALLOW_UNSUPPORTED=1 %s install --upgrade pip" % verifier.program()
            missing += ": update pip, unverified, by \"%s\"" % update
    elif importlib.util.find_spec("pip._internal.resolution.resolvelib.resolver") is None:
        missing = "pip %s has no resolver that scfw knows: update scfw" % pip.__version__
    if missing and may_install():
        verifier.go_on_unverified(missing, version=pip.__version__)

    def make(original):
        def load(self, *args, **kwargs):
            gate.lift_switch()
            try:
                return original(self, *args, **kwargs)
            finally:
                gate.set_switch()
                put_commands_first()

        return load

    wrap(module.Configuration, "load", make)
    State.older_verdict = verifier.inner_verdict()
    verifier.note_attached()


def put_commands_first():
    """An npm that a build calls by its name goes through scfw again, whatever the build makes of NODE_OPTIONS."""
    commands, programs = os.environ.get("SCFW_GATE_COMMANDS"), os.environ.get("PATH")
    if commands and programs and commands not in programs.split(os.pathsep):
        os.environ["PATH"] = commands + os.pathsep + programs


def with_inner_verdict(original, *args, **kwargs):
    """Calls `original`. Where something that pip started was stopped in it, pip ends with the same status."""
    try:
        return original(*args, **kwargs)
    except BaseException:
        if State.exit_status is None:
            State.exit_status = verifier.verdict_of_inner_run()
        raise


def patch_resolver(module):
    def make(original):
        def resolve(self, *args, **kwargs):
            requirement_set = with_inner_verdict(original, self, *args, **kwargs)
            verifier.verify("install", targets.resolved_targets(self, requirement_set))
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


def patch_collector(module):
    """Keeps which page pip has asked for, by the address that it was answered from."""

    def make(original):
        def fetch(link, *args, **kwargs):
            page = original(link, *args, **kwargs)
            if page is not None:
                State.pages[page.url] = link.url
            return page

        return fetch

    # The newer pip's and the older's.
    for name in ("_get_index_content", "_get_html_page"):
        if name in vars(module):
            wrap(module, name, make)


def patch_preparer(module):
    """Verifies a source distribution before it is unpacked, and whatever was unpacked or downloaded before pip looks at
    its metadata, for which it may have to build it."""

    def before_build(requirement, finder):
        link = requirement.link
        if link is None or link.is_wheel or targets.is_own_folder(link):
            return  # Nothing is built, or the folder is the user's own.
        name, version = targets.claimed(link, requirement.name)
        verifier.verify("build", [targets.describe(requirement, name, version, finder)])

    def preparing(original, before):
        def prepare(self, requirements, *args, **kwargs):
            outer, State.finder = State.finder, getattr(self, "finder", None)
            try:
                before(requirements, State.finder)
                return original(self, requirements, *args, **kwargs)
            finally:
                State.finder = outer

        return prepare

    def make(original):
        return preparing(original, before_build)

    def make_for_many(original):
        def prepare_more(*args, **kwargs):
            return with_inner_verdict(original, *args, **kwargs)

        return preparing(prepare_more, lambda requirements, finder: None)

    def make_check(original):
        def prepared(requirement, *args, **kwargs):
            gate.part("pip_unpacked").check(requirement)
            return original(requirement, *args, **kwargs)

        return prepared

    wrap(module.RequirementPreparer, "prepare_linked_requirement", make)
    wrap(module.RequirementPreparer, "prepare_editable_requirement", make)
    wrap(module.RequirementPreparer, "prepare_linked_requirements_more", make_for_many)
    wrap(module, "_get_prepared_distribution", make_check)


def patch_build_environment(module):
    """A build runs with a PYTHONPATH of its own; a pip that it starts shall find the gate all the same."""

    def make(original):
        def enter(self, *args, **kwargs):
            entered = original(self, *args, **kwargs)
            rest = os.environ.get("PYTHONPATH") or ""
            if rest.split(os.pathsep)[0] != gate.ARCHIVE:
                os.environ["PYTHONPATH"] = gate.ARCHIVE + (os.pathsep + rest if rest else "")
            return entered

        return enter

    for owner in list(vars(module).values()):
        if isinstance(owner, type) and owner.__module__ == module.__name__ and "__enter__" in owner.__dict__:
            wrap(owner, "__enter__", make)
