# about: a request took more than the host's memory, the kernel killed its worker, and php-fpm was ended with it
# scenario: memory-exhaustion
# kinds: oom-kill.over service.start
# option: times=1  so often the kernel kills
# option: stays=down  up: php-fpm goes on, as where its unit says OOMPolicy=continue
# memory: 1 GiB
leak_page
before=$(killed_for_want_of_memory)
for n in $(seq "$OPTION_TIMES"); do
  curl -s -m 60 -o /dev/null "http://localhost/report.php?times=160" || true
  tries=0
  until [ "$(killed_for_want_of_memory)" -ge $((before + n)) ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "the kernel killed nothing"
    sleep 0.1
  done
  # Of which process php-fpm itself tells; what the kernel says of it goes to the machine's log, not to this host's.
  tries=0
  until [ "$(grep -c 'exited on signal 9 ' /var/log/php8.2-fpm.log)" -ge "$n" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "php-fpm tells of no killed child"
    sleep 0.1
  done
  pid=$(sed -n 's/.*child \([0-9]*\) exited on signal 9 .*/\1/p' /var/log/php8.2-fpm.log | tail -n 1)
  kernel_says "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/,task_memcg=/system.slice/php8.2-fpm.service,task=php-fpm8.2,pid=$pid,uid=33"
  kernel_says "Memory cgroup out of memory: Killed process $pid (php-fpm8.2) total-vm:1130312kB, anon-rss:898104kB, file-rss:15784kB, shmem-rss:9472kB, UID:33 pgtables:1012kB oom_score_adj:0"
done
# Where control groups are of version 2, systemd does this itself (OOMPolicy=stop is its default).
if [ "$OPTION_STAYS" = down ]; then
  systemctl kill --signal=KILL php8.2-fpm
  until_unit php8.2-fpm failed
fi
