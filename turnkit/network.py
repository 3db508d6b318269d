"""The model hub: where it is, whether it answers, and not waiting long to find out."""

from __future__ import annotations

import os
import queue
import ssl
import threading
import urllib.error
import urllib.request

PROBE_TIMEOUT_S = 4.0
"""Seconds after which a hub that has said nothing counts as not there."""

_TRUE = frozenset({"1", "ON", "YES", "TRUE"})


def hub_endpoint() -> str:
    """Address of the hub: ``$HF_ENDPOINT``, or Hugging Face's."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def hub_refused() -> bool:
    """Whether the user asked for no network (``HF_HUB_OFFLINE`` and its siblings)."""
    names = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").upper() in _TRUE for name in names)


def hub_answers(timeout_s: float = PROBE_TIMEOUT_S) -> bool:
    """Whether the hub says anything at all, found out within `timeout_s` seconds.

    Any answer counts, a refusal too: what it means is for the real request to tell.
    Proxies of the environment are used as the real request would use them.

    Parameters
    ----------
    timeout_s : float
        Seconds to wait, name look-up included (which no socket timeout bounds).

    Returns
    -------
    bool
        False too where the user asked for no network.
    """
    if hub_refused():
        return False
    answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
    url = hub_endpoint()
    # A daemon thread: a resolver that hangs must not hold up the process either.
    threading.Thread(target=lambda: answer.put(_probe(url, timeout_s)), daemon=True).start()
    try:
        return answer.get(timeout=timeout_s)
    except queue.Empty:
        return False


def _probe(url: str, timeout_s: float) -> bool:
    try:
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=timeout_s):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        # A proxy's own "cannot reach it" is not the hub's answer.
        return error.code not in {502, 503, 504}
    except urllib.error.URLError as error:
        # Somebody answered; the real request may trust other certificates than we do.
        return isinstance(error.reason, ssl.SSLError)
    except (OSError, ValueError):
        return False
