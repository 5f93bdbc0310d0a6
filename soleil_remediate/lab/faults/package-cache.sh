# about: downloaded Debian packages fill /var/cache
# scenario: disk-full
# kinds: package-cache.clean disk.writable disk.used
folder=/var/cache/apt/archives
mkdir -p $folder
for number in 18 20 21 22 23 25; do
  append 18 "$folder/linux-image-6.1.0-$number-amd64_6.1.$((number * 4))-1_amd64.deb" cat /dev/urandom 2>/dev/null
done
fill $folder/linux-headers-6.1.0-25-amd64_6.1.106-3_amd64.deb cat /dev/urandom
no_space_for root $folder
