# about: users meet a certificate that has expired; nginx and the application are well
# scenario: application-down
# kinds: page.reached
# ends: well
# option: how=expired  or good, soon (three days left), other-name, self-signed, unknown-authority; a new one each time
how=$OPTION_HOW tls=/etc/ssl/soleil name=IP:$(hostname -I | cut -d' ' -f1) days=60
case $how in
  good | self-signed | unknown-authority) ;;
  soon) days=3 ;;
  expired) days=-1 ;;
  other-name) name=DNS:www.soleil.example ;;
  *) fail "no such certificate: $how" ;;
esac

# key_and NAME WORD...: a new key, and what openssl req makes with it
key_and() {
  local to=$1
  shift
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tls/$to.key" "$@" 2>/dev/null
}

mkdir -p "$tls"
[ -e "$tls/ca.pem" ] || key_and ca -x509 -days 3650 -subj "/CN=authority of the lab" -out "$tls/ca.pem"
authority=ca
if [ "$how" = unknown-authority ]; then
  authority=other
  key_and other -x509 -days 3650 -subj "/CN=another authority" -out "$tls/other.pem"
fi
if [ "$how" = self-signed ]; then
  key_and site -x509 -days "$days" -subj "/CN=soleil" -addext "subjectAltName=$name" -out "$tls/site.pem"
else
  key_and site -subj "/CN=soleil" -addext "subjectAltName=$name" -out "$tls/site.csr"
  openssl x509 -req -in "$tls/site.csr" -CA "$tls/$authority.pem" -CAkey "$tls/$authority.key" -days "$days" \
    -copy_extensions copy -out "$tls/site.pem" 2>/dev/null
fi
site=/etc/nginx/sites-available/soleil
grep -q 'listen 443' "$site" || sed -i 's|^ *listen 80 default_server;|&\n  listen 443 ssl default_server;|' "$site"
printf 'ssl_certificate %s/site.pem;\nssl_certificate_key %s/site.key;\n' "$tls" "$tls" >/etc/nginx/conf.d/tls.conf
systemctl reload nginx
tries=0
until curl -sk -m 3 -o /dev/null https://localhost/api/health/ready &&
  [ "$(openssl s_client -connect localhost:443 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint)" = \
    "$(openssl x509 -in "$tls/site.pem" -noout -fingerprint)" ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 50 ] || fail "nginx does not serve the certificate"
  sleep 0.1
done
