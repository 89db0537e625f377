-- Reads a session, takes units of a quota and counts a hit, or does none of it.
-- KEYS: the session, the user's hash of sessions, the count and the log of the limit; and, where there is a quota, its
-- count, what was told of it, and its sorted set of reservations.
-- ARGV: the uid, the session's id, what time it is for the caller in seconds since 1970; the units, the percent of the
-- threshold, the milliseconds that the count lasts; and of each tier its name, limit, window (microseconds) and quota,
-- each behind a comma, with a line for each tier; an empty text is no limit.
-- Gives one text: a number: 0 there is no session, 1 it takes more than this (nothing was counted), 2 the quota refused,
-- 3 the limit refused, 4 admitted; used, threshold and exceeded; now, hits in the window, the newest of them, and the
-- microseconds until there is room; and the session.
local text = redis.call('GET', KEYS[1])
local marks = redis.call('HMGET', KEYS[2], 's:' .. ARGV[2], 'version', 'r:' .. ARGV[2])
if marks[3] then return '1' end  -- its token was rotated away
if not text or not marks[1] then return '0' end

local read, session = pcall(cjson.decode, text)
if not read or type(session) ~= 'table' or session.user_id ~= ARGV[1] or type(session.id) ~= 'string'
  or type(session.expires_at) ~= 'number' or session.expires_at <= tonumber(ARGV[3])
  or session.version ~= tonumber(marks[2] or '0') then
  return '1'
end
local line = string.find(ARGV[7], '\n' .. tostring(session.tier) .. ',', 1, true)
if not line then return '1' end
local limit, window, most = string.match(ARGV[7], '^\n[^,]*,(%d*),(%d*),(%d*)\n', line)
window = tonumber(window)

local quota, told = KEYS[5], KEYS[6]
local n, lasts, used = tonumber(ARGV[4]), ARGV[6], 0
local function first(word)
  local fresh = redis.call('SADD', told, word)
  redis.call('PEXPIRE', told, lasts)
  return fresh
end
if quota then
  local count = redis.call('GET', quota)
  if not count or not string.match(count, '^%d+$') or #count > 15 then return '1' end
  used = tonumber(count)
  local over = most ~= '' and used + n > tonumber(most)
  if over and redis.call('ZCOUNT', KEYS[7], 1, '+inf') > 0 then return '1' end  -- some of them may have ended
  if over then
    return string.format('2 %.0f 0 %d 0 0 0 0 ', used, first('exceeded')) .. text
  end
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local hits, newest, wait = 0, now, 0
if limit ~= '' then
  local log = KEYS[4]
  newest = tonumber(redis.call('LINDEX', log, -1) or now)
  if newest <= now - window then
    redis.call('DEL', log)
    newest = now
  else
    local oldest = redis.call('LINDEX', log, 0)
    while oldest and tonumber(oldest) <= now - window do
      redis.call('LPOP', log)
      oldest = redis.call('LINDEX', log, 0)
    end
  end
  hits = redis.call('LLEN', log)
  local over = hits + 1 - tonumber(limit)
  if over > 0 and hits > 0 then wait = tonumber(redis.call('LINDEX', log, over - 1)) + window - now end
  if wait <= 0 then
    wait, newest, hits = 0, math.max(now, newest), hits + 1
    redis.call('RPUSH', log, string.format('%.0f', newest))
    local rest = string.format('%.0f', math.ceil((newest + window - now) / 1000))
    redis.call('PEXPIRE', log, rest)
    redis.call('SET', KEYS[3], string.format('%.0f', hits), 'PX', rest)
  end
end

local threshold = 0
if quota and wait == 0 then
  used = used + n
  redis.call('SET', quota, string.format('%.0f', used), 'PX', lasts)
  if most ~= '' and tonumber(most) > 0 and used * 100 >= tonumber(most) * tonumber(ARGV[5]) then
    threshold = first('threshold')
  end
end
return string.format('%d %.0f %d 0 %.0f %d %.0f %.0f ', wait > 0 and 3 or 4, used, threshold, now, hits, newest, wait) .. text
