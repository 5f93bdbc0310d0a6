# about: nginx's access.log fills /var/log; nginx holds it open and silently stops logging
# scenario: disk-full
# kinds: log.truncate disk.writable disk.used
curl -sS -o /dev/null http://localhost/api/health/live
fill /var/log/nginx/access.log access_lines /var/log/nginx/access.log
no_space_for root /var/log
