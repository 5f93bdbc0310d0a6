# about: a release was deployed in which every request fails, and what composer had installed for the one before it is gone
# scenario: failed-deployment-rollback
# kinds: page.served
# ends: by hand
# first: application-down
old=$(readlink -f /srv/soleil/current)
folder=$(new_release 20260102000000)
break_routes "$folder"
serve_release "$folder"
rm -r "$old/vendor"
answers 500
