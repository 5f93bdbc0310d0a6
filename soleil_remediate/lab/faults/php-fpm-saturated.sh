# about: a page waits for somebody else's service, and more users ask for it than php-fpm has children; the database has nothing to do with it
# scenario: slow-response
# kinds: page.quick php-fpm.free
# ends: by hand
add_route quote 'usleep(1500000);'
# shellcheck disable=SC2016  # the inner shell's
systemd-run --quiet --collect --unit=lab-asking-for-quotes --property=RuntimeMaxSec=900 bash -c \
  'for n in $(seq 10); do while :; do curl -s -o /dev/null -m 60 localhost/api/quote || sleep 1; done & done; wait'
tries=0
until [ "$(workers_of php8.2-fpm | wc -l)" = 5 ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || fail "php-fpm has children left"
  sleep 0.2
done
takes 1000
