"""The environment of a manager and of what it starts: the switches, and the ways on which a child finds the gate."""
import os

import scfw_gate as gate


def lift_switches(manager):
    """Gives the manager of that name the values that the user had set, or none."""
    for variable, own, _, keeper in gate.SWITCHES[manager]:
        os.environ.pop(variable, None)
        kept = os.environ.get(keeper, "")
        if kept.startswith("="):
            os.environ[own] = kept[1:]


def set_switches(manager):
    """Puts the switches back, so that whatever the manager starts has them again."""
    for variable, own, value, keeper in gate.SWITCHES[manager]:
        kept = os.environ.pop(own, None)
        if kept != value:  # It is, where nobody has lifted the switch in between.
            os.environ[keeper] = "" if kept is None else "=" + kept
        os.environ[variable] = value


def put_commands_first():
    """Makes an npm that is called by its name go through scfw again, whatever became of NODE_OPTIONS on the way."""
    commands, programs = os.environ.get(gate.SCFW_GATE_COMMANDS), os.environ.get("PATH")
    if commands and programs and commands not in programs.split(os.pathsep):
        os.environ["PATH"] = commands + os.pathsep + programs


def put_gate_first():
    """Makes a Python find the gate whatever became of PYTHONPATH on the way."""
    rest = os.environ.get("PYTHONPATH") or ""
    if rest.split(os.pathsep)[0] != gate.ARCHIVE:
        os.environ["PYTHONPATH"] = gate.ARCHIVE + (os.pathsep + rest if rest else "")
