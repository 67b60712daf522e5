"""The setting `params`: its values as override strings, without secrets of the environment."""

from __future__ import annotations

from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from hwsweep.sweep.hydra_internals import environment_as_written


def params_of(config: DictConfig, resolved: dict[str, Any]) -> dict[str, Any]:
    """The resolved `params`, where a text of the environment stays `${oc.env:NAME}`: it may be a secret.

    A trial resolves it. A number or a list from the environment must be known before, and is resolved here.
    """
    with environment_as_written():
        written = OmegaConf.to_container(config.hydra.sweeper.params, resolve=True)
    assert isinstance(written, dict)
    return {key: _as_written(written[key], value) for key, value in resolved.items()}


def _as_written(written: Any, value: Any) -> Any:
    if isinstance(value, list):
        pairs = zip(written, value, strict=True)
        return [item if isinstance(item, str) else _as_written(item, inner) for item, inner in pairs]
    return _item_text(written) if written != value and _is_text(value) else value


def _is_text(value: Any) -> bool:
    """Whether Hydra's grammar reads exactly this text."""
    try:
        override = OverridesParser.create().parse_override(f"x={value}")
        return isinstance(value, str) and not override.is_sweep_override() and bool(override.value() == value)
    except HydraException:
        return False


def override_line(key: str, value: Any) -> str:
    """An override as text; a list in YAML is swept over its items, each of the type that it has there."""
    if isinstance(value, list):
        return f"{key}={','.join(map(_item_text, value))}"
    return f"{key}={'null' if value is None else value}"


def _item_text(value: Any) -> str:
    """What Hydra's grammar reads as this value."""
    if isinstance(value, list):
        return f"[{','.join(map(_item_text, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{_item_text(key)}:{_item_text(item)}' for key, item in value.items())}}}"
    if value is None or isinstance(value, bool | int | float):
        return "null" if value is None else str(value)
    text = str(value)  # a backslash at the end would escape the comma that follows
    is_same = text != "" and "\\" not in text and _is_text(text)
    return text if is_same else QuotedString(text, Quote.single).with_quotes()
