# about: /var/backups is full with a file nobody knows; the application is on other disks and goes on writing
# scenario: disk-full
# kinds: disk.writable disk.used
# ends: by hand
file=/var/backups/server-before-upgrade.img
install -m 600 /dev/null "$file"
fill "$file" cat /dev/urandom
no_space_for www-data /var/backups/soleil
[ "$(health storage)" = ok ] || fail "the application does not write"
