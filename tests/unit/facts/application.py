"""What an application says of itself."""

from __future__ import annotations

#: It could be started.
STARTED = '{"started":true}\n'

#: As Laravel 8.83 of Debian 12 says it, with an environment of texts.
DESCRIBED = (
    '{"environment":"production","debug":false,"version":"8.83.26","is_cached":false,'
    '"database":{"connection":"pgsql","driver":"pgsql","host":"127.0.0.1","port":"5432","name":"soleil",'
    '"user":"soleil"},'
    '"redis":{"default":{"host":"127.0.0.1","port":"6379","database":0,"has_password":false,'
    '"prefix":"soleil_database_"},"cache":{"host":"/run/redis.sock","port":null,"database":"1","has_password":true,'
    '"prefix":null}},'
    '"cache":{"store":"redis","driver":"redis","connection":"cache","prefix":"soleil_cache"},'
    '"limits":{"store":"file","driver":"file","connection":null,"prefix":"soleil_cache"},'
    '"session":{"driver":"file","connection":null,"store":null},'
    '"queue":{"name":"redis","driver":"redis","connection":"default","queue":"default","table":null,'
    '"retry_after":90},'
    '"failed":{"driver":"database-uuids","connection":"pgsql","table":"failed_jobs"},'
    '"mail":{"mailer":"smtp","transport":"smtp","host":"mail.lab","port":"2525","encryption":null,'
    '"has_password":false}}\n'
)
