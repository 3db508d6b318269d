"""A run's folder: calls are written whole or not at all, so that a run can be gone on with.

::

    RUN/run.json               what was asked, of which agent, on which machine
    RUN/calls/0000/call.json   what the caller did and when
    RUN/calls/0000/audio.flac  left: the caller as sent; right: the agent as heard
    RUN/calls/0000/agent.jsonl what the agent told; may be deleted
    RUN/usage.jsonl            CPU and memory of the agent, once a second
    RUN/report.json, report.html
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from turnkit.errors import RunError
from turnkit.files import atomic_path
from turnkit.lab.checked import USAGE_KEYS, checked_plan, checked_record, is_number
from turnkit.lab.records import RATE, AgentLog, CallRecord, CallRecording, Ping

PLAN = "run.json"
CALL, AUDIO, LOG = "call.json", "audio.flac", "agent.jsonl"
USAGE = "usage.jsonl"


class RunFolder:
    """The folder of a run.

    Parameters
    ----------
    path : path-like
        Need not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def existing(cls, path: str | Path) -> RunFolder:
        """Open the folder of a run that was begun.

        Raises
        ------
        RunError
            If it is none.
        """
        folder = cls(path)
        if not (folder.path / PLAN).is_file():
            raise RunError(f"{folder.path}: no run of calls; expected a folder with {PLAN}")
        return folder

    def read_plan(self) -> dict[str, Any]:
        """Read what was asked; empty if nothing was yet.

        Raises
        ------
        RunError
            If the file is damaged.
        """
        path = self.path / PLAN
        if not path.is_file():
            return {}
        try:
            return checked_plan(_read_json(path))
        except TypeError as error:
            raise RunError(f"{path}: {error}") from error

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Write what was asked."""
        self._write_json(self.path / PLAN, plan)

    def finished(self) -> list[int]:
        """Numbers of the calls that are there, in order."""
        calls = self.path / "calls"
        if not calls.is_dir():
            return []
        return sorted(int(each.name) for each in calls.iterdir() if each.name.isdecimal())

    def came_about(self) -> list[int]:
        """Numbers of the calls in which something happened, in order.

        A call that failed before anything was said tells nothing: it is placed again when
        the run goes on.

        Raises
        ------
        RunError
            If a record is damaged.
        """
        return [
            number
            for number in self.finished()
            if (record := self.read_record(number)).error is None or record.said
        ]

    def write_call(self, recording: CallRecording) -> None:
        """Keep a call: aside first, then under its name."""
        final = self.path / "calls" / f"{recording.record.number:04d}"
        aside = final.with_name(f".{final.name}")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        both = np.stack([recording.sent, recording.heard], axis=1)
        soundfile.write(aside / AUDIO, both, RATE, subtype="PCM_16")
        (aside / CALL).write_text(json.dumps(asdict(recording.record), indent=1) + "\n")
        lines = [
            *({"ping": [each.sent, each.came, each.agent]} for each in recording.log.pings),
            *({"came": came, "message": dict(each)} for came, each in recording.log.messages),
        ]
        (aside / LOG).write_text("".join(json.dumps(line) + "\n" for line in lines))
        shutil.rmtree(final, ignore_errors=True)
        aside.replace(final)

    def read_call(self, number: int) -> CallRecording:
        """Read a call; without the agent's log if that was deleted.

        Raises
        ------
        RunError
            If a file is missing or damaged; the message names it.
        """
        folder = self.path / "calls" / f"{number:04d}"
        try:
            both, rate = soundfile.read(folder / AUDIO, dtype="float32", always_2d=True)
        except (OSError, RuntimeError) as error:
            raise RunError(f"{folder / AUDIO}: cannot be read ({error})") from error
        if rate != RATE or both.shape[1] != 2:
            raise RunError(f"{folder / AUDIO}: expected two channels at {RATE} Hz")
        sent, heard = (np.array(both[:, side], dtype=np.float32) for side in (0, 1))
        return CallRecording(self.read_record(number), sent, heard, self.read_log(number))

    def read_record(self, number: int) -> CallRecord:
        """Read what is kept of a call without its audio; raises as `read_call`."""
        return _read_record(self.path / "calls" / f"{number:04d}" / CALL, number)

    def read_log(self, number: int) -> AgentLog:
        """Read what the agent told in a call, or nothing; raises as `read_call`."""
        return _read_log(self.path / "calls" / f"{number:04d}" / LOG)

    def calls(self) -> Iterator[CallRecording]:
        """Read all calls, in order.

        Raises
        ------
        RunError
            As `read_call`.
        """
        return map(self.read_call, self.finished())

    def note_usage(self, line: Mapping[str, float]) -> None:
        """Add a line on the agent's CPU and memory."""
        with (self.path / USAGE).open("ab+") as file:
            # A run that was killed may have left half a line.
            if file.seek(0, os.SEEK_END) and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
                file.write(b"\n")
            file.write(json.dumps(dict(line)).encode() + b"\n")

    def read_usage(self) -> list[dict[str, float]]:
        """Read CPU and memory of the agent, without lines that cannot be read.

        Empty for an agent that runs elsewhere.
        """
        path = self.path / USAGE
        if not path.is_file():
            return []
        lines = path.read_text("utf-8", errors="replace").splitlines()
        return [usage for line in lines if (usage := _usage(line)) is not None]

    def write_json(self, name: str, content: Any) -> None:
        """Write a file of results."""
        self._write_json(self.path / name, content)

    def _write_json(self, path: Path, content: Any) -> None:
        with atomic_path(path) as aside:
            aside.write_text(json.dumps(content, indent=1) + "\n")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error})") from error


def _read_record(path: Path, number: int) -> CallRecord:
    content = _read_json(path)
    try:
        return checked_record(content, number)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise RunError(f"{path}: not the record of a call ({error})") from error


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Lines of a log; a last one that was cut off is left out."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise RunError(f"{path}: cannot be read ({error})") from error
    for number, line in enumerate(lines, start=1):
        try:
            content = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                return
            raise RunError(f"{path}: line {number} cannot be read ({error})") from error
        if not isinstance(content, dict):
            raise RunError(f"{path}: line {number}: expected an object")
        yield content


def _usage(line: str) -> dict[str, float] | None:
    """Read a line of numbers; None if it is none."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    whole = all(key in content for key in USAGE_KEYS)
    return content if whole and all(map(is_number, content.values())) else None


def _read_log(path: Path) -> AgentLog:
    if not path.is_file():
        return AgentLog()
    messages, pings = [], []
    for number, line in enumerate(_lines(path), start=1):
        try:
            if "ping" in line:
                pings.append(Ping(*map(float, line["ping"])))
            else:
                if not isinstance(line["message"], dict):
                    raise TypeError("message: expected an object")
                messages.append((float(line["came"]), line["message"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise RunError(f"{path}: line {number}: not what an agent tells ({error})") from error
    return AgentLog(tuple(messages), tuple(pings))
