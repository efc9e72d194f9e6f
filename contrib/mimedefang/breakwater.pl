# Tells Breakwater what MIMEDefang found out about a client. For
# /etc/mail/mimedefang-filter:
#
#   require '/etc/mail/breakwater.pl';
#
#   sub filter_begin {
#       my($entity) = @_;
#       my($code, $category, $action) = message_contains_virus();
#       if ($category eq 'virus') {
#           breakwater_report($RelayAddr, 'virus', '-', $VirusName);
#           return action_bounce("This is a virus: $VirusName");
#       }
#   }
#
#   sub filter_end {
#       my($entity) = @_;
#       if ($Features{'SpamAssassin'} && -s './INPUTMSG' < 512*1024) {
#           my($hits, $req, $names) = spam_assassin_check();
#           if ($hits >= 2 * $req) {
#               breakwater_report($RelayAddr, 'spam', '-', "$hits $names");
#               return action_bounce('This is spam');
#           }
#       }
#   }
#
# and for /etc/breakwater/breakwater.toml, so that MIMEDefang's user may:
#
#   [report]
#   socket = "unix:/run/breakwater/report.sock"
#   group = "defang"
#   users = ["defang"]
#
#   [[offence]]
#   kind = "virus"
#
# Refuse the message as well: the client's sessions end with the ban, this one
# too, but an MTA that has the whole message would still deliver it. Report
# $RelayAddr only where MIMEDefang runs on the host that the client speaks to;
# behind another MX it is that MX's address (protect.networks).
#
# breakwaterd(8), REPORTS, has the protocol.

use strict;
use warnings;

package Breakwater;

use IO::Select;
use IO::Socket::UNIX;
use Time::HiRes ();

our $SocketPath = '/run/breakwater/report.sock';
our $Patience   = 2;    # seconds; mail does not wait longer for us

my $socket;             # kept from one message to the next

# The text with nothing in it that could end the line.
sub one_line {
    my($text, $longest) = @_;
    $text = '' unless defined $text;
    $text =~ s/[^\x20-\x7e]/?/g;
    return substr($text, 0, $longest);
}

sub ask {
    my($line) = @_;
    $socket ||= IO::Socket::UNIX->new(Peer => $SocketPath) or return;
    my $end = Time::HiRes::time() + $Patience;
    local $SIG{PIPE} = 'IGNORE';
    my $sent = syswrite($socket, $line);
    my $answer = '';
    while (defined $sent && $sent == length $line) {
        my $left = $end - Time::HiRes::time();
        last if $left <= 0 || !IO::Select->new($socket)->can_read($left);
        sysread($socket, $answer, 1024, length $answer) or last;
        return $answer if $answer =~ s/\n\z//;
    }
    # An answer that is late must not be taken for that to the next report.
    close $socket;
    undef $socket;
    return;
}

package main;

# breakwater_report(ADDRESS, KIND, LENGTH, DETAIL): the daemon's answer, as
# "ok struck banned 600 id=7f3a01c2" or "error offence virus is off: ...";
# nothing if it cannot be reached, which does mail no harm. LENGTH "-": as the
# offence's rule says.
sub breakwater_report {
    my($address, $kind, $length, $detail) = @_;
    my $line = join(' ', 'report',
                    map { my $word = Breakwater::one_line($_, 60);
                          $word =~ tr/ /_/; $word } $address, $kind, $length);
    $line .= ' ' . Breakwater::one_line($detail, 200) . "\n";
    # Once more, as the daemon may have been restarted since the last report.
    my $answer = Breakwater::ask($line);
    $answer = Breakwater::ask($line) unless defined $answer;
    if (defined &md_syslog) {
        md_syslog('info', "breakwater: $kind $address: "
                  . (defined $answer ? $answer : 'cannot be reached'));
    }
    return $answer;
}

1;
