# about: users' requests went well for an hour, until a release was deployed in which every one fails
# scenario: application-down
# kinds: page.served release.rollback
# first: failed-deployment-rollback
logged 200 '-1 hour' now
folder=$(new_release 20260102000000)
break_routes "$folder"
serve_release "$folder"
answers 500
