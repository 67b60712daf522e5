"""No warning of Hydra's reaches a user, whichever version is installed; .ci/run has this file run with two of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hwsweep import conf_path
from hwsweep.hydra_versions import compose_in, instantiate

pytestmark = pytest.mark.filterwarnings("error")


def test_a_section_of_conf_becomes_an_object_without_a_warning() -> None:
    config = compose_in(conf_path(), "config", ["optimizer.lr=0.5"], return_hydra_config=True)
    assert config.hydra.job.config_name == "config"
    assert instantiate(config.optimizer, _partial_=True).keywords["lr"] == 0.5


def test_the_command_line_writes_no_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hwsweep", "--cfg", "job"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    assert "kl_weight: ${vae.lambda}" in ran.stdout
