# about: php-fpm's workers leak with each request, until next to nothing of the host's memory is left
# scenario: memory-exhaustion
# kinds: memory.available leaking-php.reload
# memory: 1 GiB
leak_page
tries=0
while [ "$(memory_left)" -ge 98 ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 150 ] || fail "$(memory_left) MiB are still left"
  curl -s -m 10 http://localhost/report.php | grep -q "done" || fail "the page does not leak"
done
