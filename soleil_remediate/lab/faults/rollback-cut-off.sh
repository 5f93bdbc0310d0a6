# about: a way back is not finished, though the older release is served; queue workers and php-fpm have the bad one's code still
# scenario: failed-deployment-rollback
# kinds: release.rollback rollback.finished
folder=$(new_release 20260102000000)
serve_release "$folder"
until_supervisor 2 RUNNING
sudo -u deploy sh -c '
  touch "$1/BAD_RELEASE" "$1/ROLLBACK_UNFINISHED-20260101000000"
  ln -s releases/20260101000000 /srv/soleil/current.new && mv -T /srv/soleil/current.new /srv/soleil/current' sh "$folder"
chown www-data: /srv/soleil/releases/20260101000000/bootstrap/cache/*.php # a way back has built them anew by then
until_answer ready 200
