# about: a release was deployed in which every request fails, and the one before it fails as well
# scenario: failed-deployment-rollback
# kinds: release.rollback page.served
# ends: no further
old=$(readlink -f /srv/soleil/current)
folder=$(new_release 20260102000000)
break_controller "$folder"
break_controller "$old"
serve_release "$folder"
answers 500
