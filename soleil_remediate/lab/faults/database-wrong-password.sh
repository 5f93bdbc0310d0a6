# about: the password in .env is not the role's any more; PostgreSQL is well, and lets the application not in
# scenario: database-connection-failure
# kinds: database.answers page.served
# ends: by hand
# option: cache=no  or yes: the configuration is cached with it, and .env has the right one again
sed -i 's/^DB_PASSWORD=.*/DB_PASSWORD=of-last-year/' /srv/soleil/shared/.env
case $OPTION_CACHE in
  no) ;;
  yes)
    as_deploy /srv/soleil/current artisan config:cache
    sed -i 's/^DB_PASSWORD=.*/DB_PASSWORD=soleil-secret/' /srv/soleil/shared/.env
    ;;
  *) fail "cache no or yes, not $OPTION_CACHE" ;;
esac
systemctl reload php8.2-fpm
until_answer ready 503
