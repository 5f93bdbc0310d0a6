# about: dumps of many months fill /var/backups; the newest one is cut short
# scenario: disk-full
# kinds: backup.prune disk.writable disk.used
# option: each=28  mebibytes of one dump
folder=/var/backups/soleil
today=$folder/soleil-$(date +%Y%m%d)-0300.sql.gz
: > "$today" # begun while there is room: on a full xfs nothing can be
dump=$folder/soleil-$(date -d '300 days ago' +%Y%m%d)-0300.sql.gz
head -c "${OPTION_EACH}M" /dev/urandom | gzip -1 > "$dump"
touch -d '300 days ago 03:00' "$dump"
for age in 270 240 210 180 150 120 90 60 30 14 7 3 2 1; do
  copy=$folder/soleil-$(date -d "$age days ago" +%Y%m%d)-0300.sql.gz
  # of its own: xfs and btrfs would share the blocks, and removing one would free nothing
  cp --reflink=never "$dump" "$copy" 2>/dev/null || break
  touch -d "$age days ago 03:00" "$copy"
done
fill "$today" cat /dev/urandom
chown www-data:www-data $folder/*
no_space_for www-data $folder
