"""What a run on another machine and its sweep say to each other: files in the run's folder, which both can reach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hwsweep import run_folder


class Mailbox:
    """The messages of one run, as they went through a pipe here, and the sweep's one answer: that it is given up.

    Nobody waits for the other: a network file system may take seconds to show a file.
    """

    def __init__(self, directory: Path) -> None:
        self.messages = directory / run_folder.MESSAGES
        self.pruned = directory / run_folder.PRUNED
        self.read_to = 0

    def clear(self) -> None:
        """Forget what was said."""
        self.messages.unlink(missing_ok=True)
        self.pruned.unlink(missing_ok=True)
        self.read_to = 0

    def post(self, message: tuple[Any, ...]) -> None:
        """Say something to the sweep; the file is closed, so that another machine may see it."""
        with self.messages.open("a", encoding="utf-8") as file:
            file.write(json.dumps(message) + "\n")

    def read(self) -> list[tuple[Any, ...]]:
        """What has been said since the last call."""
        try:
            with self.messages.open("rb") as file:
                file.seek(self.read_to)
                new = file.read()
        except FileNotFoundError:
            return []
        whole = new[: new.rfind(b"\n") + 1]  # the last line may not be written to its end
        self.read_to += len(whole)
        return [tuple(json.loads(line)) for line in whole.splitlines()]
