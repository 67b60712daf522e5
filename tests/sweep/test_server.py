from __future__ import annotations

from importlib.util import find_spec

import pytest
from hydra import compose, initialize_config_dir

from hwsweep.conf_path import conf_path


@pytest.mark.filterwarnings("ignore:The version_base parameter is deprecated")  # Hydra 1.4
def test_what_the_configuration_preloads_is_there() -> None:
    """The fork server passes over a module that it cannot import: each trial would do without, and be slower."""
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_path())):
        config = compose("config", return_hydra_config=True)
    assert len(config.hydra.sweeper.preload) > 0
    assert [name for name in config.hydra.sweeper.preload if find_spec(name) is None] == []
