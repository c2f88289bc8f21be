"""Errors with OpenAI's fields and wording, and the response that is never sent."""

from __future__ import annotations


class Refusal(Exception):
    """A request that gets an error as its response."""

    def __init__(  # noqa: PLR0913 - the fields of an error, each optional
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        type: str = "invalid_request_error",  # noqa: A002 - the API's own name for it
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Keep the HTTP status, the fields of `error` and additional headers."""
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.error = {"message": message, "type": type, "param": param, "code": code}


class ResponseLost(ConnectionResetError):
    """The whole request was read, and no response follows: a server closes the connection, an app in process raises."""


def invalid_value(param: str, message: str) -> Refusal:
    """Return the error for a value of the right type that the model does not take."""
    return Refusal(message, param=param, code="invalid_value")


def invalid_type(param: str, expected: str, got: str) -> Refusal:
    """Return the error for a value of another type."""
    return Refusal(
        f"Invalid type for '{param}': expected {expected}, but got {got} instead.", param=param, code="invalid_type"
    )


def missing(param: str) -> Refusal:
    """Return the error for a required field that is not there."""
    return Refusal(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def unknown_parameter(param: str) -> Refusal:
    """Return the error for a field that the model or the endpoint does not have."""
    return Refusal(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")


def unsupported_media_type(param: str, media_type: str) -> Refusal:
    """Return the error for an uploaded file of a type that no model reads."""
    return bad_image(
        param,
        f"Invalid file '{param}': unsupported mimetype ('{media_type}'). Supported file formats are 'image/jpeg',"
        " 'image/png', and 'image/webp'.",
    )


def bad_image(param: str, message: str) -> Refusal:
    """Return the error for an uploaded file that can't be used."""
    return Refusal(message, param=param, code="invalid_image_file")
