# about: a report that nobody knows holds the host's memory, and next to nothing of it is left
# scenario: memory-exhaustion
# kinds: memory.available
# ends: by hand
# memory: 1 GiB
cat >/home/deploy/report.py <<'PYTHON'
import sys, time
held = [bytes([1]) * (1 << 20) for n in range(int(sys.argv[1]))]
time.sleep(3600)
PYTHON
systemd-run --quiet --collect --unit=lab-report --uid=deploy --property=RuntimeMaxSec=3600 \
  python3 /home/deploy/report.py "$(($(memory_left) - 94))" --password=lab-report-secret
until_short
systemctl is-active --quiet lab-report || fail "it was killed"
