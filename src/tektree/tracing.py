"""Spans, where OpenTelemetry is installed. Without it nothing happens, and nothing is loaded."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

__all__ = ["INSTALLED", "current", "span", "spans"]


def _installed() -> bool:
    try:
        return find_spec("opentelemetry.trace") is not None
    except ModuleNotFoundError:
        return False


INSTALLED: Final = _installed()
"""Whether there is an OpenTelemetry to tell."""

_NAMED: Final = "OTEL_PYTHON_TRACER_PROVIDER" in os.environ
"""Whether OpenTelemetry is to make a provider by itself, when it is first asked for one."""

_NO_SPAN: Final[AbstractContextManager[Any]] = nullcontext()


@cache
def _trace() -> Any:
    return import_module("opentelemetry.trace")


def spans() -> bool:
    """Whether the host has set up a tracer provider, so that spans go anywhere."""
    if not INSTALLED:
        return False
    trace = _trace()
    # To ask is as dear as what would be traced; where the module's own variable says that there is none, that will do.
    if not _NAMED and getattr(trace, "_TRACER_PROVIDER", trace) is None:
        return False
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def span(name: str, attributes: Mapping[str, str]) -> AbstractContextManager[Any]:
    """A span around what follows, of the host's own tracer provider. Attributes are names and ids, never contents."""
    if not spans():
        return _NO_SPAN
    trace = _trace()
    # What an exception says may be personal; its type is enough to see that the span failed.
    tracer = trace.get_tracer("tektree")
    found: AbstractContextManager[Any] = tracer.start_as_current_span(
        name, attributes=dict(attributes), record_exception=False, set_status_on_exception=False
    )
    return found


def current() -> tuple[str, str] | None:
    """Trace id and W3C ``traceparent`` of the active span; None when there is none."""
    if not INSTALLED:
        return None
    trace = _trace()
    active = trace.get_current_span()
    if active is trace.INVALID_SPAN:
        return None
    context = active.get_span_context()
    if not context.is_valid:
        return None
    trace_id, span_id = format(context.trace_id, "032x"), format(context.span_id, "016x")
    return trace_id, f"00-{trace_id}-{span_id}-{int(context.trace_flags):02x}"
