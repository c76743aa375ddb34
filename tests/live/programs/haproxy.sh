# SPDX-License-Identifier: MIT
# A master and a worker that speak through socket pairs, and a control socket that was renamed to
# the name that it has.
needs="haproxy perl"
page() {
  exec 8<> /dev/tcp/127.0.0.1/8082 || return 1
  printf 'GET / HTTP/1.0\r\n\r\n' >&8
  cat <&8
  exec 8>&-
}
answers() { page 2> /dev/null | grep -q 'the page'; }
command() {
  perl -MIO::Socket::UNIX -e '
    my $s = IO::Socket::UNIX->new(Peer => "socket") or exit 1;
    print $s "$ARGV[0]\n";
    print while <$s>' "$1"
}

start() {
  cat > conf << CONF
global
  nbthread 2
  stats socket $PWD/socket level admin
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend one
  bind 127.0.0.1:8082
  http-request return status 200 content-type text/plain string "the page"
CONF
  setsid haproxy -W -f "$PWD/conf" < /dev/null > log 2>&1 &
  root=$!
  until_true answers || fail "haproxy does not answer: $(cat log)"
}
work() {
  answers && command 'set maxconn global 77' > told
}
verify() {
  answers && answers && command 'show info' | grep -q '^Maxconn: 77$'
}
quit() { kill -TERM "$root"; }
