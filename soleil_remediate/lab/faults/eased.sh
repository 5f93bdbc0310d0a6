# about: /srv is full with a log and a large unknown file: with the log cut writes work again, but much stays used
# scenario: disk-full
# kinds: log.truncate disk.writable disk.used
# ends: eased
# option: unknown=85  percent of the disk that the unknown file takes
file=/srv/soleil/shared/storage/app/exports/export.csv
log=/srv/soleil/shared/storage/logs/laravel.log
install -m 664 -o www-data -g www-data /dev/null "$file"
append $(($(available /srv) * OPTION_UNKNOWN / 100 / 256)) "$file" yes '4711,2026-02-01,2026-02-05,confirmed,84.50,EUR'
sync -f "$file"
[ "$(used_percent /srv)" -ge $((OPTION_UNKNOWN - 1)) ] || fail "the unknown file takes only $(used_percent /srv) %"
[ -e "$log" ] || install -m 664 -o www-data -g www-data /dev/null "$log"
fill "$log" laravel_lines "$log"
write_lines "$log"
no_space_for www-data /srv/soleil/shared/storage/logs
[ "$(health storage)" = fail ] || fail "the application still writes"
