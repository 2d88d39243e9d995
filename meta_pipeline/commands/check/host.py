"""A host that `meta-pipeline check` asks and that is not Meta's: what it is."""

from time import monotonic
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError

from meta_pipeline.credentials import is_loopback
from meta_pipeline.wire import Allowance, DirectSession, TooLarge, TooLate, within

from .finding import CheckFinding

# Whoever listens there is not known: it may answer slowly, or without end.
_PROBE_SECONDS = 5
_PROBE_BYTES = 100_000


def not_metas(url: str, host: str) -> CheckFinding:
    """Whether a host that is not Meta's is there on purpose: a simulator, or on this machine."""
    if is_simulator(url):
        return CheckFinding("Graph API", host, ok=True, text="a simulator: the data is not real")
    if is_loopback(urlsplit(url).hostname or ""):
        text = "on this machine, not Meta's: the data counts as simulated"
        return CheckFinding("Graph API", host, ok=True, text=text)
    text = "the host that META_TRUSTED_GRAPH_URL names: the data counts as simulated"
    return CheckFinding("Graph API", host, ok=True, text=text)


def is_simulator(url: str) -> bool:
    allowance = Allowance(monotonic, _PROBE_SECONDS, _PROBE_SECONDS, _PROBE_BYTES)
    try:
        with DirectSession() as session, within(allowance):
            # Without the token: who listens there is not known yet.
            answer = session.get(f"{url}/_sim/ready", timeout=_PROBE_SECONDS, stream=True)
            return answer.status_code == 200
    except (OSError, HTTPError, TooLate, TooLarge):
        return False
