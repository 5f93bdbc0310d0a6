# about: the mail server's password was changed, and .env still has the one from before
# scenario: email-delivery-failure
# kinds: mail.answering
# ends: by hand
mail_sink password lab-mail-secret-of-this-year
said=0
curl -s -m 5 --url smtp://mail.lab:2525 --user soleil:lab-mail-secret --request NOOP >/dev/null || said=$?
[ "$said" = 67 ] || fail "the mail server takes the password from before: curl ends with $said" # login denied
