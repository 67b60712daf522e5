from __future__ import annotations

from types import SimpleNamespace

import pytest

from hwsweep.sweep import SweepError
from hwsweep.sweep.execution import devices
from hwsweep.sweep.execution.devices import slot_environments


@pytest.mark.parametrize(
    ("devices", "n_jobs", "each", "expected"),
    [
        ("0,1", 2, 1, ["0", "1"]),
        ("4,7", 4, 0.5, ["4", "4", "7", "7"]),
        ("0", 3, 1 / 3, ["0", "0", "0"]),
        ("0,1,2,3", 2, 2, ["0,1", "2,3"]),
        ("0,1,2,3", 2, 1.5, ["0,1", "2,3"]),  # a slot gets whole devices
        ("0,1", 3, 0.4, ["0", "0", "1"]),  # two fit on a device, not 2.5
    ],
)
def test_slots_share_the_devices(
    devices: str, n_jobs: int, each: float, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", devices)
    assert slot_environments(n_jobs, each) == [{"CUDA_VISIBLE_DEVICES": slot} for slot in expected]


def test_more_devices_than_there_are_is_refused_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(SweepError, match="n_jobs=3 with 1 GPUs each needs 3 GPUs, but 2 are visible"):
        slot_environments(3, 1)
    with pytest.raises(SweepError, match="above 0"):
        slot_environments(1, 0)


def test_the_devices_of_a_slot_come_from_those_visible_to_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b, 3")
    assert slot_environments(2, 1) == [{"CUDA_VISIBLE_DEVICES": "GPU-b"}, {"CUDA_VISIBLE_DEVICES": "3"}]
    assert slot_environments(2, None) == [{}, {}]


@pytest.mark.parametrize(
    ("n_runs", "cores", "gibibytes", "gpus", "device", "expected"),
    [
        (100, 4, 64, "", "auto", 5),  # one more than cores: while a run waits for the disk, another computes
        (3, 4, 64, "", "auto", 3),
        (100, 64, 256, "", "auto", 8),
        (100, 4, 7, "", "auto", 3),
        (100, 4, 1, "", "auto", 1),
        (100, 4, 64, "0", "auto", 1),
        (100, 4, 64, "0", "cpu", 5),
    ],
)
def test_as_many_runs_at_once_as_cores_and_memory_carry(
    monkeypatch: pytest.MonkeyPatch, n_runs: int, cores: int, gibibytes: int, gpus: str, device: str, expected: int
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(devices, "usable_cores", lambda: cores)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=gibibytes * 2**30))
    assert devices.default_n_jobs(n_runs, device) == expected


@pytest.mark.parametrize(("visible", "expected"), [("-1", []), ("", []), ("2,-1,3", ["2"]), ("2, 3", ["2", "3"])])
def test_cuda_ends_the_list_of_its_devices_at_the_first_that_is_none(
    visible: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.visible_devices() == expected
