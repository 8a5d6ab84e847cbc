"""Runs the `tap-billing` command."""

from tap_billing.cli import main

if __name__ == "__main__":
    main()
