"""Azure OpenAI (Microsoft Foundry), its classic deployment paths and v1.

Sources: Microsoft's how-to for image models (learn.microsoft.com, azure/ai-foundry/openai/how-to/dall-e), its
specifications (Azure/azure-rest-api-specs: AzureOpenAI/inference 2025-04-01-preview, OpenAI.v1), and the official
package's lib/azure.py (openai 3.54.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote, urlsplit

from imagecli.dialects.error_words import ErrorWords
from imagecli.dialects.openai import OpenAI
from imagecli.dialects.rules import EVERYTHING, makes
from imagecli.errors import UsageProblem

if TYPE_CHECKING:
    from imagecli.dialects.request import Draft
    from imagecli.dialects.rules import Reads
    from imagecli.images.types import InputRules

AD_TOKEN = "AZURE_OPENAI_AD_TOKEN"  # noqa: S105 - the name of a variable
_UNDATED = ("v1", "preview")
"""The values of v1's api-version, which may be left out; a dated one means the classic paths."""
_FORMATS = ("png", "jpeg")


class Azure(OpenAI):
    """A resource's models are its deployments; -m names one.

    The base URL says which paths are used (`api_version` is the profile's, or else OPENAI_API_VERSION):

        https://NAME.openai.azure.com                        classic where there is a dated api_version, else v1
        https://NAME.openai.azure.com/openai                 the same
        https://NAME.openai.azure.com/openai/v1              v1
        https://NAME.openai.azure.com/openai/deployments/D   classic, and D whatever -m names

    Compression is documented the other way round than at OpenAI (0 none, 100 most); the number is sent unchanged.
    """

    name = "azure"
    title = "Azure OpenAI"
    reads: ClassVar[Reads] = {**EVERYTHING, "format": makes(*_FORMATS, otherwise="unlisted")}  # the how-to
    has_variations = False  # lib/azure.py has no such deployment path
    # As lib/azure.py reads them, in its order.
    endpoint_variable = "AZURE_OPENAI_ENDPOINT"
    key_variables = (AD_TOKEN, "AZURE_OPENAI_API_KEY")
    version_variable = "OPENAI_API_VERSION"
    error_words = ErrorWords(
        wrong_key="invalid (?:subscription key|authorization header)",
        model_hints=(("deploymentnotfound", "On Azure a model goes by its deployment's name: give that with -m."),),
    )

    def __init__(self, base_url: str = "", api_version: str | None = None) -> None:
        """Derive the paths from the base URL."""
        super().__init__(base_url, api_version)
        path = urlsplit(base_url).path.rstrip("/").lower()
        dated = api_version is not None and api_version not in _UNDATED
        self._in_deployment = "/deployments/" in path
        self._classic = self._in_deployment or (dated and not path.endswith("/v1"))
        root = "" if path.endswith("/openai") else "openai/"
        self._below = "" if self._in_deployment or path.endswith("/v1") else root if self._classic else f"{root}v1/"
        # OPENAI_API_VERSION may be set for other programs: v1 refuses a dated one.
        wanted = api_version if self._classic or not dated else None
        self._query = f"?api-version={quote(wanted, safe='')}" if wanted else ""
        self.models_path = self.service_path("models")

    def inputs(self, rules: InputRules) -> InputRules:
        """Return the rules without WebP: PNG and JPEG are documented."""
        return rules._replace(formats=tuple(kind for kind in rules.formats if kind in _FORMATS))

    def path(self, route: str, draft: Draft) -> str:
        """Return the path, which names the deployment if it is a classic one.

        Raises:
            UsageProblem: no deployment is named, or no api-version where the base URL is a deployment's.
        """
        if self._classic and not self.api_version:
            raise UsageProblem(
                f"{self.title} needs an api-version where the base URL is a deployment's",
                hint="Set api_version in the profile, or OPENAI_API_VERSION: to 2025-04-01-preview, for instance.",
            )
        if self._in_deployment:
            return route + self._query
        if draft.model is None:
            raise UsageProblem(
                f"{self.title} needs to know which deployment to use",
                hint="Name it with -m, or as model in the profile's defaults.",
            )
        deployment = f"deployments/{quote(draft.model, safe='')}/" if self._classic else ""
        return self._below + deployment + route + self._query

    def service_path(self, name: str) -> str:
        """Return the path, which is not that of a deployment."""
        return ("../../" if self._in_deployment else self._below) + name + self._query

    def credentials(self, key: str, origin: str) -> dict[str, str]:
        """Return a key as `api-key`, and an Entra token (a JSON Web Token, wherever it came from) as Bearer."""
        if origin == AD_TOKEN or (key.startswith("eyJ") and key.count(".") == 2):  # noqa: PLR2004 - header.claims.signature
            return super().credentials(key, origin)
        return {"api-key": key}
