# about: the systemd journal fills /var/log
# scenario: disk-full
# kinds: journal.vacuum disk.writable disk.used
fill_journal
no_space_for root /var/log
