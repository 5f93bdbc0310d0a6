#!/bin/bash
# Runs once, within configure.sh: the first release, its database, its web server and its workers.
set -euo pipefail

root=/srv/soleil
release=$root/releases/20260101000000
mkdir -p "$release" $root/shared/storage/{app/exports,framework/{cache/data,sessions,views},logs}
cp -r /run/lab/app/. "$release/"
mkdir -p "$release/bootstrap/cache"
chmod 755 "$release/artisan"
mv "$release/env.production" $root/shared/.env
ln -s $root/shared/.env "$release/.env"
ln -s $root/shared/storage "$release/storage"
ln -s releases/20260101000000 $root/current
chown -Rh deploy:www-data $root
chmod -R g+rwX $root/shared/storage "$release/bootstrap/cache"
find $root/shared/storage -type d -exec chmod g+s {} +
chmod 640 $root/shared/.env
install -d -m 750 -o www-data -g www-data /var/backups/soleil

su postgres -c psql <<'EOF'
\set ON_ERROR_STOP on
create role soleil login password 'soleil-secret';
create database soleil owner soleil;
\connect soleil
create extension btree_gist;
EOF
cd $root/current
sudo -u deploy php artisan migrate --force
sudo -u deploy php artisan db:seed --force
sudo -u www-data pg_dump -d postgresql://soleil:soleil-secret@127.0.0.1/soleil \
  | gzip > /var/backups/soleil/soleil-20260101-0300.sql.gz
chown www-data:www-data /var/backups/soleil/*

cat > /etc/nginx/sites-available/soleil <<'EOF'
server {
  listen 80 default_server;
  server_name _;
  root /srv/soleil/current/public;
  index index.php;
  access_log /var/log/nginx/access.log;
  error_log /var/log/nginx/error.log;
  location / { try_files $uri /index.php?$query_string; }
  location ~ \.php$ {
    include fastcgi_params;
    # The release behind the link, so that a swapped link takes effect at once.
    fastcgi_param SCRIPT_FILENAME $realpath_root$fastcgi_script_name;
    fastcgi_param DOCUMENT_ROOT $realpath_root;
    fastcgi_pass unix:/run/php/php8.2-fpm.sock;
  }
  location = /nginx_status { stub_status; allow 127.0.0.1; deny all; }
}
EOF
ln -sf ../sites-available/soleil /etc/nginx/sites-enabled/default
nginx -t -q

cat > /etc/supervisor/conf.d/soleil-worker.conf <<'EOF'
[program:soleil-worker]
process_name=%(program_name)s_%(process_num)02d
command=php /srv/soleil/current/artisan queue:work redis --sleep=1 --tries=1 --max-time=3600
user=www-data
numprocs=2
autostart=true
autorestart=true
startsecs=1
stopwaitsecs=10
redirect_stderr=true
stdout_logfile=/srv/soleil/shared/storage/logs/worker.log
EOF
