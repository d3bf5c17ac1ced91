"""scfw's gate for Python's package managers.

scfw puts the archive with this file first on PYTHONPATH, so that Python imports it at start-up. An archive has no
bytecode beside it, so what Python runs is what scfw has compared. The gate holds a manager between "resolved" and
"install", and before each build that it does to learn a package's metadata: the packages go to scfw's verifier, whose
exit status decides. A Python process that never imports a manager notices nothing, and compiles no more than this file.

Until the gate has attached, a variable makes the manager refuse to do anything (the switch). The gate lifts it only
while the manager reads its configuration, so whatever that starts has it again: what loses the gate installs nothing.

The syntax is kept to what Python 2.7 parses, so that an old interpreter gets a message and not a traceback.
"""
import atexit
import os
import sys

# --- What follows is written by scfw-hook/src/gate/constants.rs
# fmt: off
PROTOCOL = 1
BLOCKED = 77
DECLINED = 76
UNVERIFIED = 69
MESSAGES = {77: "scfw blocked this installation", 76: "the installation was declined", 69: "scfw could not verify this installation"}
SCFW_ALLOW_UNSUPPORTED = "SCFW_ALLOW_UNSUPPORTED"
SCFW_DRY_RUN = "SCFW_DRY_RUN"
SCFW_GATE_COMMANDS = "SCFW_GATE_COMMANDS"
SCFW_GATE_NODE = "SCFW_GATE_NODE"
SCFW_GATE_PYTHON = "SCFW_GATE_PYTHON"
SCFW_GATE_RUN = "SCFW_GATE_RUN"
SCFW_GATE_VERIFIER = "SCFW_GATE_VERIFIER"
SWITCHES = {
  "pip": [
    ["PIP_EXISTS_ACTION", "PIP_EXISTS_ACTION", "refused-by-scfw-because-its-gate-did-not-attach", "SCFW_GATE_PIP_EXISTS_ACTION"],
  ],
  "npm": [
    ["NPM_CONFIG_WORKSPACES", "npm_config_workspaces", "false", "SCFW_GATE_NPM_WORKSPACES"],
    ["NPM_CONFIG_WORKSPACE", "npm_config_workspace", "refused-by-scfw-because-its-gate-did-not-attach", "SCFW_GATE_NPM_WORKSPACE"],
    ["NPM_CONFIG_HEADING", "npm_config_heading", "npm (nothing is done: scfw's gate did not attach)", "SCFW_GATE_NPM_HEADING"],
  ],
}
# fmt: on
# --- Here ends what is written by scfw-hook/src/gate/constants.rs

# The file of points of each manager, by the package that the manager is.
MANAGERS = {"pip": "points_pip"}

VERIFIER = os.environ.get(SCFW_GATE_VERIFIER)
RUN = os.environ.get(SCFW_GATE_RUN)
# The archive, as it stands on PYTHONPATH.
ARCHIVE = os.path.dirname(os.path.abspath(__file__))


class State(object):
    """What this process remembers."""

    # The status that it ends with, where the gate has stopped it.
    exit_status = None
    # The modules whose points are held.
    held = set()


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
    # Runs last of all exit handlers, for it was registered first: the manager has cleaned up.
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
        points = MANAGERS.get(name.partition(".")[0])
        hold = points and part(points).POINTS.get(name)
        if not hold:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        # A zip before Python 3.10 loads and executes in one step.
        method = "exec_module" if hasattr(spec.loader, "exec_module") else "load_module"
        load = getattr(spec.loader, method)

        def load_and_hold(module):
            loaded = load(module)
            # The loader of an archive is one for all modules in it.
            if getattr(module, "__name__", module) == name and name not in State.held:
                State.held.add(name)
                hold(sys.modules[name])
            return loaded

        setattr(spec.loader, method, load_and_hold)
        return spec

    def find_module(self, name, path=None):
        """How Python 2 asks. Managers for it are older than what the gate knows."""
        if sys.version_info[0] == 2 and name in MANAGERS:
            part(MANAGERS[name]).refuse_python_2()


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
