# about: the systemd journal fills /var/log
# scenario: disk-full
# kinds: journal.vacuum disk.writable disk.used
fill_journal 100
# The rest is too small for one more journal file; a cut-short copy stands for one that a crash left behind.
journal=$(find /var/log/journal -name 'system@*.journal' | sort | head -n 1)
left=${journal%/*}/system@$(date +%s | sha256sum | cut -c1-16)-$(date +%s | sha256sum | cut -c17-32).journal~
install -m 640 -g systemd-journal /dev/null "$left"
fill "$left" cat "$journal" "$journal"
no_space_for root /var/log
