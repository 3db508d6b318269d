from __future__ import annotations

import io
import json
import logging

from turnkit.agent.telemetry.bridge import bridged
from turnkit.agent.telemetry.logs import open_log


def test_warnings_of_libraries_are_lines_of_the_log() -> None:
    stream = io.StringIO()
    library = logging.getLogger("some.library")
    with bridged(open_log(stream)):
        library.info("not worth it")
        library.warning("refused %s", "Bearer northwind")
        try:
            raise ValueError("northwind")
        except ValueError:
            library.exception("it broke")
    library.info("after it")
    warning, error = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (warning["logger"], warning["level"]) == ("some.library", "warning")
    assert warning["problem"].startswith("refused")
    assert (error["problem"], error["level"]) == ("it broke", "error")
    assert "ValueError in" in error["at"]
    assert "northwind" not in stream.getvalue()
