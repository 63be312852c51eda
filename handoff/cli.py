"""`baton`: the command line. One sentence per mistake, exit code 2; an interrupt stops the robot and exits with 130."""

from __future__ import annotations

import errno
import importlib
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

from handoff import console
from robots.errors import BatonError, UsageError

OK, CHECK_FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
COMMANDS = {
    "demo": ("evaluate", "search, trigger, handoff and grasp in simulation, with videos and a report"),
    "eval": ("evaluate", "the same for any number of layouts and methods"),
    "run": ("run", "search and hand over on a robot: a real arm, or the simulation in wall-clock time"),
    "train": ("train", "train a search policy in simulation"),
    "train-generalist": ("train_generalist", "train a policy that grasps on a recorded dataset, by LeRobot's trainer"),
    "audit": ("audit", "test whether a privileged signal of recorded episodes helps the critic"),
    "experiment": ("experiment", "compare ways to learn a search: train, evaluate and report a whole grid"),
    "rollout": ("rollout", "run search episodes in simulation with any searcher, without a handoff"),
    "collect-grasps": ("collect_grasps", "record demonstrations of grasps in simulation as a dataset"),
    "eval-grasps": ("eval_grasps", "measure grasps over the view at handoff, swapped instructions and absent objects"),
    "serve": ("serve", "run the policy server for a generalist"),
    "fit-detector": ("fit_detector", "fit the colour-shape detector of a task to auto-labelled renders"),
    "fit-insight": ("fit_insight", "train what tells a search skill what stands where, and what that hints at"),
    "doctor": ("doctor", "check installation, weights, robot, cameras and server, with a remedy for each failure"),
    "data": ("data", "verify, repair or describe a recorded dataset"),
    "version": ("version", "print the versions that shape results"),
}
HIDDEN = {"worker": "worker"}

USAGE_TEXT = """usage: baton COMMAND [options]

Search with a learned policy until the target is found, then hand the robot to a generalist policy.

commands:
{commands}

`baton COMMAND --help` lists a command's options."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit code: 0, 1 (a check failed), 2 (one sentence on stderr) or 130."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        console.line(_usage())
        return OK
    try:
        return _run(arguments[0].removeprefix("--"), arguments[1:])
    except KeyboardInterrupt:
        console.note("Interrupted: the robot is stopped, and the finished episodes are kept.")
        return INTERRUPTED
    except BatonError as error:
        console.note(" ".join(str(error).split()))
    except BrokenPipeError:
        sys.stderr.close()
    except OSError as error:
        console.note(_disk_sentence(error))
    return USAGE


def _run(name: str, arguments: Sequence[str]) -> int:
    if name not in COMMANDS and name not in HIDDEN:
        raise UsageError.unknown("command", name, COMMANDS)
    module = importlib.import_module(f"handoff.commands.{COMMANDS[name][0] if name in COMMANDS else HIDDEN[name]}")
    if "--help" in arguments or "-h" in arguments:
        console.line(f"usage: baton {name} [options]\n\n{COMMANDS.get(name, ('', ''))[1].capitalize()}.\n")
        console.line("\n".join(["options:", *module.help_lines(name)]))
        return OK
    run: Callable[[str, Sequence[str]], int] = module.run
    _interrupt_on_terminate()
    return run(name, arguments)


def _usage() -> str:
    width = max(map(len, COMMANDS))
    return USAGE_TEXT.format(
        commands="\n".join(f"  {name.ljust(width)}  {text}" for name, (_, text) in COMMANDS.items())
    )


def _interrupt_on_terminate() -> None:
    """Treat SIGTERM like Ctrl-C, so that a service manager's stop also stops the robot and closes the files."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, interrupt)


def _disk_sentence(error: OSError) -> str:
    where = f" {error.filename}" if error.filename else ""
    remedies = {
        errno.ENOSPC: "free some space",
        errno.EACCES: "choose a folder that you may write to with --out",
        errno.EROFS: "choose a folder that can be written to with --out",
        errno.ENOTDIR: "choose another folder with --out",
    }
    remedy = remedies.get(error.errno or 0, "choose another folder with --out")
    reason = (error.strerror or str(error)).lower()
    return f"Cannot use{where}: {reason}; {remedy}, then run again (--resume continues a run)."


if __name__ == "__main__":
    sys.exit(main())
