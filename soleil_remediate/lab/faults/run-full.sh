# about: the tmpfs on /run is full, on which sockets, locks and whatever repairs a host depend
# scenario: disk-full
# kinds:
# ends: well
# option: size=16m  of /run, so that not all of the memory is needed to fill it
mount -o "remount,size=$OPTION_SIZE" /run
install -m 644 -d /run/lab
: > /run/lab/core
{ dd if=/dev/zero of=/run/lab/core bs=1M status=none; } 2>/dev/null || true
{ dd if=/dev/zero of=/run/lab/core bs=4k oflag=append conv=notrunc status=none; } 2>/dev/null || true
[ "$(available /run)" -eq 0 ] || fail "$(available /run) blocks are still free on /run"
no_space_for root /run/lab
