"""The command-line option `--uri` of the programs that open an existing MLflow store. Light: it imports no MLflow."""

from __future__ import annotations

import argparse

from omegaconf import OmegaConf

from hwsweep import conf_path


def parser_with_store(prog: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """A parser whose result has `uri` and `artifacts`, by default those of conf."""
    defaults = OmegaConf.load(conf_path() / "config.yaml").tracking
    parser = argparse.ArgumentParser(
        prog=prog, description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--uri", default=defaults.uri, help="the MLflow store (default: %(default)s)")
    parser.set_defaults(artifacts=defaults.artifacts)
    return parser
