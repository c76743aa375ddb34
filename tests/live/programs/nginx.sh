# SPDX-License-Identifier: MIT
# A master and two workers: they answer over TCP, log, and the master still rules them.
needs=nginx
page() {
  exec 8<> /dev/tcp/127.0.0.1/8080 || return 1
  printf 'GET /%s HTTP/1.0\r\n\r\n' "$1" >&8
  cat <&8
  exec 8>&-
}
answers() { page page 2> /dev/null | grep -q 'the page'; }
workers() { pgrep -P "$root" | sort; }

start() {
  mkdir -p html logs
  seq 20000 > html/large
  echo 'the page' > html/page
  cat > conf << CONF
daemon off; worker_processes 2; pid $PWD/pid; error_log $PWD/logs/error.log; user root;
events { worker_connections 128; }
http {
  access_log $PWD/logs/access.log;
  client_body_temp_path $PWD/t1; proxy_temp_path $PWD/t2; fastcgi_temp_path $PWD/t3;
  uwsgi_temp_path $PWD/t4; scgi_temp_path $PWD/t5;
  server { listen 127.0.0.1:8080 reuseport; root $PWD/html; }
}
CONF
  setsid nginx -e "$PWD/logs/error.log" -c "$PWD/conf" < /dev/null > out 2>&1 &
  root=$!
  until_true answers || fail "nginx does not answer: $(cat out)"
}
work() {
  answers
  before=$(workers)
  [ "$(wc -w <<< "$before")" -eq 2 ] || fail "workers: $before"
}
verify() {
  local lines
  [ "$(workers)" = "$before" ] || return 1
  lines=$(wc -l < logs/access.log)
  for _ in 1 2 3 4 5 6 7 8; do answers || return 1; done
  [ "$(page large | tail -n 1)" = 20000 ] || return 1
  [ "$(wc -l < logs/access.log)" -eq $((lines + 9)) ] || return 1
  # New workers by the master: its signals, its children and their channels are right.
  kill -HUP "$root"
  replaced() { [ "$(workers | wc -l)" -eq 2 ] && ! workers | grep -qxF "$before"; }
  until_true replaced && answers
}
quit() { kill -QUIT "$root"; }
