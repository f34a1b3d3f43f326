"""What a host does about its routers, in sh: make one, tell it leases, remove it, list all.

Of `$nets` each line is a network: its side of the wire inside, the one outside, the bridge, the
hardware address and the address. `$public` is the outer end of the way out.
"""

from __future__ import annotations

PARTS = """
alive() {
  pid=$(cat "$at/dnsmasq.pid" 2>/dev/null) && [ -n "$pid" ] &&
    grep -qa "^dnsmasq" "/proc/$pid/cmdline" 2>/dev/null
}
balances() {
  calls=$(cat "$at/haproxy.pid" 2>/dev/null) && [ -n "$calls" ] &&
    grep -qa "^haproxy" "/proc/$calls/cmdline" 2>/dev/null
}
silence() {
  alive && kill "$pid"
  while alive; do sleep 0.02; done
}
inside() { ip netns exec "$ns" "$@" 9>&-; }
speak() { inside dnsmasq --conf-file="$at/dnsmasq.conf"; }
is_made() { ip netns exec "$ns" true 2>/dev/null; }
unmake() {
  silence
  for left in $(ip netns pids "$ns" 2>/dev/null); do kill -KILL "$left" 2>/dev/null; done
  for wire in $(echo "$nets" | cut -d" " -f2) "$public"; do ip link del "$wire" 2>/dev/null; done
  ip netns del "$ns" 2>/dev/null
  rm -f "/run/netns/$ns" && [ ! -e "/run/netns/$ns" ]
}
"""
# $1 the folder of all routers, $2 the router, $3 what it is made of, as a tar.
RUN = (
    PARTS
    + """
base=$1 at=$1/$2 new=$1/$2.new tar=$3
mkdir -p "$base" && exec 9>"$base/$2.lock" && flock -w 50 9 || exit 1
rm -rf "$new" && mkdir "$new" && tar -xf "$tar" -C "$new" && . "$new/plan" || exit 1
for tool in ip nft ${dnsmasq:+dnsmasq}; do
  command -v "$tool" >/dev/null || { echo "there is no $tool: apt-get install $(
    case $tool in ip) echo iproute2 ;; nft) echo nftables ;; *) echo dnsmasq-base ;; esac)" >&2
    exit 3; }
done
for bridge in $(echo "$nets" | cut -d" " -f3) $public_bridge; do
  [ -d "/sys/class/net/$bridge/bridge" ] || { echo "there is no bridge $bridge" >&2; exit 3; }
done
nft -c -f "$new/rules.nft" || exit 3
[ -z "$dnsmasq" ] || dnsmasq --test --conf-file="$new/dnsmasq.conf" 2>"$new/why" || {
  cat "$new/why" >&2; exit 3; }
lacking=
[ -z "$haproxy" ] || command -v haproxy >/dev/null || lacking=yes haproxy=
[ -z "$haproxy" ] || haproxy -c -q -f "$new/haproxy.cfg" >"$new/why" 2>&1 || {
  cat "$new/why" >&2; exit 3; }
rm -f "$new/why"
if ! is_made || [ "$(cat "$at/life" 2>/dev/null)" != "$life" ]; then
  ( [ ! -e "$at/plan" ] || . "$at/plan"; unmake ) && ip netns add "$ns" || exit 1
  rm -f "$at/held"
fi
mkdir -p "$at"
inside nft -f "$new/rules.nft" || exit 1
inside sh -c '
  for one in /proc/sys/net/ipv6/conf/all /proc/sys/net/ipv6/conf/default; do
    [ ! -e $one ] || echo 1 >$one/disable_ipv6 || exit 1
  done
  cd /proc/sys/net/ipv4 && echo 1 >conf/all/promote_secondaries && echo 1 >conf/all/rp_filter &&
  echo 1 >conf/default/arp_notify && echo 1 >ip_forward' || exit 1
inside ip link set lo up
wire() {  # $1 its end inside, $2 the outer one, $3 the bridge, $4 the hardware address
  if ! inside ip link show "$1" >/dev/null 2>&1; then
    ip link del "$2" 2>/dev/null
    ip link add "$2" type veth peer name "$1" address "$4" netns "$ns" || return 1
  fi
  ip link set "$2" master "$3" up
}
assign() {  # $1 an interface inside, the rest its addresses
  link=$1
  shift
  for have in $(ip -n "$ns" -4 -o addr show dev "$link" | awk '{ print $4 }'); do
    case " $* " in *" $have "*) ;; *) ip -n "$ns" addr del "$have" dev "$link" ;; esac
  done
  for want in "$@"; do ip -n "$ns" addr replace "$want" dev "$link" || return 1; done
  ip -n "$ns" link set "$link" up
}
wanted=" public $(echo "$nets" | cut -d" " -f1 | tr "\\n" " ")"
for have in $(ip -n "$ns" -o link show type veth | cut -d" " -f2 | cut -d@ -f1); do
  case "$wanted" in *" $have "*) ;; *) ip -n "$ns" link del "$have" ;; esac
done
echo "$nets" | while read -r side outer bridge mac address; do
  wire "$side" "$outer" "$bridge" "$mac" </dev/null && assign "$side" "$address" </dev/null ||
    exit 1
done || exit 1
if [ -n "$public_bridge" ]; then
  wire public "$public" "$public_bridge" "$public_mac" && assign public $public_addresses || exit 1
else
  ip link del "$public" 2>/dev/null
fi
if [ -n "$next_hop" ]; then
  ip -n "$ns" route replace default via "$next_hop" || exit 1
else
  ip -n "$ns" route del default 2>/dev/null
fi
same=yes
cmp -s "$new/dnsmasq.conf" "$at/dnsmasq.conf" || same=
cmp -s "$new/haproxy.cfg" "$at/haproxy.cfg" && balances && other= || other=yes
mv -f "$new"/* "$at/" && rmdir "$new" || exit 1
if [ -z "$haproxy" ]; then
  ! balances || kill "$calls"
elif [ -n "$other" ]; then  # Who has called already is served by the one before.
  balances || calls=
  inside haproxy -D -f "$at/haproxy.cfg" -p "$at/haproxy.pid" ${calls:+-sf "$calls"} || exit 1
fi
if [ -z "$dnsmasq" ] || [ -z "$same" ] || ! alive; then
  silence
  if [ -n "$dnsmasq" ] && [ -e "$at/mark" ]; then speak || exit 1; fi
fi
[ -z "$lacking" ] || {  # All else it does.
  echo "what balances connections is missing: apt-get install haproxy" >&2; exit 3; }
"""
)
# $1 the folder of all routers, $2 the router, $3 the mark it is to be at (`any`), $4 the mark
# behind it, $5 a tar: `come` has a line for each card (`router_words.card`), `gone` what those and
# others are called whose lines go. `cards` keeps all lines, in no order, and what dnsmasq reads is
# made of it. It is told to read that again; but what it has leased (`held`) it neither gives to
# another card nor lets its name go, so where a line is no more it begins anew without that lease.
# Options that it cannot read are left out, and told. Who was broken off finds the lines as they
# were, and does all of it again.
LEASES = (
    PARTS
    + """
at=$1/$2 was=$3 now=$4 tar=$5 new=$1/$2/new
[ -e "$at/plan" ] || exit 4
exec 9>"$1/$2.lock" && flock -w 50 9 || exit 1
[ -e "$at/plan" ] || exit 4
mark=$(cat "$at/mark" 2>/dev/null)
[ "$mark" != "$now" ] || exit 0
[ "$was" = any ] || [ "$mark" = "$was" ] || exit 4
rm -rf "$new" && mkdir "$new" && tar -xf "$tar" -C "$new" && . "$at/plan" || exit 1
touch "$at/cards"
options() { cut -f5 "$1" | tr "\\037" "\\n" | grep .; }
fits() {
  sed "s/^/dhcp-option=/" >"$new/try" && dnsmasq --test --conf-file="$new/try" 2>"$new/why"
}
[ "$was" = any ] || cp "$at/bad" "$new/bad" || exit 1
options "$new/come" >"$new/options"
if [ -n "$dnsmasq" ] && [ -s "$new/options" ] && ! fits <"$new/options"; then
  while IFS= read -r one; do
    printf "%s\\n" "$one" | fits || {
      echo "$one" >>"$new/bad"
      one=${one#tag:}
      echo "${one%%,*} option $(echo "${one#*,}" | cut -d, -f1): $(
        sed -n "s/^dnsmasq: //; s/ at line .*//; /./p" "$new/why" | head -n 1)"
    }
  done <"$new/options"
fi
touch "$new/bad"
if [ "$was" = any ]; then
  cp "$at/cards" "$new/went" && cp "$new/come" "$new/cards" || exit 1
else
  awk -F"\\t" -v went="$new/went" "
    FILENAME == ARGV[1] { gone[\\$1]; next }
    \\$1 in gone { print >went; next }
    { print }" "$new/gone" "$at/cards" >"$new/cards" && cat "$new/come" >>"$new/cards" || exit 1
  touch "$new/went"
fi
grep -vxFf "$new/come" "$new/went" >"$new/lost"
cut -f3 "$new/cards" | grep . >"$new/leases"
cut -f4 "$new/cards" | grep . >"$new/names"
options "$new/cards" | grep -vxFf "$new/bad" >"$new/options"
for one in bad leases names options; do mv -f "$new/$one" "$at/$one" || exit 1; done
if [ -n "$dnsmasq" ] && is_made; then
  if [ ! -s "$new/lost" ] && alive; then
    kill -HUP "$pid"
  else
    silence
    [ ! -e "$at/held" ] || {
      cut -f2 "$new/lost" >"$new/free" && awk "
        FILENAME == ARGV[1] { free[\\$1]; next }
        !(\\$3 in free)" "$new/free" "$at/held" >"$new/held" && mv -f "$new/held" "$at/held"
    } && speak || exit 1
  fi
fi
echo "$now" >"$new/mark" && mv -f "$new/cards" "$at/cards" && mv -f "$new/mark" "$at/mark" &&
  rm -rf "$new"
"""
)
# $1 the folder of all routers, $2 the router.
REMOVE = (
    PARTS
    + """
base=$1 at=$1/$2
[ -e "$base" ] || exit 0
exec 9>"$base/$2.lock" && flock -w 50 9 || exit 1
for plan in "$at/plan" "$at.new/plan"; do
  [ ! -e "$plan" ] || ( . "$plan"; unmake ) || exit 1
done
rm -rf "$at" "$at.new"  # The lock stays: somebody may be waiting for it.
"""
)
# $1 the folder of all routers. A line for each: its id, its digest, the mark of its leases (`-` if
# it has none yet), and what is wrong with it.
LIST = (
    PARTS
    + """
on() { [ -e "/sys/class/net/$2/brif/$1" ] || why="it is off $2"; }
for at in "$1"/*; do
  [ -e "$at/plan" ] && [ "${at%.new}" = "$at" ] || continue
  . "$at/plan"
  why=
  [ -z "$public_bridge" ] || on "$public" "$public_bridge"
  while read -r side outer bridge rest; do on "$outer" "$bridge"; done <<END
$nets
END
  [ -z "$dnsmasq" ] || [ ! -e "$at/mark" ] || alive || why="its DHCP and DNS have ended"
  [ -z "${haproxy-}" ] || balances || why="what balances its connections has ended"
  ip netns exec "$ns" nft list table ip sagastack >/dev/null 2>&1 || why="it has no rules"
  is_made || why="its namespace is gone"
  echo "${at##*/} $(cat "$at/digest") $(cat "$at/mark" 2>/dev/null || echo -) $why"
done
"""
)
