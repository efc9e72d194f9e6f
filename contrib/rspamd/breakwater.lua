--[==[
Tells Breakwater of the clients whose mail rspamd condemns. As
/etc/rspamd/plugins.d/breakwater.lua, with this in
/etc/rspamd/rspamd.conf.local:

  breakwater {
    socket = "/run/breakwater/report.sock";
    # What rspamd does to a message, and what that is called.
    actions { reject = "spam"; }
    # Symbols that say more than the action.
    symbols { CLAM_VIRUS = "virus"; }
    # From that score on it is spam whatever the action; without it, never.
    # score = 30.0;
    # For how long to ban; without it, as the offence's rule says.
    # length = "12h";
    timeout = 2.0;
  }

and this in /etc/breakwater/breakwater.toml, so that rspamd's user may:

  [report]
  socket = "unix:/run/breakwater/report.sock"
  group = "_rspamd"
  users = ["_rspamd"]

  [[offence]]
  kind = "spam"

The address is that of the client as the MTA's milter tells it. Mail of users
who have logged in, and mail without such an address, is not reported.

breakwaterd(8), REPORTS, has the protocol.
]==]

local rspamd_logger = require "rspamd_logger"
local rspamd_tcp = require "rspamd_tcp"

local N = "breakwater"

local settings = {
  socket = "/run/breakwater/report.sock",
  actions = { reject = "spam" },
  symbols = {},
  timeout = 2.0,
}

-- Nothing in it that could end the line.
local function one_line(text, longest)
  return (tostring(text):gsub("[^\32-\126]", "?"):sub(1, longest))
end

local function word(text)
  return (one_line(text, 60):gsub(" ", "_"))
end

-- What the message is called, and by what: a symbol before the action before
-- the score. Nothing if there is nothing to tell.
local function judge(task)
  local found = {}
  for symbol, kind in pairs(settings.symbols) do
    if task:has_symbol(symbol) then table.insert(found, { symbol, kind }) end
  end
  table.sort(found, function(a, b) return a[1] < b[1] end)
  if found[1] then return found[1][2], found[1][1] end

  local action = task:get_metric_action()
  local score = task:get_metric_score()[1] or 0
  local detail = string.format("%s %.1f", action, score)
  if settings.actions[action] then return settings.actions[action], detail end
  if settings.score and score >= settings.score then return "spam", detail end
end

local function report(task)
  local ip = task:get_from_ip()
  if not ip or not ip:is_valid() or task:get_user() then return end
  local kind, detail = judge(task)
  if not kind then return end

  local line = string.format("report %s %s %s %s\n", ip:to_string(), word(kind),
    word(settings.length or "-"), one_line(detail, 200))
  -- The connection's end says that there is no more to come.
  local asked = rspamd_tcp.request({
    task = task,
    host = settings.socket,
    port = 0,
    timeout = settings.timeout,
    data = { line },
    stop_pattern = "\n",
    callback = function(err, answer)
      if err then
        rspamd_logger.warnx(task, "%s: cannot tell of %s: %s", N, ip, err)
      else
        rspamd_logger.infox(task, "%s: %s is told of as %s: %s", N, ip, kind,
          one_line(tostring(answer):gsub("%s+$", ""), 200))
      end
    end,
  })
  if not asked then
    rspamd_logger.warnx(task, "%s: cannot tell of %s", N, ip)
  end
end

local opts = rspamd_config:get_all_opt(N)
if opts then
  for key, value in pairs(opts) do settings[key] = value end
  rspamd_config:register_symbol({
    name = "BREAKWATER_REPORT",
    type = "idempotent",
    callback = report,
    flags = "empty,explicit_disable,ignore_passthrough",
  })
end
