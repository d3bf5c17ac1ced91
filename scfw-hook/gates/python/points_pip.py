"""The points in pip: where it reads its configuration, resolves, prepares and builds."""
import sys

import scfw_gate as gate

environment = gate.part("environment")
targets = gate.part("pip_targets")
verifier = gate.part("verifier")

OLDEST_PIP = (20, 3)
INSTALLING = frozenset(["install", "download", "wheel", "lock"])
HARMLESS = frozenset(["--version", "-V", "--help", "-h", "help", "list", "freeze", "show", "check", "config", "debug"])


def may_install():
    """Whether this pip could have been asked to install. Beneath an install another one may be asked for its version;
    a program that calls pip as a library does not show what it asks for."""
    return bool(INSTALLING.intersection(sys.argv)) or not HARMLESS.intersection(sys.argv)


class Pip(verifier.Manager):
    """pip, in the process that runs it."""

    name = "pip"

    def error(self, message):
        from pip._internal.exceptions import InstallationError

        return InstallationError(message)

    def silence(self):
        import logging

        logging.disable(logging.CRITICAL)


PIP = Pip()


def refuse_python_2():
    if may_install():
        PIP.go_on_unverified("pip under Python %d.%d cannot be verified: use Python 3" % sys.version_info[:2])
    environment.lift_switches(PIP.name)


def patch_configuration(module):
    """pip reads its configuration here, the switch with it: the gate has attached."""
    import importlib.util

    import pip

    version = tuple(int(part) for part in pip.__version__.split(".")[:2] if part.isdigit())
    missing = None
    if version < OLDEST_PIP:
        missing = "pip %s is older than 20.3, the first that scfw can verify" % pip.__version__
        if not verifier.is_on(gate.SCFW_ALLOW_UNSUPPORTED):
            update = "%s=1 %s install --upgrade pip" % (gate.SCFW_ALLOW_UNSUPPORTED, PIP.program())
            missing += ": update pip, unverified, by \"%s\"" % update
    elif importlib.util.find_spec("pip._internal.resolution.resolvelib.resolver") is None:
        missing = "pip %s has no resolver that scfw knows: update scfw" % pip.__version__
    if missing and may_install():
        PIP.go_on_unverified(missing)

    def make(original):
        def load(self, *args, **kwargs):
            environment.lift_switches(PIP.name)
            try:
                return original(self, *args, **kwargs)
            finally:
                environment.set_switches(PIP.name)
                environment.put_commands_first()

        return load

    PIP.wrap(module.Configuration, "load", make)
    verifier.attached()


def patch_resolver(module):
    def make(original):
        def resolve(self, *args, **kwargs):
            requirement_set = verifier.with_inner_verdict(original, self, *args, **kwargs)
            PIP.verify("install", targets.resolved_targets(self, requirement_set))
            return requirement_set

        return resolve

    PIP.wrap(module.Resolver, "resolve", make)


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
            targets.Seen.uploaded[link.url] = uploaded
        return link

    link_class.from_json = classmethod(from_json)


def patch_collector(module):
    """Keeps which page pip has asked for, by the address that it was answered from."""

    def make(original):
        def fetch(link, *args, **kwargs):
            page = original(link, *args, **kwargs)
            if page is not None:
                targets.Seen.pages[page.url] = link.url
            return page

        return fetch

    # The newer pip's and the older's.
    for name in ("_get_index_content", "_get_html_page"):
        if name in vars(module):
            PIP.wrap(module, name, make)


class Preparing(object):
    """What pip prepares at the moment."""

    # The finder of it.
    finder = None


def patch_preparer(module):
    """Verifies a source distribution before it is unpacked, and whatever was unpacked or downloaded before pip looks at
    its metadata, for which it may have to build it."""

    def before_build(requirement, finder):
        link = requirement.link
        if link is None or link.is_wheel or targets.is_own_folder(link):
            return  # Nothing is built, or the folder is the user's own.
        name, version = targets.claimed(link, requirement.name)
        PIP.verify("build", [targets.describe(requirement, name, version, finder)])

    def preparing(original, before):
        def prepare(self, requirements, *args, **kwargs):
            outer, Preparing.finder = Preparing.finder, getattr(self, "finder", None)
            try:
                before(requirements, Preparing.finder)
                return original(self, requirements, *args, **kwargs)
            finally:
                Preparing.finder = outer

        return prepare

    def make(original):
        return preparing(original, before_build)

    def make_for_many(original):
        def prepare_more(*args, **kwargs):
            return verifier.with_inner_verdict(original, *args, **kwargs)

        return preparing(prepare_more, lambda *_: None)

    def make_check(original):
        def prepared(requirement, *args, **kwargs):
            gate.part("pip_unpacked").check(PIP, requirement, Preparing.finder)
            return original(requirement, *args, **kwargs)

        return prepared

    PIP.wrap(module.RequirementPreparer, "prepare_linked_requirement", make)
    PIP.wrap(module.RequirementPreparer, "prepare_editable_requirement", make)
    PIP.wrap(module.RequirementPreparer, "prepare_linked_requirements_more", make_for_many)
    PIP.wrap(module, "_get_prepared_distribution", make_check)


def patch_build_environment(module):
    """A build runs with a PYTHONPATH of its own; a pip that it starts shall find the gate all the same."""

    def make(original):
        def enter(self, *args, **kwargs):
            entered = original(self, *args, **kwargs)
            environment.put_gate_first()
            return entered

        return enter

    for owner in list(vars(module).values()):
        if isinstance(owner, type) and owner.__module__ == module.__name__ and "__enter__" in owner.__dict__:
            PIP.wrap(owner, "__enter__", make)


POINTS = {
    "pip._internal.configuration": patch_configuration,
    "pip._internal.resolution.resolvelib.resolver": patch_resolver,
    "pip._internal.resolution.legacy.resolver": patch_resolver,
    "pip._internal.models.link": patch_link,
    "pip._internal.index.collector": patch_collector,
    "pip._internal.operations.prepare": patch_preparer,
    "pip._internal.build_env": patch_build_environment,
    "pip._internal.build_env.venv": patch_build_environment,
    "pip._internal.build_env.virtual": patch_build_environment,
}
