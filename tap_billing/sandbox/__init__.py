"""A seeded sample company, served on loopback as each provider would tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_billing.sandbox.server import Sandbox, World, serve

__all__ = ["Sandbox", "World", "serve"]


def __getattr__(name: str) -> object:
    """Load the server on first use: a tap that reads a real account never pays for it."""
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from tap_billing.sandbox import server  # noqa: PLC0415

    return getattr(server, name)
