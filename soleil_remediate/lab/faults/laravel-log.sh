# about: one huge laravel.log fills /srv; a process holds it open and goes on trying to write
# scenario: disk-full
# kinds: log.truncate disk.writable disk.used
# option: writer=yes  no: nothing holds the log open
log=/srv/soleil/shared/storage/logs/laravel.log
[ -e "$log" ] || install -m 664 -o www-data -g www-data /dev/null "$log"
fill "$log" laravel_lines "$log"
# Only now, so that the times in the log rise.
[ "$OPTION_WRITER" = no ] || write_lines "$log"
no_space_for www-data /srv/soleil/shared/storage/logs
[ "$(health storage)" = fail ] || fail "the application still writes"
