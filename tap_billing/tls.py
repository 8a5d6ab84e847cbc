"""Which certificate authorities are trusted."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from tap_billing.errors import LocalError


def trusted() -> ssl.SSLContext:
    """Trust the system's authorities (SSL_CERT_FILE, SSL_CERT_DIR) and those of other tools."""
    context = ssl.create_default_context()
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        path = os.environ.get(name)
        if path:
            try:
                context.load_verify_locations(
                    **{"capath" if Path(path).is_dir() else "cafile": path}
                )
            except OSError as error:
                raise LocalError(f"{name} names {path}, which cannot be read: {error}") from None
    return context
