"""Answers, and the code that they show."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from pydantic import Field

from tektree.models.base import LISTED, Count, Draft, HexId, Instant, Record, Text, Uid
from tektree.models.content import BODY, Body, NewBody

__all__ = ["Answer", "AnswerDraft", "AnswerFields", "CodeSnippet"]


class CodeSnippet(Draft):
    """A piece of code and the language it is in. Raises `InvalidInput`.

    >>> CodeSnippet(language="go", code="type Event struct {}").language
    'go'
    """

    language: Annotated[str, Text(64)]
    code: Annotated[str, Text(BODY)]


CodeSnippets = Annotated[tuple[CodeSnippet, ...], Field(max_length=20), LISTED]


class Answer(Record):
    """An answer. ``is_accepted`` follows the question's ``accepted_answer_id``."""

    id: HexId
    question_id: HexId
    body: Body
    code_snippets: CodeSnippets = ()
    created_by: HexId
    created_at: Instant
    updated_at: Instant
    upvote_count: Count = 0
    downvote_count: Count = 0
    is_accepted: bool = False
    author: Uid | None = None
    """The uid of ``created_by``; None for what was there before us."""
    revision: Count = 0
    """How often it was changed: what an edit is based on."""
    deleted_at: Instant | None = None
    deleted_by: HexId | None = None


class AnswerDraft(Draft):
    """An answer to be posted. Raises `InvalidInput`."""

    body: NewBody
    code_snippets: CodeSnippets = ()


class AnswerFields(TypedDict, total=False):
    """What can be edited of an answer. A field that is left out stays as it is."""

    body: str
    code_snippets: Sequence[CodeSnippet]
