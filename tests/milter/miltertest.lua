-- The front as OpenDKIM's miltertest speaks to it, a peer that we did not
-- write. Given `socket`, `listed` and `clean`, addresses of clients.

local function check(condition, what)
  if not condition then
    error(what)
  end
end

local function connect(address)
  local mta = mt.connect(socket)
  check(mta, "cannot connect to " .. socket)
  check(mt.negotiate(mta, nil, nil, nil) == nil, "negotiation failed")
  mt.macro(mta, SMFIC_CONNECT, "{daemon_addr}", "192.0.2.25",
           "{daemon_port}", "25")
  check(mt.conninfo(mta, "client.test", address) == nil, "connect failed")
  check(mt.getreply(mta) == SMFIR_CONTINUE, "connect was not continued")
  return mta
end

local mta = connect(clean)
for _ = 1, 2 do
  mt.macro(mta, SMFIC_MAIL, "i", "4XyZ")
  check(mt.mailfrom(mta, "<a@client.test>") == nil, "MAIL failed")
  check(mt.getreply(mta) == SMFIR_CONTINUE, "MAIL was not continued")
  check(mt.rcptto(mta, "<b@mail.test>") == nil, "RCPT failed")
  check(mt.getreply(mta) == SMFIR_CONTINUE, "RCPT was not continued")
  check(mt.eom(mta) == nil, "end of message failed")
  check(mt.getreply(mta) == SMFIR_CONTINUE, "message was not continued")
end
mt.disconnect(mta)

mta = connect(listed)
check(mt.mailfrom(mta, "<a@client.test>") == nil, "MAIL failed")
check(mt.getreply(mta) == SMFIR_REPLYCODE, "MAIL was not refused")
mt.disconnect(mta)
