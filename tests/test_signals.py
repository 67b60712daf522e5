"""StopRequest: the first signal is a request, the second one interrupts."""

from __future__ import annotations

import os
import signal

import pytest

from hwsweep.signals import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_recorded_and_the_second_interrupts(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest() as request:
        assert request.signal is None
        os.kill(os.getpid(), number)
        assert request.signal == number
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(number) is before
