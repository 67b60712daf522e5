"""Signals as exits: a request first, then Interrupted; one line, an exit code, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from hwsweep.signals import Interrupted, StopRequest, exit_on_signals

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_is_recorded_and_the_second_interrupts(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest("why") as request:
        assert request.signal is None
        os.kill(os.getpid(), number)
        assert request.signal == number
        with pytest.raises(Interrupted) as interrupted:
            os.kill(os.getpid(), signal.SIGINT)
    assert (interrupted.value.code, interrupted.value.message) == (128 + number, "why")
    assert signal.getsignal(number) is before


PROGRAM = """
import atexit, os, signal, sys
from hwsweep.signals import exit_on_signals
def send(): os.kill(os.getpid(), {number})
with exit_on_signals():
    try:
        with exit_on_signals():
            {inside}
    finally:
        print("in order")
{after}
"""


def run(number: int, inside: str = "pass", after: str = "") -> tuple[int, list[str], list[str]]:
    program = PROGRAM.format(number=number, inside=inside, after=after)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_is_one_line_and_128_more_than_its_number(number: int) -> None:
    assert run(number, inside="send()") == (128 + number, ["in order"], ["interrupted"])


def test_a_signal_while_the_interpreter_ends_is_no_traceback() -> None:
    program = "atexit.register(print, 'too late'); atexit.register(send)"
    # atexit calls the last first: what is registered after the block, runs before its measure
    code, _, errors = run(signal.SIGTERM, inside=program)
    assert (code, errors) == (143, [])


def test_nohup_is_respected_but_not_a_background_that_ignores_ctrl_c() -> None:
    ignore = "import signal; [signal.signal(n, signal.SIG_IGN) for n in (signal.SIGHUP, signal.SIGINT)]"
    assert run(signal.SIGHUP, inside="pass", after="")[0] == 0
    for number, code in ((signal.SIGHUP, 0), (signal.SIGINT, 130)):
        program = f"{ignore}{PROGRAM.format(number=number, inside='send()', after='')}"
        assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == code


RECORD = """
import os, signal, time
from hwsweep.signals import SignalRecord
record = SignalRecord()
signal.signal(signal.SIGTERM, lambda number, frame: None)
if (child := os.fork()) == 0:
    time.sleep(60)
time.sleep(0.1)
os.kill(child, signal.SIGTERM)
time.sleep(0.1)
print(record.first())
os.kill(os.getpid(), signal.SIGTERM)
print(record.first() == signal.SIGTERM)
os.kill(child, signal.SIGKILL)
"""


def test_a_record_has_the_signals_of_this_process_whatever_its_handlers_do() -> None:
    done = subprocess.run([sys.executable, "-c", RECORD], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "True"]


def test_a_signal_that_a_library_swallows_while_a_program_starts_still_ends_it() -> None:
    program = (
        "import os, signal\nfrom hwsweep.signals import end_on_signals\n"
        "class Lost:\n    def __del__(self): os.kill(os.getpid(), signal.SIGTERM); [None for _ in range(9)]\n"
        "with end_on_signals():\n    Lost()\nprint('goes on')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "interrupted\n")


def test_a_sweep_stops_for_a_signal_whose_exception_was_lost() -> None:
    with pytest.raises(Interrupted), exit_on_signals():
        with suppress(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)
        with StopRequest("why") as request:
            assert request.signal == signal.SIGTERM
        raise Interrupted(signal.SIGTERM)
    with StopRequest("why") as request:
        assert request.signal is None
