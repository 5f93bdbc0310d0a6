# about: nginx runs with a wrong configuration that was corrected on disk and never loaded
# scenario: application-down
# kinds: page.served nginx.reload
site=/etc/nginx/sites-available/soleil
sed -i s/php8.2-fpm.sock/php7.4-fpm.sock/ "$site"
systemctl reload nginx
sleep 1.1 # what was loaded and what was changed in the same second cannot be told apart
sed -i s/php7.4-fpm.sock/php8.2-fpm.sock/ "$site"
[ "$(answer live)" = 502 ] || fail "nginx still reaches php-fpm"
