# about: the application's mail server takes no connection; it runs on its own host, and somebody stopped it
# scenario: email-delivery-failure
# kinds: mail.answering service.start
# ends: by hand
# named: server=mail-sink.service
# option: how=stopped  or busy: it takes connections, and sends everybody away (421)
case $OPTION_HOW in
  stopped) systemctl stop mail-sink ;;
  busy) mail_sink greeting '421 4.3.2 mail.lab is too busy' ;;
  *) fail "how is stopped or busy, not $OPTION_HOW" ;;
esac
said=$(timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/2525 && head -n 1 <&3' 2>/dev/null) || said=
case $said in 220*) fail "the mail server answers: $said" ;; esac
