# about: /var/backups is full for everybody but root, for whom ext4 keeps 5 %
# scenario: disk-full
# kinds: disk.writable disk.used
# ends: by hand
file=/var/backups/soleil/soleil-$(date +%Y%m%d)-0300.sql.gz
for size in 1M 4k; do
  setpriv --reuid www-data --regid www-data --init-groups \
    dd if=/dev/urandom of="$file" bs=$size oflag=append conv=notrunc status=none 2>/dev/null || true
  sync -f "$file"
done
[ "$(stat -f -c %f /var/backups)" -gt 3000 ] || fail "root has only $(stat -f -c %f /var/backups) blocks"
no_space_for www-data /var/backups/soleil
