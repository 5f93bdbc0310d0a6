# about: nginx's access.log grew until /var/log was full and was then deleted; nginx still holds it, so nothing came free
# scenario: disk-full
# kinds: open-file.reopen disk.writable disk.used
curl -sS -o /dev/null http://localhost/api/health/live
fill /var/log/nginx/access.log access_lines /var/log/nginx/access.log
rm /var/log/nginx/access.log
find "/proc/$(cat /run/nginx.pid)/fd" -lname '*/access.log (deleted)' | grep -q . || fail "nginx does not hold the deleted log"
sync -f /var/log
is_full /var/log || fail "deleting the log freed its space"
no_space_for root /var/log
