"""The tap without look-ahead over streams: each resource is first asked when its turn comes."""

from __future__ import annotations

from tap_billing import cli
from tap_billing.run import Run


def main() -> None:
    """Run the command, every stream for itself. Raises AttributeError if look-ahead has moved."""
    Run._prepare  # noqa: B018, SLF001 - what does not exist cannot be taken away
    # It is no setting: nobody wants to be without it but to see what it brings.
    Run._prepare = lambda self: None  # type: ignore[method-assign]  # noqa: ARG005, SLF001
    cli.main()


if __name__ == "__main__":
    main()
