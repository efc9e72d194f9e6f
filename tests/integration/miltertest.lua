-- The daemon's milter socket as OpenDKIM's miltertest speaks to it, an MTA that
-- we did not write. Given `socket`, and `ban`, the command
-- that bans 2001:db8:900d::9; 2001:db8:bad1::5 is listed.

local function check(condition, what)
  if not condition then
    mt.echo(what)
    error(what)
  end
end

local function connect(address)
  local mta = mt.connect(socket)
  check(mta, "cannot connect to " .. socket)
  check(mt.negotiate(mta, nil, nil, nil) == nil, "negotiation failed")
  mt.macro(mta, SMFIC_CONNECT, "{daemon_addr}", "2001:db8:25::25",
           "{daemon_port}", "25")
  check(mt.conninfo(mta, "client.test", address) == nil, "connect failed")
  check(mt.getreply(mta) == SMFIR_CONTINUE, "connect was not continued")
  return mta
end

-- Without an address: the connection was gone before it was accepted.
local nobody = connect("unspec")
check(mt.mailfrom(nobody, "<a@client.test>") == nil, "MAIL failed")
check(mt.getreply(nobody) == SMFIR_CONTINUE, "MAIL was not continued")
check(mt.rcptto(nobody, "<b@mail.test>") == nil, "RCPT failed")
check(mt.getreply(nobody) == SMFIR_CONTINUE, "RCPT was not continued")
check(mt.eom(nobody) == nil, "the end of the message failed")
check(mt.getreply(nobody) == SMFIR_CONTINUE, "the message was refused")
mt.disconnect(nobody)

local listed = connect("2001:db8:bad1::5")
check(mt.mailfrom(listed, "<a@client.test>") == nil, "MAIL failed")
check(mt.getreply(listed) == SMFIR_REPLYCODE, "MAIL was not refused")
mt.disconnect(listed)

-- A client that is banned in the middle of its message. Only here, at the end
-- of a message, does miltertest let one see the reply's text.
local clean = connect("2001:db8:900d::9")
check(mt.mailfrom(clean, "<a@client.test>") == nil, "MAIL failed")
check(mt.getreply(clean) == SMFIR_CONTINUE, "MAIL was not continued")
check(mt.rcptto(clean, "<b@mail.test>") == nil, "RCPT failed")
check(mt.getreply(clean) == SMFIR_CONTINUE, "RCPT was not continued")
check(mt.data(clean) == nil, "DATA failed")
check(mt.getreply(clean) == SMFIR_CONTINUE, "DATA was not continued")
local id = io.popen(ban):read("a"):match('"id":"(%x+)"')
check(id, "not banned: " .. ban)
check(mt.eom(clean) == nil, "the end of the message failed")
check(mt.getreply(clean) == SMFIR_REPLYCODE, "the message was not refused")
check(mt.eom_check(clean, MT_SMTPREPLY, "521", "5.7.1",
                   "Client 2001:db8:900d::9 is refused (a test) [id " .. id .. "]"),
      "the reply is not as it should be")
mt.disconnect(clean)
