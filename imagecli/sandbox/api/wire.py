"""OpenAI's envelope for refusals, and the answer that never comes."""

from __future__ import annotations


class Refusal(Exception):
    """A request that is answered with an error."""

    def __init__(  # noqa: PLR0913 - the fields of the envelope, each optional
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        type: str = "invalid_request_error",  # noqa: A002 - the wire's own name for it
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Keep the HTTP status, the fields of `error` and what else goes into the head of the answer."""
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.error = {"message": message, "type": type, "param": param, "code": code}


class AnswerLost(ConnectionResetError):
    """The request was read whole, and no answer follows: the server closes the connection, an app in process raises."""


def invalid_value(param: str, message: str) -> Refusal:
    """Refuse a value: of the right type and still not one that the model takes."""
    return Refusal(message, param=param, code="invalid_value")


def invalid_type(param: str, expected: str, got: str) -> Refusal:
    """Refuse a value of another type."""
    return Refusal(
        f"Invalid type for '{param}': expected {expected}, but got {got} instead.", param=param, code="invalid_type"
    )


def missing(param: str) -> Refusal:
    """Refuse a request that lacks what it must have."""
    return Refusal(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def unknown_parameter(param: str) -> Refusal:
    """Refuse a field that the model or the endpoint does not have."""
    return Refusal(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")


def bad_image(param: str, message: str) -> Refusal:
    """Refuse an uploaded file."""
    return Refusal(message, param=param, code="invalid_image_file")
