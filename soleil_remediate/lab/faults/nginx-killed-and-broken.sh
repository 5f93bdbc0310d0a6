# about: nginx was killed, and with its configuration on disk it cannot start again
# scenario: application-down
# kinds: page.served service.configured
# ends: by hand
echo 'nonsense on;' >/etc/nginx/conf.d/broken.conf
systemctl kill --signal=KILL nginx
until_unit nginx failed
! systemctl start nginx 2>/dev/null || fail "nginx took it"
