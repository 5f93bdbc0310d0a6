# about: yesterday's and today's access.log fill /var/log for everybody but root: what is kept for root is room to rotate
# scenario: disk-full
# kinds: log.rotate disk.writable disk.used
# option: reserved=20  percent of the disk that ext4 keeps for root
disk=/dev/lab-var-log
# Hosts have no nodes of their disks, and only a node can be told how much is root's.
mknod "$disk" b "$(mountpoint -d /var/log | cut -d: -f1)" "$(mountpoint -d /var/log | cut -d: -f2)"
tune2fs -m "$OPTION_RESERVED" "$disk" >/dev/null
rm "$disk"
log=/var/log/nginx/access.log
curl -sS -o /dev/null http://localhost/api/health/live
install -m 640 -o www-data -g adm /dev/null "$log.1"
half=$(($(available /var/log) / 256 / 2))
append "$half" "$log.1" access_lines "$half" yesterday
touch -d yesterday "$log.1"
for size in 1M 4k; do
  { access_lines "$log" | setpriv --reuid www-data --regid www-data --init-groups \
    dd of="$log" bs=$size iflag=fullblock oflag=append conv=notrunc status=none; } 2>/dev/null || true
  sync -f "$log"
done
[ "$(available /var/log)" -eq 0 ] || fail "$(available /var/log) blocks are still free for users"
curl -sS -o /dev/null http://localhost/api/health/live?lab-probe
! tail -n 1 "$log" | grep -q lab-probe || fail "nginx still logs"
