# Sends UDP datagrams from any port, also one that another process has: each on standard input as length, port and
# number of the line (5 bytes), and payload.
#
#   perl raw-sender.pl PORT FROM TO [FROM TO]...
use strict;
use warnings;
use Socket;

my $port = shift @ARGV;
my (@sockets, @targets);
while (@ARGV) {
  my ($from, $to) = splice(@ARGV, 0, 2);
  socket(my $socket, AF_INET, SOCK_RAW, 17) or die "socket: $!";
  bind($socket, pack_sockaddr_in(0, inet_aton($from))) or die "bind: $!";
  push @sockets, $socket;
  push @targets, pack_sockaddr_in(0, inet_aton($to));
}
binmode STDIN;
my ($head, $payload);
while (read(STDIN, $head, 5) == 5) {
  my ($length, $from, $line) = unpack("nnC", $head);
  $payload = "";
  read(STDIN, $payload, $length) if $length > 0;
  # What the kernel does not take is lost, as on any line. Without a checksum, since none is needed over IPv4.
  send($sockets[$line], pack("nnnn", $from, $port, 8 + $length, 0) . $payload, 0, $targets[$line]);
}
