"""The TLS context that all connections share, and where its certificates are from."""

from __future__ import annotations

import os
import re
import ssl
import sys
from functools import cache

from imagecli.errors import UsageProblem

_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables of a file of root certificates, the first of them that is set counts; the second may name a folder."""
_BY_HASH = re.compile(r"[0-9a-fA-F]{8}\.\d")


@cache
def tls_context() -> ssl.SSLContext:
    """Return a context with the roots of SSL_CERT_FILE, SSL_CERT_DIR or REQUESTS_CA_BUNDLE, or else the system's.

    Raises:
        UsageProblem: they can't be read, or the system has none, so no server could be trusted.
    """
    context = _named_context() or _system_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _named_context() -> ssl.SSLContext | None:
    """Return a context with the certificates that a variable names; None: none does."""
    variable = next((name for name in _BUNDLES if os.environ.get(name)), None)
    folder = os.path.expanduser(os.environ.get("SSL_CERT_DIR", ""))
    if variable is None and not folder:
        return None
    bundle = os.path.expanduser(os.environ[variable]) if variable else ""
    if os.path.isdir(bundle):
        bundle, folder = "", bundle
    try:
        return ssl.create_default_context(cafile=bundle or None, capath=folder or None)
    except OSError as error:
        raise UsageProblem(
            f"the certificates in {variable or 'SSL_CERT_DIR'} can't be read: {error.strerror or error}",
            hint=f"{variable or 'SSL_CERT_DIR'} takes {'a file' if variable else 'a folder'} of root certificates.",
        ) from error


def _system_context() -> ssl.SSLContext:
    """Return a context with the system's certificates.

    On Linux they are where OpenSSL was built to look for them, as a rule. For the rest there is httpcore2, which takes
    longer to import than all that is needed for TLS.
    """
    paths = ssl.get_default_verify_paths()
    file, folder = paths.openssl_cafile, paths.openssl_capath
    has_file, has_folder = os.path.isfile(file), _has_certificates(folder)
    try:
        if sys.platform.startswith("linux") and (has_file or has_folder):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(file if has_file else None, folder if has_folder else None)
        else:
            import httpcore2

            context = httpcore2.default_ssl_context()
    except OSError as error:
        raise UsageProblem(f"the system's certificates can't be read: {error}", hint="Set SSL_CERT_FILE.") from error
    if not context.cert_store_stats()["x509_ca"] and not has_folder:
        raise UsageProblem(
            "this system has no root certificates, so no https server can be trusted",
            hint="Install the package ca-certificates, or set SSL_CERT_FILE to a file of root certificates.",
        )
    return context


def _has_certificates(folder: str) -> bool:
    """Return whether OpenSSL will find roots in a folder, by their hashes; the store does not count those."""
    try:
        return any(_BY_HASH.fullmatch(name) for name in os.listdir(folder))
    except OSError:
        return False
