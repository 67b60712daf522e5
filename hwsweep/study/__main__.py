# PYTHON_ARGCOMPLETE_OK
"""`python -m hwsweep.study NAME`: how a study stands; with a command, change it while it runs or between two starts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsweep.signals import exit_on_signals
from hwsweep.study.completion import completed, completes, ended, keys, names, unfinished

if TYPE_CHECKING:
    from hwsweep.sweep.study.steering import SteeredStudy

PROGRAM = "python -m hwsweep.study"
EXAMPLES = f"""\
examples:
  {PROGRAM} night                                    state, queue, best value, time left
  {PROGRAM} night add vae.lambda=7 vae.latent=10     one more trial
  {PROGRAM} night widen vae.lambda=0.001,0.003       further values of a list that is swept
  {PROGRAM} night retry failed
  {PROGRAM} night replicate --top 5 --seeds 3        the best five again, with three further seeds each
  {PROGRAM} night stop 7
  {PROGRAM} list                                     all studies under outputs/

A sweep that runs takes a change up within a second; else the next start of its command does, also after its end.
"""


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0, or 2 if the study cannot be read or changed that way."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    if completes(parser):
        return 0
    if arguments[:1] == ["list"]:
        return _run(lambda chosen: _list(chosen.folder), _list_parser().parse_args(arguments[1:]))
    if arguments[:1] and arguments[0] in COMMANDS and {"-h", "--help"} & {*arguments}:
        arguments = ["NAME", *arguments]
    chosen = parser.parse_args(arguments)
    return _run(_change if chosen.command else _status, chosen)


def _run(action: Callable[[argparse.Namespace], list[str]], chosen: argparse.Namespace) -> int:
    """Print the lines of the action, or the one of its error; the exit code."""
    from omegaconf.errors import OmegaConfBaseException

    from hwsweep.sweep import SweepError

    try:
        lines = action(chosen)
    except (SweepError, OmegaConfBaseException) as error:
        print(f"hwsweep: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        if not type(error).__module__.startswith(("sqlalchemy", "psycopg")):  # a database that cannot be reached now
            raise
        print(f"hwsweep: the study's storage gives no answer: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0


def _status(chosen: argparse.Namespace) -> list[str]:
    from hwsweep.study.status import status

    return status(_open(chosen.study))


def _change(chosen: argparse.Namespace) -> list[str]:
    """What the command has changed, in sentences."""
    study = _open(chosen.study)
    changed: str | list[str] = COMMANDS[chosen.command](study, chosen)
    return [changed] if isinstance(changed, str) else changed


def _list(folder: Path) -> list[str]:
    from hwsweep.study.status import studies

    return studies(folder)


def _open(name: str) -> SteeredStudy:
    from hwsweep.study.study_folder import study_folder
    from hwsweep.sweep import SweepError
    from hwsweep.sweep.study.steering import open_study

    try:
        directory = study_folder(name)
    except SweepError as error:
        if name in COMMANDS:
            raise SweepError(f"the study comes first: {PROGRAM} NAME {name} ...") from error
        raise
    return open_study(directory)


def _add(study: SteeredStudy, chosen: argparse.Namespace) -> str:
    from hwsweep.sweep import SweepError
    from hwsweep.sweep.study.added_trials import add
    from hwsweep.sweep.study.steering import read_values

    values = read_values(study, chosen.values)
    for key, listed in values.items():
        if len(listed) > 1:
            raise SweepError(f"{key} gets {len(listed)} values, but a point has one of each; `widen` adds several")
    return add(study, {key: listed[0] for key, listed in values.items()})


def _widen(study: SteeredStudy, chosen: argparse.Namespace) -> list[str]:
    from hwsweep.sweep.study.plan_changes import widen
    from hwsweep.sweep.study.steering import read_values

    return widen(study, read_values(study, chosen.values))


def _retry(study: SteeredStudy, chosen: argparse.Namespace) -> str:
    from hwsweep.sweep.study.added_trials import retry

    return retry(study, None if chosen.trials == ["failed"] else _numbers(chosen.trials, " or the word failed"))


def _stop(study: SteeredStudy, chosen: argparse.Namespace) -> list[str]:
    from hwsweep.sweep.study.plan_changes import stop

    return stop(study, _numbers(chosen.trials))


def _replicate(study: SteeredStudy, chosen: argparse.Namespace) -> str:
    from hwsweep.sweep.study.added_trials import replicate

    return replicate(study, chosen.top, chosen.seeds)


def _n_trials(study: SteeredStudy, chosen: argparse.Namespace) -> str:
    from hwsweep.sweep.study.plan_changes import set_n_trials

    return set_n_trials(study, chosen.number)


def _pause(study: SteeredStudy, chosen: argparse.Namespace) -> str:
    from hwsweep.sweep.study.plan_changes import hold

    return hold(study, held=True)


def _resume(study: SteeredStudy, chosen: argparse.Namespace) -> str:
    from hwsweep.sweep.study.plan_changes import hold

    return hold(study, held=False)


def _note(study: SteeredStudy, chosen: argparse.Namespace) -> str:
    from hwsweep.sweep.study.plan_changes import set_note

    return set_note(study, chosen.text)


COMMANDS: dict[str, Callable[[SteeredStudy, argparse.Namespace], Any]] = {
    "add": _add,
    "widen": _widen,
    "n_trials": _n_trials,
    "retry": _retry,
    "replicate": _replicate,
    "stop": _stop,
    "pause": _pause,
    "resume": _resume,
    "note": _note,
}


def _numbers(words: list[str], more: str = "") -> list[int]:
    """The numbers of trials.

    Raises:
        SweepError: a word is none.
    """
    from hwsweep.sweep import SweepError

    if wrong := [word for word in words if not word.isdecimal()]:
        raise SweepError(f"{wrong[0]} is no trial; write the numbers of trials{more}, as in 4 7")
    return list(dict.fromkeys(map(int, words)))


def _count(word: str) -> int:
    """A number from 1 on, for argparse."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number >= 1, but got {word!r}")
    return int(word)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Show how a study stands, or change it: while it runs, or between two starts.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completed(
        parser.add_argument("study", help="a study's folder, or its name under outputs/; `list` shows all"), names
    )
    commands = parser.add_subparsers(
        dest="command", metavar="command", title="commands", prog=f"{PROGRAM} NAME", help="without one: the status"
    )

    def command(name: str, help: str, more: str = "") -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}. {more}".strip())

    add = command("add", "add a trial at a point", "A grid takes any value; a sampler chooses what is not given.")
    completed(add.add_argument("values", nargs="+", metavar="KEY=VALUE", help="for each swept key"), keys)
    widen = command("widen", "add values to lists of a grid", "The new points follow the old ones.")
    completed(widen.add_argument("values", nargs="+", metavar="KEY=VALUES", help="as in vae.lambda=2,5"), keys)
    n_trials = command("n_trials", "set the number of trials", "Trials that were added come on top.")
    n_trials.add_argument("number", type=_count)
    retry = command("retry", "run trials again that failed, were pruned or stopped", "Each gets a new number.")
    completed(retry.add_argument("trials", nargs="+", metavar="N", help="numbers of trials, or: failed"), ended)
    replicate = command("replicate", "run the best trials again with other seeds")
    replicate.add_argument("--top", type=_count, required=True, metavar="K", help="how many of the best trials")
    replicate.add_argument("--seeds", type=_count, required=True, metavar="M", help="further seeds of each")
    stop = command("stop", "end trials that run or wait", "They count as pruned.")
    completed(stop.add_argument("trials", nargs="+", metavar="N", help="numbers of trials"), unfinished)
    command("pause", "start no trial any more", "What runs goes on.")
    command("resume", "start trials again after `pause`")
    command("note", "note something about the study", "It is shown with it.").add_argument("text", help='"" removes it')
    return parser


def _list_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} list", description="Show all studies of a folder.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("outputs"), help="by default outputs/")
    return parser


if __name__ == "__main__":
    with exit_on_signals():
        sys.exit(main())
