"""JSON texts stored with a model, read without trusting them."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from landing.errors import ModelError

Document = TypeVar("Document", bound=BaseModel)


def parse_document(kind: type[Document], text: str, what: str, remedy: str) -> Document:
    """Parses a stored text.

    Args:
        kind: What it describes.
        text: JSON.
        what: Names it in an error, with the file it is from.
        remedy: What to do when it is damaged, a sentence.

    Raises:
        ModelError: Names the file, the field and what is wrong with it.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ModelError(f"{what} is not valid: {where}: {first['msg']}. {remedy}") from error
