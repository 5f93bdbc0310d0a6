# about: no backup was made for a week
# routine: daily
# kinds: backup.recent
find /var/backups/soleil -type f -exec touch -d '7 days ago' {} +
[ -z "$(find /var/backups/soleil -type f -mtime -6)" ] || fail "there is a younger backup"
