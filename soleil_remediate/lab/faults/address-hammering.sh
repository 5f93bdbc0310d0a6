# about: a client asks for the same page again and again, several times a second, from one address of the internet
# scenario: rate-limit-breach
# kinds: traffic.calm address.block
# ends: by hand
# named: address=192.31.196.7
# option: family=4  6: over IPv6
logged 200 -30min now
case $OPTION_FAMILY in
  4) from=192.31.196.7 page=http://192.31.196.1/api/health/live ;;
  6)
    from=2620:4f:8000::7 page='http://[2620:4f:8000::1]/api/health/live'
    sed -i 's/listen 80 default_server;/& listen [::]:80 default_server;/' /etc/nginx/sites-available/soleil
    systemctl reload nginx
    ;;
esac
strangers "$from"
sleep 0.5
as_strangers ab -q -n 400 -c 4 -H 'User-Agent: python-requests/2.31' "$page" >/dev/null
go_on_asking 240 "$page" "$from" python-requests/2.31
[ "$(grep -c "^$from - " /var/log/nginx/access.log)" -ge 400 ] || fail "nginx has not logged its requests"
