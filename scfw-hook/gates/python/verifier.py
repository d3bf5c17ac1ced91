"""The way to scfw's verifier and back, for any manager: what is asked, what was accepted, and how a manager ends that was
stopped."""
import json
import os
import sys

import scfw_gate as gate
from scfw_gate import State

environment = gate.part("environment")


# --- The notes of this run


def note_attached():
    """Takes back the note that this run's gate has not reported."""
    if gate.RUN:
        try:
            os.unlink(gate.RUN)
        except OSError:
            pass  # Another manager of this run was first.


def attached():
    """Notes that the gate holds a manager, and remembers which of the inner runs had been stopped before."""
    Remembered.older_verdict = inner_verdict()
    note_attached()


def inner_verdict():
    """The note that a manager beneath this run was stopped, told from an older one by when it was written."""
    try:
        with open(gate.RUN + ".verdict") as note:
            return os.fstat(note.fileno()).st_mtime_ns, int(note.read())
    except (OSError, TypeError, ValueError):
        return None


def verdict_of_inner_run():
    """The status with which something that this process started was stopped, if it was."""
    verdict = inner_verdict()
    if verdict is None or verdict == Remembered.older_verdict:
        return None
    return verdict[1]


def with_inner_verdict(original, *args, **kwargs):
    """Calls `original`. Where something that this process started was stopped in it, the process ends with the same
    status."""
    try:
        return original(*args, **kwargs)
    except BaseException:
        if State.exit_status is None:
            State.exit_status = verdict_of_inner_run()
        raise


# --- What was accepted


class Remembered(object):
    """What this process knows of verdicts."""

    # Whether a manager that the gate cannot hold may go on without it.
    is_let_go = False
    # What has passed the verifier, so that its warnings are not asked about twice.
    accepted = set()
    # What of that this process itself has asked about. Notes of others settle no more than what is asked aloud.
    verified = set()
    # The note about a stopped inner run that was there before this manager began.
    older_verdict = None


def key_of(target):
    # A repository or archive is known by its address before its name and version are.
    if target["source"] in ("git", "url"):
        return target["url"]
    return " ".join([target["name"] or "", target["version"] or "", target["url"] or ""])


def accepted_in_this_run():
    """What any manager of this run has had verified, so that its warnings are asked about once."""
    try:
        with open(gate.RUN + ".accepted") as notes:
            Remembered.accepted.update(json.loads(line) for line in notes)
    except (OSError, TypeError, ValueError):
        pass  # Nothing yet, or nowhere to keep it.
    return Remembered.accepted


def accept(targets):
    keys = [key_of(target) for target in targets]
    Remembered.accepted.update(keys)
    try:
        with open(gate.RUN + ".accepted", "a") as notes:
            notes.write("".join(json.dumps(key) + "\n" for key in keys))
    except (OSError, TypeError):
        pass  # Another manager of this run will ask again.


# --- Helpers


def as_text(word):
    """An argument need not be text; the verifier's document is."""
    return (word if isinstance(word, bytes) else word.encode("utf-8", "replace")).decode("utf-8", "replace")


def say(sentence):
    try:
        sys.stderr.write("scfw: %s\n" % sentence)
    except Exception:
        pass  # Standard error may be closed or full; the exit status says it too.


def is_on(name):
    return os.environ.get(name, "").lower() not in ("", "0", "false", "no", "off")


# --- Asking and stopping


class Manager(object):
    """A manager as its points know it. Each of them has a subclass with what is its own."""

    # Its name in the document and in the table of switches, and that of the module that `python -m` runs.
    name = ""

    def version(self):
        """Its version, where that is known already."""
        return getattr(sys.modules.get(self.name), "__version__", None)

    def error(self, message):
        """The exception with which it cleans up after itself and reports `message`."""
        raise NotImplementedError

    def silence(self):
        """Keeps it from calling the end of a dry run an error."""

    def program(self):
        """It as it was called."""
        program = os.path.basename(sys.argv[0])
        if not program.startswith(self.name):
            program = "%s -m %s" % (os.path.basename(sys.executable or "python"), self.name)
        return as_text(program)

    def ask(self, phase, targets, reason=""):
        """Sends a document to the verifier and gives its exit status."""
        import subprocess

        document = {
            "protocol": gate.PROTOCOL,
            "manager": self.name,
            "version": self.version(),
            "phase": phase,
            "program": self.program(),
            "argv": [as_text(word) for word in sys.argv[1:]],
            "targets": targets,
            "reason": reason,
        }
        try:
            with open(os.devnull, "wb") as nowhere:
                verifier = subprocess.Popen([gate.VERIFIER, "verify"], stdin=subprocess.PIPE, stdout=nowhere)
                verifier.communicate(json.dumps(document).encode("utf-8"))
            return verifier.returncode if verifier.returncode >= 0 else gate.UNVERIFIED
        except OSError as error:
            say("the verifier %s could not be run: %s" % (gate.VERIFIER, error))
            return gate.UNVERIFIED

    def go_on_unverified(self, reason):
        """Ends the process before it does anything, unless the verifier lets it go on without the gate."""
        note_attached()
        if not Remembered.is_let_go:
            status = self.ask("unsupported", [], reason)
            if status != 0:
                gate.flush()
                os._exit(status)
            Remembered.is_let_go = True
        environment.lift_switches(self.name)

    def verify(self, phase, targets, again=False):
        """Asks the verifier about `targets`; returns when they may be built or installed. What this process has had
        verified before a build is not asked about before another, unless `again` says that something new is known of
        it."""
        accepted = accepted_in_this_run()
        fresh = [target for target in targets if key_of(target) not in accepted]
        is_verified = Remembered.verified.issuperset(key_of(target) for target in targets)
        if not targets or (phase == "build" and is_verified and not again):
            return
        for target in targets:
            target["accepted"] = target not in fresh
        status = self.ask(phase, targets)
        if status != 0:
            self.stop(status)
        Remembered.verified.update(key_of(target) for target in targets)
        accept(targets)
        if phase == "install" and is_on(gate.SCFW_DRY_RUN):
            # The verifier has already said how the dry run ended.
            self.silence()
            self.stop(0)

    def stop(self, status):
        """Makes the manager clean up after itself and end with `status`."""
        State.exit_status = status
        raise self.error(gate.MESSAGES.get(status, "scfw ended with status %d" % status))

    def refuse(self, sentence):
        """Stops the manager for what the verifier need not be asked about."""
        say(sentence)
        if gate.RUN and not gate.is_own_run():
            try:
                with open(gate.RUN + ".verdict", "w") as note:
                    note.write(str(gate.UNVERIFIED))
            except OSError:
                pass  # The outer manager ends with an error all the same, only not with this status.
        self.stop(gate.UNVERIFIED)

    # --- Holding

    def wrap(self, owner, name, make):
        """Replaces a method by what `make` makes of it; a method that is not there is a point not found."""
        original = owner.__dict__.get(name)
        if original is None:
            missing = "%s has no %s.%s; this %s is newer than scfw's gate: update scfw"
            self.go_on_unverified(missing % (self.name, owner.__name__, name, self.name))
            return
        wrapped = make(original)
        wrapped.__name__ = name
        setattr(owner, name, wrapped)
