# about: the journal and nginx's access.log share a full /var/log; shrinking the journal to 200 MiB is enough
# scenario: disk-full
# kinds: journal.vacuum disk.writable disk.used
# option: access_log=20  mebibytes of the access log
append "$OPTION_ACCESS_LOG" /var/log/nginx/access.log access_lines "$OPTION_ACCESS_LOG"
fill_journal
no_space_for root /var/log
