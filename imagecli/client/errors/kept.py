"""The errors in responses that were kept: what a server wrote in place of images, read once its run is over."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from imagecli.client.errors.reader import ErrorReader
    from imagecli.client.response.images import NoImages
    from imagecli.dialects.request import ImageRequest
    from imagecli.errors import ImagecliError


class KeptErrors:
    """Reads the errors of one kept response. Nothing is imported for those that have none."""

    def __init__(self, url: str, model: str | None) -> None:
        """Take where the response came from, "" where that is not known, and the model that was asked."""
        self.url = url
        self._model = model

    def in_place_of_image(self, entry: Any) -> ImagecliError:  # noqa: ANN401 - any JSON
        """Return the error that stands in the place of one image."""
        return self._reader.in_place_of_image(entry, None, self._request, self.url)

    def no_images(self, found: NoImages) -> ImagecliError:
        """Return why a document has no image: the task that it names in place of one, or the error that it contains."""
        from imagecli.client.response.tasks import find_task

        task = None if found.is_error else find_task(found.document)
        if task is None:
            return self._reader.no_images(found, None, None, self._request, self.url)
        return self._reader.task_failed(task, found) if task.has_failed else self._reader.task_accepted(task, None)

    @cached_property
    def _request(self) -> ImageRequest:
        from imagecli.dialects.request import GENERATIONS, ImageRequest

        return ImageRequest(GENERATIONS, "", {"model": self._model or ""})

    @cached_property
    def _reader(self) -> ErrorReader:
        from imagecli.client.errors.reader import ErrorReader
        from imagecli.client.retry import Limits
        from imagecli.config.profiles import Profile
        from imagecli.options import BUILT_IN

        profile = Profile("", BUILT_IN, self.url, BUILT_IN, self.url)
        host, limits = urlsplit(self.url).netloc or "the server", Limits(0.0, 0, retry_unknown=False)
        return ErrorReader(profile, host, (), limits, with_key=False)  # what was kept has no secret in it any more
