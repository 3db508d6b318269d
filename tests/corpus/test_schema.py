from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from turnkit.corpus.schema import Message, Span, Turn, Word, parse_row
from turnkit.errors import SchemaError

MakeRow = Callable[..., dict[str, Any]]


def encoded(samples: Any, rate: int = 16_000, subtype: str | None = None) -> dict[str, Any]:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return {"bytes": file.getvalue(), "path": None}


def refusal(row: dict[str, Any]) -> SchemaError:
    with pytest.raises(SchemaError) as caught:
        parse_row(row, 7)
    return caught.value


def test_a_row_of_the_benchmark_needs_no_more_than_its_four_fields(make_row: MakeRow) -> None:
    turn = parse_row(make_row(), 0)
    assert (turn.id, turn.language, turn.speaker, turn.transcript) == ("a-001", "en", None, None)
    assert turn.sample_rate == 16_000
    assert turn.samples.dtype == np.float32
    assert turn.duration == 3.0
    assert turn.spans == (Span(0.8, 1.3), Span(2.0, 3.0))
    assert turn.end == Span(2.0, 3.0)
    assert turn.holds == turn.pauses == (Span(0.8, 1.3),)


def test_optional_fields(make_row: MakeRow) -> None:
    row = make_row(
        speaker="s1",
        recording="call 7",
        transcript="so um yes",
        words=[{"word": "so", "start": 0.1, "end": 0.4}],
        messages=[{"role": "assistant", "content": "Ready?"}, {"role": "tool", "content": None}],
        tags=["digits", "accent:gb", "digits"],
        gender="female",
    )
    turn = parse_row(row, 0)
    assert turn.tags == {"digits", "accent:gb"}
    assert (turn.speaker, turn.recording) == ("s1", "call 7")
    assert turn.transcript == "so um yes"
    assert turn.words == (Word("so", 0.1, 0.4),)
    assert turn.messages == (Message("assistant", "Ready?"), Message("tool", ""))


@pytest.mark.parametrize("field", ["id", "language", "audio", "silence_spans"])
@pytest.mark.parametrize("how", ["absent", "none"])
def test_a_missing_field_is_named_and_so_is_the_row(
    make_row: MakeRow, field: str, how: str
) -> None:
    row = make_row()
    if how == "absent":
        del row[field]
    else:
        row[field] = None
    error = refusal(row)
    assert error.field == field
    assert error.row == ("number 7" if field == "id" else "a-001")
    assert "missing" in str(error)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("id", "", "not empty"),
        ("id", 1.5, "expected a text"),
        ("language", True, "expected a text"),
        ("tags", "digits", "expected a list"),
        ("tags", ["digits", ""], "not empty"),
        ("tags", [8], "expected texts"),
        ("speaker", ["s1"], "expected a text"),
        ("recording", 1.5, "expected a text"),
        ("transcript", {"text": "hi"}, "expected a text"),
        ("silence_spans", [], "end of the turn"),
        ("silence_spans", 3, "expected a list"),
        ("silence_spans", "0.8-1.3", "expected a list"),
        ("silence_spans", [0.8, 1.3], "expected seconds"),
        ("silence_spans", [{"start": 0.8}], "end is None"),
        ("silence_spans", [{"start": "0.8", "end": 1.3}], "start is '0.8'"),
        ("silence_spans", [{"start": True, "end": 1.3}], "start is True"),
        ("silence_spans", [{"start": math.nan, "end": 1.3}], "start is nan"),
        ("silence_spans", [{"start": -0.1, "end": 1.3}], "0 or more"),
        ("silence_spans", [{"start": 1.3, "end": 1.3}], "empty"),
        ("silence_spans", [{"start": 1.3, "end": 0.8}], "empty"),
        ("silence_spans", [{"start": 2.0, "end": 3.06}], "audio at 3.000"),
        ("silence_spans", [{"start": 3.01, "end": 3.04}], "empty"),
        (
            "silence_spans",
            [{"start": 2.0, "end": 2.5}, {"start": 0.8, "end": 1.3}],
            "span 1 starts at 0.800",
        ),
        (
            "silence_spans",
            [{"start": 0.8, "end": 2.1}, {"start": 2.0, "end": 3.0}],
            "before the end of the one before it",
        ),
        ("words", [{"word": 3, "start": 0.0, "end": 1.0}], "word 0"),
        ("words", [{"word": "so", "start": 1.0, "end": 0.5}], "ends before it starts"),
        ("words", "so um yes", "expected a list"),
        ("messages", [{"role": "user"}, "hello"], "message 1"),
        ("messages", [{"role": None, "content": "x"}], "message 0"),
        ("audio", 5, "expected encoded bytes"),
        ("audio", {"bytes": None, "path": None}, "expected encoded bytes"),
        ("audio", {"bytes": b"", "path": None}, "cannot be decoded"),
        ("audio", {"bytes": b"RIFF not a sound", "path": None}, "cannot be decoded"),
        ("audio", {"bytes": None, "path": "/nowhere/a.wav"}, "/nowhere/a.wav"),
        ("audio", {"array": [0.0, 0.1], "sampling_rate": 3_999}, "3999"),
        ("audio", {"array": [0.0, 0.1], "sampling_rate": None}, "sample rate"),
        ("audio", {"array": [0.0, math.nan], "sampling_rate": 16_000}, "sample 1"),
        ("audio", {"array": [], "sampling_rate": 16_000}, "no samples"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    make_row: MakeRow, field: str, value: Any, told: str
) -> None:
    error = refusal(make_row() | {field: value})
    assert error.field == field
    assert error.row == ("a-001" if field != "id" else ("1.5" if value else "number 7"))
    assert told in str(error)


def test_truncated_flac(make_row: MakeRow) -> None:
    row = make_row()
    whole = row["audio"]["bytes"]
    for kept in (0.3, 0.9):
        row["audio"] = {"bytes": whole[: int(kept * len(whole))], "path": None}
        assert refusal(row).field == "audio"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers(make_row: MakeRow, value: float) -> None:
    samples = np.zeros(48_000, dtype=np.float32)
    samples[1_000] = value
    error = refusal(make_row() | {"audio": encoded(samples, subtype="FLOAT")})
    assert (error.field, "sample 1000" in str(error)) == ("audio", True)


def test_sound_without_samples(make_row: MakeRow) -> None:
    error = refusal(make_row() | {"audio": encoded(np.zeros(0))})
    assert (error.field, "no samples" in str(error)) == ("audio", True)


@pytest.mark.parametrize("rate", [1_000, 3_999])
def test_rates_that_cannot_be_used(make_row: MakeRow, rate: int) -> None:
    error = refusal(make_row() | {"audio": encoded(np.zeros(3 * rate), rate)})
    assert (error.field, str(rate) in str(error)) == ("audio", True)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_any_other_rate_and_any_number_of_channels(make_row: MakeRow, rate: int) -> None:
    stereo = np.stack([np.full(3 * rate, 0.25), np.zeros(3 * rate)], axis=1)
    turn = parse_row(make_row() | {"audio": encoded(stereo, rate)}, 0)
    assert turn.sample_rate == rate
    assert turn.samples.shape == (3 * rate,)
    np.testing.assert_allclose(turn.samples, 0.125, atol=1e-4)


def test_audio_comes_as_bytes_path_or_array(make_row: MakeRow, tmp_path: Path) -> None:
    row = make_row()
    expected = parse_row(row, 0).samples
    path = tmp_path / "a.flac"
    path.write_bytes(row["audio"]["bytes"])
    forms = (
        row["audio"]["bytes"],
        str(path),
        {"bytes": None, "path": str(path)},
        {"array": expected.tolist(), "sampling_rate": 16_000},
    )
    for audio in forms:
        np.testing.assert_array_equal(parse_row(row | {"audio": audio}, 0).samples, expected)


def test_spans_may_be_stored_as_a_struct_of_lists(make_row: MakeRow) -> None:
    columns = {"start": [0.8, 2.0], "end": [1.3, 3.0]}
    turn = parse_row(make_row() | {"silence_spans": columns}, 0)
    assert turn.spans == (Span(0.8, 1.3), Span(2.0, 3.0))
    uneven = {"start": [0.8, 2.0], "end": [1.3]}
    assert refusal(make_row() | {"silence_spans": uneven}).field == "silence_spans"


def test_a_span_may_overrun_its_audio_by_50_ms_and_is_cut(make_row: MakeRow) -> None:
    turn = parse_row(make_row() | {"silence_spans": [{"start": 2.0, "end": 3.049}]}, 0)
    assert turn.end == Span(2.0, 3.0)


def test_short_spans_are_dropped_but_never_the_end_of_the_turn(make_row: MakeRow) -> None:
    bounds = [(0.2, 0.29), (0.5, 0.6), (1.0, 1.15), (1.5, 1.7), (2.95, 3.0)]
    spans = [{"start": start, "end": end} for start, end in bounds]
    turn = parse_row(make_row() | {"silence_spans": spans}, 0)
    assert [span.start for span in turn.spans] == [0.5, 1.0, 1.5, 2.95]
    assert [span.start for span in turn.holds] == [1.5]
    assert turn.end.start == 2.95


def test_float32_spans_keep_their_nominal_length(make_row: MakeRow) -> None:
    # 4.6 - 4.5 is 0.0999999 in float32: still a tenth of a second.
    spans = [(4.5, 4.6), (5.1, 5.3), (6.0, 7.0)]
    stored = [{"start": float(np.float32(a)), "end": float(np.float32(b))} for a, b in spans]
    turn = parse_row(make_row(seconds=7.0) | {"silence_spans": stored}, 0)
    assert len(turn.spans) == 3
    assert [span.start for span in turn.holds] == [pytest.approx(5.1)]


def test_a_hold_over_five_seconds_does_not_count(make_row: MakeRow) -> None:
    turn = parse_row(make_row(seconds=14.0, spans=((1, 6), (7, 12.1), (13, 14))), 0)
    assert [span.start for span in turn.pauses] == [1.0, 7.0]
    assert [span.start for span in turn.holds] == [1.0]


@st.composite
def span_lists(draw: st.DrawFn) -> list[tuple[float, float]]:
    edges = draw(st.lists(st.integers(0, 600), min_size=2, max_size=12, unique=True))
    edges = sorted(edges)[: len(edges) // 2 * 2]
    return [(a / 100, b / 100) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@given(spans=span_lists())
def test_spans_of_a_valid_row_are_ordered_inside_and_end_with_the_last(
    spans: list[tuple[float, float]],
) -> None:
    row = {
        "id": "x",
        "language": "en",
        "audio": {"array": np.zeros(6 * 4_000, dtype=np.float32), "sampling_rate": 4_000},
        "silence_spans": [{"start": start, "end": end} for start, end in spans],
    }
    turn: Turn = parse_row(row, 0)
    assert turn.end == Span(*spans[-1])
    assert {(s.start, s.end) for s in turn.spans} <= set(spans)
    expected = [s for s in spans[:-1] if round(s[1] - s[0], 6) >= 0.1]
    assert [(s.start, s.end) for s in turn.pauses] == expected
    counted = [s for s in expected if 0.2 <= round(s[1] - s[0], 6) <= 5.0]
    assert [(s.start, s.end) for s in turn.holds] == counted


def test_real_rows(phone_turns: Path) -> None:
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(phone_turns / "dev.parquet").slice(0, 20).to_pylist()
    turns = [parse_row(row, index) for index, row in enumerate(rows)]
    assert {turn.sample_rate for turn in turns} == {8_000}
    assert all(turn.speaker and turn.transcript for turn in turns)
