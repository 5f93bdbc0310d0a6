# about: nginx's configuration on disk is broken; a reload was refused, and the old configuration still serves
# scenario: application-down
# kinds: service.configured
# ends: well
echo 'nonsense on;' >/etc/nginx/conf.d/broken.conf
! systemctl reload nginx 2>/dev/null || fail "nginx took it"
[ "$(answer ready)" = 200 ] || fail "the old configuration does not serve"
