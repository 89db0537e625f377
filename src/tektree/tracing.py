"""Spans, where OpenTelemetry is installed. Without it nothing happens, and nothing is loaded."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Any, Final

__all__ = ["INSTALLED", "current", "span"]


def _installed() -> bool:
    try:
        return find_spec("opentelemetry.trace") is not None
    except ModuleNotFoundError:
        return False


INSTALLED: Final = _installed()
"""Whether there is an OpenTelemetry to tell."""

_NO_SPAN: Final[AbstractContextManager[Any]] = nullcontext()


def span(name: str, attributes: Mapping[str, str]) -> AbstractContextManager[Any]:
    """A span around what follows, of the host's own tracer provider. Attributes are names and ids, never contents."""
    if not INSTALLED:
        return _NO_SPAN
    import opentelemetry.trace as trace

    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):  # nobody set one up
        return _NO_SPAN
    # What an exception says may be personal; its type is enough to see that the span failed.
    tracer = trace.get_tracer("tektree")
    return tracer.start_as_current_span(
        name, attributes=dict(attributes), record_exception=False, set_status_on_exception=False
    )


def current() -> tuple[str, str] | None:
    """Trace id and W3C ``traceparent`` of the active span; None when there is none."""
    if not INSTALLED:
        return None
    import opentelemetry.trace as trace

    active = trace.get_current_span().get_span_context()
    if not active.is_valid:
        return None
    trace_id, span_id = format(active.trace_id, "032x"), format(active.span_id, "016x")
    return trace_id, f"00-{trace_id}-{span_id}-{int(active.trace_flags):02x}"
