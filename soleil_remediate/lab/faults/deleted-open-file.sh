# about: a log grew until /var/log was full and was then deleted; a service still holds it, so nothing came free
# scenario: disk-full
# kinds: open-file.reopen disk.writable disk.used
# option: holder=nginx  whose log it is: nginx, php8.2-fpm, rsyslog or supervisor
case $OPTION_HOLDER in
  nginx)
    log=/var/log/nginx/access.log
    curl -sS -o /dev/null http://localhost/api/health/live
    ;;
  php8.2-fpm) log=/var/log/php8.2-fpm.log ;;
  rsyslog)
    log=/var/log/syslog
    systemctl -q enable --now rsyslog 2>/dev/null
    logger 'the first line'
    for _ in $(seq 50); do [ -s $log ] || sleep 0.1; done
    ;;
  supervisor) log=/var/log/supervisor/supervisord.log ;;
  *) fail "no holder is called $OPTION_HOLDER" ;;
esac
fill "$log" access_lines "$log"
rm "$log"
holder=$(systemctl show -p MainPID --value "$OPTION_HOLDER")
find "/proc/$holder/fd" -lname "$log (deleted)" | grep -q . || fail "$OPTION_HOLDER does not hold the deleted log"
sync -f /var/log
is_full /var/log || fail "deleting the log freed its space"
no_space_for root /var/log
