-- Reads a session, takes units of a quota and counts a hit, or does none of it.
-- KEYS: the user's hash of sessions, the count and the log of the limit; and, where there is a quota, its count, what was
-- told of it, and its sorted set of reservations. The session's own key is made here, from its id.
-- ARGV: the uid, the units, the percent of the threshold; the session as the caller knows it, its version, and the limit,
-- window, quota and for how long hits are kept (the window or longer; microseconds) of its tier; or an empty text for the
-- session, and of each tier its name and those four, each behind a comma, with a line for each tier; an empty text is no
-- limit. Then the session's id, what time it is for the caller in seconds since 1970, and the milliseconds that the count
-- of the quota lasts, both with zeros in front.
-- Gives one text: a number: 0 there is no session, 1 it takes more than this (nothing was counted), 2 the quota refused
-- (3: the first time in its period), 4 the limit refused, 5 admitted (6: and at the threshold, for the first time); what
-- is used; now, hits in the window, the newest of them, and the microseconds until there is room; and the session, if the
-- caller does not know it.
local uid, n, percent, known, version, limit, window, most, kept, id, seconds, lasts = unpack(ARGV)
local text = redis.call('GET', 'session:' .. id)
local marks = redis.call('HMGET', KEYS[1], 's:' .. id, 'version', 'r:' .. id)
if marks[3] then return '1' end  -- its token was rotated away
if not text or not marks[1] then return '0' end

if known ~= '' then
  if text ~= known or version ~= (marks[2] or '0') then return '1' end
  text = ''
else
  local read, session = pcall(cjson.decode, text)
  if not read or type(session) ~= 'table' or session.user_id ~= uid or type(session.id) ~= 'string'
    or type(session.expires_at) ~= 'number' or session.expires_at <= tonumber(seconds)
    or session.version ~= tonumber(marks[2] or 0) then
    return '1'
  end
  local found, _
  local terms = '\n' .. tostring(session.tier) .. ',(%d*),(%d*),(%d*),(%d*)\n'
  found, _, limit, window, most, kept = string.find(limit, terms)
  if not found then return '1' end
  text = ' ' .. text
end
limit, window, most, kept = tonumber(limit), tonumber(window), tonumber(most), tonumber(kept)

local quota, used = KEYS[4], 0
local function first(word)
  local fresh = redis.call('SADD', KEYS[5], word)
  redis.call('PEXPIRE', KEYS[5], math.max(tonumber(lasts), redis.call('PTTL', quota)))  -- as long as the count does
  return fresh
end
if quota then
  local count = redis.call('GET', quota)
  if not count or #count > 15 or not string.find(count, '^%d+$') then return '1' end
  used = count + n
  if most and used > most then
    if redis.call('ZCOUNT', KEYS[6], 1, '+inf') > 0 then return '1' end  -- some of them may have ended
    return string.format('%d %d 0 0 0 0', 2 + first('exceeded'), count) .. text
  end
end

-- How many hits at the front of a log came at that instant or before. The last of all did not.
local function gone(log, since)
  local function all_gone(hits)
    local at = redis.call('LINDEX', log, string.format('%d', hits - 1))
    return at and tonumber(at) <= since
  end
  local low, high = 0, 1
  while all_gone(high) do low, high = high, 2 * high end
  while high - low > 1 do
    local middle = math.floor((low + high) / 2)
    if all_gone(middle) then low = middle else high = middle end
  end
  return low
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local stamp, hits = string.format('%d', now), 0
local newest = stamp
if limit then  -- what calls are given is text already: Redis takes longer to write a number than to make most calls
  local log = KEYS[3]
  local last = redis.call('LINDEX', log, '-1')
  if last and last + kept <= now then
    redis.call('DEL', log)
  elseif last then
    if tonumber(last) > now then newest = last end
    while redis.call('LINDEX', log, '0') + kept <= now do redis.call('LPOP', log) end
  end
  hits = redis.call('RPUSH', log, newest)
  local old = kept > window and gone(log, now - window) or 0
  hits = hits - old
  if hits > limit then
    redis.call('RPOP', log)
    hits = hits - 1
    local wait = redis.call('LINDEX', log, old + hits - limit) + window - now
    return string.format('4 %d %s %d %s %d', quota and used - n or 0, stamp, hits, last, wait) .. text
  end
  redis.call('PEXPIRE', log, string.format('%d', math.ceil((newest + kept - now) / 1000)))
  local rest = string.format('%d', math.ceil((newest + window - now) / 1000))
  redis.call('SET', KEYS[2], string.format('%d', hits), 'PX', rest)
end

local said = 5
if quota then
  redis.call('INCRBY', quota, n)
  if redis.call('PTTL', quota) < 0 then redis.call('PEXPIRE', quota, tonumber(lasts)) end  -- others wrote it
  if most and most > 0 and used * 100 >= most * percent then said = said + first('threshold') end
end
return string.format('%d %d %s %d %s 0', said, used, stamp, hits, newest) .. text
