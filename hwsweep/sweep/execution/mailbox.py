"""Messages between a job on another machine and its sweep: files in the job's folder, which both can reach."""

from __future__ import annotations

import json
from pathlib import Path

from hwsweep import run_folder
from hwsweep.sweep.execution.executor import AskedToPrune, Message, Reported

KINDS: dict[str, type[Reported] | type[AskedToPrune]] = {kind.__name__: kind for kind in (Reported, AskedToPrune)}


class Mailbox:
    """The job's messages, one JSON object a line, and the sweep's only answer: the file that says "pruned".

    Neither side waits for the other, because a network file system may take seconds to show a file.
    """

    def __init__(self, directory: Path) -> None:
        self.messages = directory / run_folder.MESSAGES
        self.pruned = directory / run_folder.PRUNED
        self.position = 0
        """How many bytes of the messages have been read."""

    def clear(self) -> None:
        """Remove all messages and the answer."""
        self.messages.unlink(missing_ok=True)
        self.pruned.unlink(missing_ok=True)
        self.position = 0

    def post(self, message: Message) -> None:
        """Send a message to the sweep; the file is closed, so that another machine can see it."""
        with self.messages.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": type(message).__name__, **message._asdict()}) + "\n")

    def read(self) -> list[Message]:
        """The messages that came since the last call."""
        try:
            with self.messages.open("rb") as file:
                file.seek(self.position)
                new = file.read()
        except FileNotFoundError:
            return []
        complete = new[: new.rfind(b"\n") + 1]  # the last line may be only half written
        self.position += len(complete)
        rows = [json.loads(line) for line in complete.splitlines()]
        return [KINDS[row.pop("kind")](**row) for row in rows]
