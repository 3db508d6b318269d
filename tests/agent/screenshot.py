"""The picture of the page in the README: a real call with the embedded stack.

    python -m tests.agent.screenshot docs/agent.png

Turns of the embedded test corpus are the caller; each waits until the agent has spoken.
Needs Chromium, the extra `agent`, and the models that `turnkit serve` fetches.
"""

from __future__ import annotations

import argparse
import base64
import io
from pathlib import Path

import numpy as np
import soundfile

from tests.agent import live
from tests.agent.browser import FAKE_MEDIA_FLAGS, Browser, Page
from turnkit.corpus.reader import load_corpus
from turnkit.corpus.schema import Turn

ROWS = (
    "synthetic-test-007-0055",
    "synthetic-test-003-0035",
    "synthetic-test-007-0007",
)
"""What the caller says: each has a hold that a fixed silence would take for the end."""

WIDTH, HEIGHT = 1440, 1200

# A microphone that says what it is told to, when it is told to, over a quiet room.
_MICROPHONE = """
(() => {
  let context, out;
  const open = () => {
    context = new AudioContext();
    out = context.createMediaStreamDestination();
    const room = context.createBuffer(1, 2 * context.sampleRate, context.sampleRate);
    room.getChannelData(0).forEach((_, i, all) => { all[i] = 6e-4 * (Math.random() - 0.5); });
    const source = new AudioBufferSourceNode(context, { buffer: room, loop: true });
    source.connect(out);
    source.start();
    return out.stream;
  };
  navigator.mediaDevices.getUserMedia = async () => open();
  window.say = async (encoded) => {
    const bytes = Uint8Array.from(atob(encoded), (one) => one.charCodeAt(0));
    const buffer = await context.decodeAudioData(bytes.buffer);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(out);
    source.start();
    return buffer.duration;
  };
})()
"""

_ANSWERED = (
    "(({phase, turns}) => phase === 'listening' && turns.length >= %d"
    " && turns.every(({record}) => record)"
    " && turns.at(-1).replies.some(({state}) => state === 'done'))(main.current())"
)


def say(page: Page, turn: Turn) -> None:
    """Speak a turn into the page's microphone."""
    encoded = io.BytesIO()
    speech = live.spoken(turn)
    level = 0.9 * speech / np.max(np.abs(speech))
    soundfile.write(encoded, level, live.RATE, format="WAV", subtype="PCM_16")
    page.evaluate(f"say('{base64.b64encode(encoded.getvalue()).decode()}')")


def take_picture(
    service: live.Service, page: Page, path: Path, theme: str, rows: list[Turn]
) -> None:
    """Hold the call and keep the page as it is once the last turn was answered."""
    page.resize(WIDTH, HEIGHT)
    page.goto(f"{service.url}/?theme={theme}&processing=off")
    page.evaluate(_MICROPHONE)
    page.evaluate("import('/static/main.js').then((main) => { window.main = main; })")
    page.wait_for("document.documentElement.dataset.ready === 'true'")
    page.press("Enter")
    page.wait_for("main.current().at > 1.2", timeout_s=60)
    for number, row in enumerate(rows, 1):
        say(page, row)
        page.wait_for(_ANSWERED % number, timeout_s=120)
        page.drain(0.5)  # callers take a breath
    page.evaluate("document.activeElement.blur()")
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, 200)))")
    page.screenshot(path)
    page.press("Escape")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("path", type=Path, nargs="?", default=Path("docs/agent.png"))
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--shadow", action="append")
    parser.add_argument("--row", action="append", help="rows of embedded:test, instead")
    args = parser.parse_args()
    if (reason := live.missing()) is not None:
        parser.exit(1, f"{reason}\n")
    corpus = {turn.id: turn for turn in load_corpus("embedded:test")}
    rows = [corpus[name] for name in args.row or ROWS]
    shadows = [part for name in args.shadow or live.shadows() for part in ("--shadow", name)]
    with (
        live.serve("--bundle", args.bundle, *shadows) as service,
        Browser.launch(extra_flags=FAKE_MEDIA_FLAGS, width=WIDTH, height=HEIGHT) as browser,
        browser.page() as page,
    ):
        take_picture(service, page, args.path, args.theme, rows)
        for turn in page.evaluate("main.current().turns"):
            print(turn["record"]["text"], "->", turn["record"]["reply_text"])


if __name__ == "__main__":
    main()
