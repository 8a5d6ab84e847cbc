"""Which certificate authorities are trusted."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from tap_billing.errors import LocalError


def trusted() -> ssl.SSLContext:
    """Trust the system's authorities (SSL_CERT_FILE, SSL_CERT_DIR) and those of other tools.

    Raises LocalError for a file that is named and cannot be read.
    """
    context = ssl.create_default_context()
    # The same file is often named three times, and reading it takes 20 ms.
    system = ssl.get_default_verify_paths().cafile
    known = {os.path.realpath(system)} if system and context.cert_store_stats()["x509"] else set()
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        path = os.environ.get(name)
        if path and os.path.realpath(path) not in known:
            try:
                context.load_verify_locations(
                    **{"capath" if Path(path).is_dir() else "cafile": path}
                )
            except OSError as error:
                raise LocalError(f"{name} names {path}, which cannot be read: {error}") from None
            known.add(os.path.realpath(path))
    return context
