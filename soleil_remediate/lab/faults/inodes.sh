# about: thousands of tiny old backups use up every inode of /var/backups, most of its blocks are free
# scenario: disk-full
# kinds: backup.prune disk.inodes disk.writable
folder=/var/backups/soleil
free=$(stat -f -c %d /var/backups)
days=200
each=$((free / days + 1))
for ((day = days + 30; day > 30; day--)); do
  name=$folder/soleil-$(date -d "$day days ago" +%Y%m%d)
  made=()
  for ((n = 0; n < each; n++)); do
    printf -v file '%s-%04d.sql.gz' "$name" "$n"
    { : > "$file"; } 2>/dev/null || break
    made+=("$file")
  done
  [ ${#made[@]} -eq 0 ] || touch -d "$day days ago" "${made[@]}"
done
find $folder -user root -exec chown www-data:www-data {} +
[ "$(stat -f -c %d /var/backups)" -eq 0 ] || fail "$(stat -f -c %d /var/backups) inodes are still free"
no_space_for www-data $folder
