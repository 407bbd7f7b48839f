#!/bin/sh
# Makes the secrets and the files of the nodes, once: $CONFIG is where, $ADDRESSES are the
# nodes' own, $DATA is where each finds its store, $EXTRA more lines of each file.
set -eu
cd "$CONFIG"
[ -e done ] && exit 0
rm -rf secrets n? n?.yaml
tollbook node init -secrets secrets -name compose
members='' i=0
for address in $ADDRESSES; do
  i=$((i + 1))
  members="$members
    n$i: $address:7422"
done
i=0
for address in $ADDRESSES; do
  i=$((i + 1))
  tollbook node admit "n$i" "$address:7422" -secrets secrets -to "n$i"
  cat > "n$i.yaml" <<END
node: n$i
data: $DATA
http: $address:8080
sip: $address:5060
media: {address: $address, engine: epoll}
$EXTRA
cluster:
  name: compose
  secrets: $CONFIG/n$i
  elections: quick
  members:$members
END
done
touch done
