"""Azure OpenAI (Microsoft Foundry), its classic deployment paths and v1.

Sources: Microsoft's how-to for image models (learn.microsoft.com, azure/ai-foundry/openai/how-to/dall-e), its
specifications (Azure/azure-rest-api-specs: AzureOpenAI/inference 2025-04-01-preview, OpenAI.v1), and the official
package's lib/azure.py (openai 3.54.0).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from imagecli.dialects.openai import OpenAI
from imagecli.errors import UsageProblem

if TYPE_CHECKING:
    from imagecli.flags import Command, Verdict
    from imagecli.images.types import InputRules
    from imagecli.task import Task

AD_TOKEN = "AZURE_OPENAI_AD_TOKEN"  # noqa: S105 - the name of a variable
_UNDATED = ("v1", "preview")
"""What v1 takes as its api-version, which may be left out; a dated one means the classic paths."""
_FORMATS = ("png", "jpeg")


class Azure(OpenAI):
    """A resource's models are its deployments, named by -m.

    The base URL says which paths are meant (`api_version` is the profile's, else OPENAI_API_VERSION):

        https://NAME.openai.azure.com                        classic where there is a dated api_version, else v1
        https://NAME.openai.azure.com/openai                 the same
        https://NAME.openai.azure.com/openai/v1              v1
        https://NAME.openai.azure.com/openai/deployments/D   classic, and D whatever -m says

    Compression is documented the other way round than at OpenAI (0 none, 100 most); the number goes as it is.
    """

    name = "azure"
    title = "Azure OpenAI"
    has_variations = False  # lib/azure.py knows no such deployment path

    def __init__(self, base_url: str = "", api_version: str | None = None) -> None:
        """Find out which paths the base URL means."""
        super().__init__(base_url, api_version)
        path = urlsplit(base_url).path.rstrip("/").lower()
        dated = api_version is not None and api_version not in _UNDATED
        self._in_deployment = "/deployments/" in path
        self._classic = self._in_deployment or (dated and not path.endswith("/v1"))
        root = "" if path.endswith("/openai") else "openai/"
        self._below = "" if self._in_deployment or path.endswith("/v1") else root if self._classic else f"{root}v1/"
        # OPENAI_API_VERSION may be there for other programs: v1 refuses a dated one.
        wanted = api_version if self._classic or not dated else None
        self._query = f"?api-version={quote(wanted, safe='')}" if wanted else ""
        self.models_path = ("../../" if self._in_deployment else self._below) + "models" + self._query

    def judge(self, command: Command, name: str, value: object) -> tuple[Verdict, str]:
        """Know which formats are documented; a deployment's name tells nothing of its model."""
        if name == "format" and value not in _FORMATS:
            return "unlisted", f"{self.title} makes {' and '.join(_FORMATS)}, not {value}"
        return super().judge(command, name, value)

    def inputs(self, rules: InputRules) -> InputRules:
        """Take PNG and JPEG, as documented."""
        return replace(rules, formats=tuple(kind for kind in rules.formats if kind in _FORMATS))

    def path(self, route: str, task: Task) -> str:
        """Put the deployment into a classic path.

        Raises:
            UsageProblem: no deployment is named, or a deployment's own address has no version.
        """
        if self._classic and not self.api_version:
            raise UsageProblem(
                f"{self.title} wants an api-version at the address of a deployment",
                hint="Set api_version in the profile or OPENAI_API_VERSION, for instance to 2025-04-01-preview.",
            )
        if self._in_deployment:
            return route + self._query
        if task.model.name is None:
            raise UsageProblem(
                f"{self.title} wants to know which deployment to use",
                hint="Name it with -m, or as model in the profile's defaults.",
            )
        deployment = f"deployments/{quote(task.model.name, safe='')}/" if self._classic else ""
        return self._below + deployment + route + self._query

    def credentials(self, key: str, origin: str) -> dict[str, str]:
        """Send a key as `api-key`, and an Entra token (a JSON Web Token, whoever gave it) as Bearer."""
        if origin == AD_TOKEN or (key.startswith("eyJ") and key.count(".") == 2):  # noqa: PLR2004 - header.claims.signature
            return super().credentials(key, origin)
        return {"api-key": key}
