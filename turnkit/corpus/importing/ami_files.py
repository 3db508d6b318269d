"""Annotations of the AMI Meeting Corpus by hand (NXT XML), as its archive lays them out.

::

    words/ES2002a.A.words.xml               words of participant A, with times
    segments/ES2002a.A.segments.xml         stretches of speech, pointing at words
    dialogueActs/ES2002a.A.dialog-act.xml   dialogue acts, pointing at words
    corpusResources/meetings.xml            who A is, and which headset A wore

Only the words are needed (Carletta et al. 2005; manual annotations 1.6.2 and 1.7).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from turnkit.corpus.importing.annotation import Label, make_label
from turnkit.errors import CorpusError

BACKCHANNEL_ACT = "ami_da_1"
"""Dialogue act of the types' file that is called backchannel."""

_NITE = "{http://nite.sourceforge.net/}"
_RANGE = re.compile(r"#id\(([^)]+)\)(?:\.\.id\(([^)]+)\))?")
_WORDS = re.compile(r"(?P<meeting>\w+)\.(?P<agent>[A-Z])\.words\.xml")


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody in a meeting.

    Attributes
    ----------
    meeting : str
        Such as ``ES2002a``.
    agent : str
        Letter in the names of files.
    speaker : str
        The same person in every meeting.
    headset : int
        Number in the name of the recording.
    """

    meeting: str
    agent: str
    speaker: str
    headset: int


@dataclass(frozen=True, slots=True)
class Said:
    """What a participant said.

    Attributes
    ----------
    labels : list of Label
        Words and, as labels that are no words, punctuation; whole segments where a word
        in them has no time.
    backchannels : list of Label
        Those among the words that were marked as backchannels.
    untimed : int
        Words without a time that no segment gave one to.
    """

    labels: list[Label]
    backchannels: list[Label]
    untimed: int


class AmiFiles:
    """The annotations below a folder, wherever they are in it.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    CorpusError
        If there are no words.
    """

    def __init__(self, folder: Path) -> None:
        self.files = {path.name: path for path in sorted(folder.rglob("*")) if path.is_file()}
        known = _participants(self.files.get("meetings.xml"))
        self.meetings: dict[str, list[Participant]] = {}
        for name in self.files:
            found = _WORDS.fullmatch(name)
            if found is not None:
                meeting, agent = found["meeting"], found["agent"]
                unknown = Participant(meeting, agent, f"{meeting}-{agent}", ord(agent) - ord("A"))
                each = known.get((meeting, agent), unknown)
                self.meetings.setdefault(meeting, []).append(each)
        if not self.meetings:
            raise CorpusError(
                f"{folder}: no files such as words/ES2002a.A.words.xml; expected the manual "
                "annotations of the AMI corpus and its recordings, such as "
                "ES2002a/audio/ES2002a.Headset-0.wav. The hub's edinburghcstr/ami has "
                "utterances without the silences between them, of which no turns can be made"
            )

    def read(self, who: Participant) -> Said:
        """Read what a participant said.

        Raises
        ------
        CorpusError
            If a file cannot be read.
        """
        prefix = f"{who.meeting}.{who.agent}"
        path = self.files[f"{prefix}.words.xml"]
        items = list(_parse(path))
        ids = {item.get(f"{_NITE}id", ""): number for number, item in enumerate(items)}
        acts = self.files.get(f"{prefix}.dialog-act.xml")
        segments = self.files.get(f"{prefix}.segments.xml")
        marked = _marked(acts, ids) if acts else set[int]()
        labels: list[Label] = []
        backchannels: list[Label] = []
        lost = set[int]()
        for number, item in enumerate(items):
            if item.tag != "w":
                continue
            label = _word(path, who.agent, item)
            if label is not None:
                labels.append(label)
                if number in marked and label.is_word:
                    backchannels.append(label)
            elif item.get("punc") != "true":
                lost.add(number)
        if segments and lost:
            whole, lost = _segments(segments, who.agent, items, ids, lost)
            labels += whole
        return Said(sorted(labels, key=lambda e: (e.start, e.end)), backchannels, len(lost))


def _parse(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise CorpusError(f"{path}: cannot be read as XML ({error})") from error


def _participants(path: Path | None) -> dict[tuple[str, str], Participant]:
    found = {}
    for meeting in _parse(path).iter("meeting") if path else ():
        name = meeting.get("observation", "")
        for number, item in enumerate(meeting.iter("speaker")):
            agent, channel = item.get("nxt_agent", ""), item.get("channel", "")
            speaker = item.get("global_name") or f"{name}-{agent}"
            headset = int(channel) if channel.isdecimal() else number
            found[name, agent] = Participant(name, agent, speaker, headset)
    return found


def _word(path: Path, agent: str, item: ElementTree.Element) -> Label | None:
    """Make the label of a word; None if it has no times."""
    start, end, text = item.get("starttime"), item.get("endtime"), (item.text or "").strip()
    if start is None or end is None or not text:
        return None
    if item.get("trunc") == "true":
        text += "-"
    where = f"{path}, {item.get(f'{_NITE}id')}"
    return make_label(where, agent, start, end, text, is_word=item.get("punc") != "true")


def _children(item: ElementTree.Element, ids: Mapping[str, int]) -> Iterator[int]:
    """Numbers of the words that an element points at."""
    for child in item.iter(f"{_NITE}child"):
        found = _RANGE.search(child.get("href", ""))
        if found and found[1] in ids and (found[2] or found[1]) in ids:
            yield from range(ids[found[1]], ids[found[2] or found[1]] + 1)


def _marked(path: Path, ids: Mapping[str, int]) -> set[int]:
    """Find the words that are in backchannels."""
    found = set[int]()
    for act in _parse(path).iter("dact"):
        kinds = [p.get("href", "") for p in act.iter(f"{_NITE}pointer")]
        if any(f"#id({BACKCHANNEL_ACT})" in kind for kind in kinds):
            found.update(_children(act, ids))
    return found


def _segments(
    path: Path,
    agent: str,
    items: Sequence[ElementTree.Element],
    ids: Mapping[str, int],
    lost: set[int],
) -> tuple[list[Label], set[int]]:
    """Stand in for words without times: the segments they are in, and which are in none."""
    found, rest = [], set(lost)
    for segment in _parse(path).iter("segment"):
        missing = set(_children(segment, ids)) & lost
        start, end = segment.get("transcriber_start"), segment.get("transcriber_end")
        if missing and start is not None and end is not None:
            text = " ".join((items[number].text or "").strip() for number in sorted(missing))
            where = f"{path}, {segment.get(f'{_NITE}id')}"
            found.append(make_label(where, agent, start, end, text))
            rest -= missing
    return found, rest
