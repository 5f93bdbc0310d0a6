"""Preview disk-full on one host, and repair it as far as the inventory's policy allows.

Run it as ``python examples/one_host.py inventory/lab.yml web1``.
"""

import sys

from soleil_remediate import PolicyGate, RemediateError, RunReport, open_remediation


def tell(report: RunReport) -> None:
    for host in report.hosts:
        print(f"{host.host.name}: {host.outcome.word}, {host.outcome.why}")


def main(inventory: str, host: str) -> int:
    remediation = open_remediation(inventory=inventory, scenario="disk-full", hosts=host)
    seen = remediation.preview()
    tell(seen)
    if not any(report.preview and report.preview.pending for report in seen.hosts):
        return int(seen.exit_status)
    result = remediation.remediate(gate=PolicyGate(says_yes=True))
    tell(result)
    return int(result.exit_status)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print(f"usage: python {sys.argv[0]} INVENTORY HOST", file=sys.stderr)
        sys.exit(2)
    try:
        sys.exit(main(*sys.argv[1:]))
    except RemediateError as error:
        print(error, file=sys.stderr)
        sys.exit(int(error.exit_status))
