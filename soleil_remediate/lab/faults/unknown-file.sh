# about: a large export that nobody knows fills /srv
# scenario: disk-full
# kinds: disk.writable disk.used
# ends: by hand
file=/srv/soleil/shared/storage/app/exports/export.csv
install -m 664 -o www-data -g www-data /dev/null "$file"
fill "$file" yes '4711,2026-02-01,2026-02-05,confirmed,guest4711@example.test,84.50,EUR'
no_space_for www-data /srv/soleil/shared/storage/logs
[ "$(health storage)" = fail ] || fail "the application still writes"
