"""``python -m server.verify BUNDLE [--json]``: exit code 0 verified, 1 not verified, 2 wrong usage."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from server.verify import keys_of, render, to_json, verify_bundle


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the bundle that the command line names."""
    parser = argparse.ArgumentParser(prog="colony verify", description="Verify a mission's audit bundle, offline.")
    parser.add_argument("bundle", type=Path, help="the bundle, a .zip file")
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        help="a public key that roots must be signed with (hex); repeatable",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--constitution-key", default="", help="the operator's public key (base64), or several with commas"
    )
    options = parser.parse_args(arguments)
    if not options.bundle.exists():
        parser.error(f"there is no file {str(options.bundle)!r}")
    try:
        trusted = keys_of(options.constitution_key)
    except ValueError:
        parser.error("--constitution-key is not an Ed25519 public key, 32 bytes as base64")
    if any(not re.fullmatch("[0-9a-f]{64}", key) for key in options.key):
        parser.error("--key takes 64 hex digits")
    report = verify_bundle(options.bundle, trusted, options.key)
    shown = to_json(report) if options.json else render(report)
    # A terminal that can't show what somebody wrote into a bundle must not turn a report into a crash.
    sys.stdout.write(shown.encode("ascii", "backslashreplace").decode() + "\n")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
