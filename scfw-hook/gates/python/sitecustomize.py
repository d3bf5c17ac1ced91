"""scfw's gate for pip.

scfw puts the archive with this file first on PYTHONPATH, so that Python imports it at start-up. An archive has no
bytecode beside it, so what Python runs is what scfw has compared. The gate holds pip between "resolved" and "install",
and before each build that pip does to learn a package's metadata: the packages go to scfw's verifier, whose exit
status decides. A Python process that never imports pip notices nothing, and compiles no more than this file.

Until the gate has attached, a variable makes pip refuse to do anything (the switch). The gate lifts it only while
pip reads its configuration, so whatever pip starts has it again: what loses the gate installs nothing.

The syntax is kept to what Python 2.7 parses, so that an old interpreter gets a message and not a traceback.
"""
import atexit
import os
import sys

VERIFIER = os.environ.get("SCFW_GATE_VERIFIER")
RUN = os.environ.get("SCFW_GATE_RUN")
# The archive, as it stands on PYTHONPATH.
ARCHIVE = os.path.dirname(os.path.abspath(__file__))

SWITCH = "PIP_EXISTS_ACTION"
SWITCH_VALUE = "refused-by-scfw-because-its-gate-did-not-attach"

# The modules of pip that hold a point, and what patches each.
POINTS = {
    "pip._internal.configuration": "patch_configuration",
    "pip._internal.resolution.resolvelib.resolver": "patch_resolver",
    "pip._internal.resolution.legacy.resolver": "patch_resolver",
    "pip._internal.models.link": "patch_link",
    "pip._internal.index.collector": "patch_collector",
    "pip._internal.operations.prepare": "patch_preparer",
    "pip._internal.build_env": "patch_build_environment",
    "pip._internal.build_env.venv": "patch_build_environment",
    "pip._internal.build_env.virtual": "patch_build_environment",
}


class State(object):
    """What this process remembers."""

    exit_status = None
    # Whether this pip, which the gate cannot hold, may go on without it.
    is_let_go = False
    # What has passed the verifier, so that its warnings are not asked about twice.
    accepted = set()
    # What of that this process itself has asked about. Notes of others settle no more than what is asked aloud.
    verified = set()
    loaded = set()
    # When files were uploaded, by their addresses, as index pages say it.
    uploaded = {}
    # The pages that pip has asked for, by the addresses that they came from.
    pages = {}
    # The finder of what is being prepared.
    finder = None
    # The note about a stopped inner run that was there before this pip began.
    older_verdict = None


def part(name):
    """Another file of the gate. Its name in `sys.modules` is one that no package has."""
    full_name = "scfw_gate." + name
    if full_name not in sys.modules:
        import types
        import zipimport

        code = zipimport.zipimporter(ARCHIVE).get_code(name)
        module = types.ModuleType(full_name)
        sys.modules[full_name] = module
        exec(code, module.__dict__)
    return sys.modules[full_name]


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


# --- The end


def flush():
    """Flushes what can be flushed: a stream may be closed, or its disk full, and the exit status matters more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


def is_own_run():
    """Whether this process is the one that scfw started, and not one beneath it."""
    return bool(RUN) and ("-%d-" % os.getpid()) in os.path.basename(RUN)


def finish():
    # Runs last of all exit handlers, for it was registered first: pip has cleaned up.
    if is_own_run():
        for note in (".verdict", ".accepted"):
            try:
                os.unlink(RUN + note)
            except OSError:
                pass  # There was nothing to note.
    if State.exit_status is not None:
        flush()
        os._exit(State.exit_status)


# --- Attaching


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
                getattr(part("points_pip"), POINTS[name])(sys.modules[name])
            return loaded

        setattr(spec.loader, method, load_and_patch)
        return spec

    def find_module(self, name, path=None):
        """How Python 2 asks. pip for it is older than what the gate knows."""
        if sys.version_info[0] == 2 and name == "pip":
            part("points_pip").refuse_python_2()


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


sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != ARCHIVE]
# The other files import this one by that name, whichever way it was loaded.
sys.modules.setdefault("scfw_gate", sys.modules.get(__name__))
if VERIFIER:
    atexit.register(finish)
    sys.meta_path.insert(0, Finder())
if __name__ == "sitecustomize":
    run_shadowed()
