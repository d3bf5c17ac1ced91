"""The way to scfw's verifier and back: what is asked, what was accepted, and how pip ends that was stopped."""
import json
import os
import sys

import scfw_gate as gate
from scfw_gate import RUN, State

BLOCKED, DECLINED, UNVERIFIED = 77, 76, 69
MESSAGES = {
    BLOCKED: "scfw blocked this installation",
    DECLINED: "the installation was declined",
    UNVERIFIED: "scfw could not verify this installation",
}


def note_attached():
    """Takes back the note that this run's gate has not reported."""
    if RUN:
        try:
            os.unlink(RUN)
        except OSError:
            pass  # Another pip of this run was first.


# --- What was accepted


def key_of(target):
    # A repository or archive is known by its address before its name and version are.
    if target["source"] in ("git", "url"):
        return target["url"]
    return " ".join([target["name"] or "", target["version"] or "", target["url"] or ""])


def accepted_in_this_run():
    """What any pip of this run has had verified, so that its warnings are asked about once."""
    try:
        with open(RUN + ".accepted") as notes:
            State.accepted.update(json.loads(line) for line in notes)
    except (OSError, TypeError, ValueError):
        pass  # Nothing yet, or nowhere to keep it.
    return State.accepted


def accept(targets):
    keys = [key_of(target) for target in targets]
    State.accepted.update(keys)
    try:
        with open(RUN + ".accepted", "a") as notes:
            notes.write("".join(json.dumps(key) + "\n" for key in keys))
    except (OSError, TypeError):
        pass  # Another pip of this run will ask again.


# --- Asking


def as_text(word):
    """An argument need not be text; the verifier's document is."""
    return (word if isinstance(word, bytes) else word.encode("utf-8", "replace")).decode("utf-8", "replace")


def program():
    """pip as it was called."""
    name = os.path.basename(sys.argv[0])
    return as_text(name if name.startswith("pip") else os.path.basename(sys.executable or "python") + " -m pip")


def say(sentence):
    try:
        sys.stderr.write("scfw: %s\n" % sentence)
    except Exception:
        pass  # Standard error may be closed or full; the exit status says it too.


def ask(phase, targets, **beside):
    """Sends a document to the verifier and gives its exit status."""
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
            verifier = subprocess.Popen([gate.VERIFIER, "verify"], stdin=subprocess.PIPE, stdout=nowhere)
            verifier.communicate(json.dumps(document).encode("utf-8"))
        return verifier.returncode if verifier.returncode >= 0 else UNVERIFIED
    except OSError as error:
        say("the verifier %s could not be run: %s" % (gate.VERIFIER, error))
        return UNVERIFIED


def go_on_unverified(reason, **beside):
    """Ends the process before pip does anything, unless the verifier lets it go on without the gate."""
    note_attached()
    if not State.is_let_go:
        status = ask("unsupported", [], reason=reason, **beside)
        if status != 0:
            gate.flush()
            os._exit(status)
        State.is_let_go = True
    gate.lift_switch()


def verify(phase, targets, again=False):
    """Asks the verifier about `targets`; returns when they may be built or installed. What this process has had verified
    before a build is not asked about before another, unless `again` says that something new is known of it."""
    import pip

    accepted = accepted_in_this_run()
    fresh = [target for target in targets if key_of(target) not in accepted]
    is_verified = State.verified.issuperset(key_of(target) for target in targets)
    if not targets or (phase == "build" and is_verified and not again):
        return
    for target in targets:
        target["accepted"] = target not in fresh
    status = ask(phase, targets, version=pip.__version__)
    if status != 0:
        stop(status)
    State.verified.update(key_of(target) for target in targets)
    accept(targets)
    if phase == "install" and is_on("SCFW_DRY_RUN"):
        import logging

        # pip would call this an error; the verifier has already said how the dry run ended.
        logging.disable(logging.CRITICAL)
        stop(0)


def is_on(name):
    return os.environ.get(name, "").lower() not in ("", "0", "false", "no", "off")


# --- Stopping


def stop(status):
    """Makes pip clean up after itself and end with `status`."""
    from pip._internal.exceptions import InstallationError

    State.exit_status = status
    raise InstallationError(MESSAGES.get(status, "scfw ended with status %d" % status))


def refuse(sentence):
    """Stops pip for what the verifier need not be asked about."""
    say(sentence)
    if RUN and not gate.is_own_run():
        try:
            with open(RUN + ".verdict", "w") as note:
                note.write(str(UNVERIFIED))
        except OSError:
            pass  # The outer pip ends with an error all the same, only not with this status.
    stop(UNVERIFIED)


def inner_verdict():
    """The note that a pip or npm beneath this run was stopped, told from an older one by when it was written."""
    try:
        with open(RUN + ".verdict") as note:
            return os.fstat(note.fileno()).st_mtime_ns, int(note.read())
    except (OSError, TypeError, ValueError):
        return None


def verdict_of_inner_run():
    """The status with which something that this pip started was stopped, if it was."""
    verdict = inner_verdict()
    if verdict is None or verdict == State.older_verdict:
        return None
    return verdict[1]
