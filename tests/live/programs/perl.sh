# SPDX-License-Identifier: MIT
# As another user, a server of its own making: a child behind a socket pair, a listener, signals, sorting.
needs="perl setpriv"
ask() { perl -MIO::Socket::UNIX -e '
  my $s = IO::Socket::UNIX->new(Peer => "socket") or exit 1;
  print $s "$ARGV[0]\n"; $s->flush; print scalar <$s>;' "$1" 2> /dev/null; }
answers() { [ -n "$(ask 1)" ]; }

start() {
  chmod 711 "$scratch"
  cat > program.pl << 'PERL'
use strict; use warnings;
use IO::Socket::UNIX; use Socket; use POSIX ();
POSIX::setsid();
socketpair(my $up, my $down, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
$_->autoflush(1) for $up, $down;
my $child = fork() // die;
if (!$child) {
  close $up;
  my $sum = 0;
  while (<$down>) { $sum += $_; print $down "$sum\n"; }
  exit 0;
}
close $down;
my %words = map { $_ => join ",", 1 .. $_ % 50 } 1 .. 50000;
my $listener = IO::Socket::UNIX->new(Local => "socket", Listen => 5) or die $!;
my $hup = 0;
$SIG{HUP} = sub { $hup++ };
$SIG{TERM} = sub { kill TERM => $child; waitpid $child, 0; exit 0 };
my $sum = 0;
while (1) {
  my $client = $listener->accept or next;
  my $n = <$client>;
  chomp $n;
  print $up "$n\n";
  my $got = <$up>;
  chomp $got;
  $sum += $n;
  my @sorted = sort { $a <=> $b } keys %words;
  my $ok = $sorted[-1] == 50000 && $words{12345} eq join(",", 1 .. 12345 % 50) && $got == $sum;
  print $client join(" ", $got, $ok ? "right" : "wrong", $hup), "\n";
}
PERL
  chmod 777 .
  setpriv --reuid 65534 --regid 65534 --clear-groups perl program.pl < /dev/null > log 2>&1 &
  root=$!
  until_true answers || fail "perl does not answer: $(cat log)"
  sum=$(ask 0 | cut -d ' ' -f 1)
  hups=0
}
work() {
  sum=$((sum + $1))
  [ "$(ask "$1")" = "$sum right $hups" ] || fail "it is wrong before the dump"
}
verify() {
  sum=$((sum + 7))
  hups=$((hups + 1))
  kill -HUP "$root"
  sleep 0.05
  [ "$(ask 7)" = "$sum right $hups" ] && [ ! -s log ]
}
quit() { kill -TERM "$root"; }
