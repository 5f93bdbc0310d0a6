# about: the journal and nginx's access.log share a full /var/log; cutting the journal alone is enough
# scenario: disk-full
# kinds: journal.vacuum log.truncate disk.writable disk.used
# option: access_log=90  mebibytes of the access log before the last free blocks go to it as well
append "$OPTION_ACCESS_LOG" /var/log/nginx/access.log access_lines
fill_journal 100
fill /var/log/nginx/access.log access_lines
no_space_for root /var/log
