"""``python -m turnkit`` is the command ``turnkit``."""

from turnkit.cli.main import main

raise SystemExit(main())
