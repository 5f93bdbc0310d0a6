# about: the application's mail server takes a second and a half for each reply
# scenario: email-delivery-failure
# kinds: mail.answering
# ends: by hand
# option: delay=1.5  seconds
mail_sink delay "$OPTION_DELAY"
began=$(date +%s%N)
timeout 60 bash -c 'exec 3<>/dev/tcp/127.0.0.1/2525 && head -n 1 <&3' >/dev/null
[ $(($(date +%s%N) - began)) -gt 1000000000 ] || fail "the mail server is not slow"
