"""The picture of the page in the README: a real call with the embedded stack.

    python -m tests.agent.screenshot docs/agent.png

Turns of the embedded test corpus are the caller, from a file that Chromium takes for its
microphone. Needs Chromium, the extra `agent`, and the models that `turnkit serve` fetches.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.agent import live
from tests.agent.browser import Browser, Page, microphone_flags
from turnkit.corpus.reader import load_corpus
from turnkit.corpus.schema import Turn

ROWS = ("synthetic-test-006-0054", "synthetic-test-000-0024", "synthetic-test-007-0007")
"""What the caller says; the last one has a hold that a fixed silence takes for the end."""

BEFORE_S, BETWEEN_S = 3.0, 8.0
"""Silence before the first turn, and after each one: the agent speaks in it."""

WIDTH, HEIGHT = 1440, 1200

_STATE = "main.current()"


def take_picture(service: live.Service, page: Page, path: Path, theme: str, until: float) -> None:
    """Call, let the caller have its say, and keep the page once the last turn is through."""
    page.resize(WIDTH, HEIGHT)
    page.goto(f"{service.url}/?theme={theme}&processing=off")
    page.wait_for("document.documentElement.dataset.ready === 'true'")
    page.evaluate("import('/static/main.js').then((main) => { window.main = main; })")
    page.press("Enter")
    page.wait_for(
        f"(({{phase, at, talks, turns}}) => at > {until} && phase === 'listening'"
        " && talks.at(-1)?.end !== null && turns.every(({turn, record}) => turn === null || record)"
        f")({_STATE})",
        timeout_s=until + 60,
    )
    page.evaluate("document.activeElement.blur()")
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, 200)))")
    page.screenshot(path)


def main() -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(description="Take the README's picture of the agent's page.")
    parser.add_argument("path", type=Path, nargs="?", default=Path("docs/agent.png"))
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--shadow", action="append", metavar="D")
    parser.add_argument("--row", action="append", metavar="ID", help="of embedded:test")
    args = parser.parse_args()
    if (reason := live.missing()) is not None:
        parser.exit(1, f"{reason}\n")
    turns = {turn.id: turn for turn in load_corpus("embedded:test")}
    said: list[Turn] = [turns[name] for name in args.row or ROWS]
    # Until the last turn is over, by the file; the call's clock starts a little later.
    until = BEFORE_S + sum(turn.end.start + BETWEEN_S for turn in said) - BETWEEN_S + 1.0
    shadows = [part for name in args.shadow or live.shadows() for part in ("--shadow", name)]
    with tempfile.TemporaryDirectory(prefix="turnkit-") as folder:
        wav = live.write_microphone(Path(folder) / "caller.wav", said, BEFORE_S, 60, BETWEEN_S)
        flags = microphone_flags(wav)
        with (
            live.serve("--bundle", args.bundle, *shadows) as service,
            Browser.launch(extra_flags=flags, width=WIDTH, height=HEIGHT) as browser,
            browser.page() as page,
        ):
            take_picture(service, page, args.path, args.theme, until)
            for turn in page.evaluate(f"{_STATE}.turns"):
                record = turn["record"]
                print(record["text"], "->", record["reply_text"], round(record["v2v_ms"] or 0))


if __name__ == "__main__":
    main()
