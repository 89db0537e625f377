-- Puts a session among those of its user, and ends the oldest ones beyond the most.
-- KEYS[1]: the user's hash: epoch, version, a counter n, for each session its place and its end ("s:id", "n:seconds"), and
-- for each that was rotated away its place and when that was ("r:id", "n:milliseconds"), as long as a session has its place.
-- ARGV: the epoch that is expected, the session's id, its end in seconds since 1970, the most, the id of the session that
-- it takes the place of, or an empty text; what time it is for the caller, in milliseconds since 1970; and how many that
-- were rotated away are remembered.
-- Gives 1 and the ids that were ended; 0 when epoch or predecessor are not there any more. Run again with the same
-- predecessor and time, it finds what it did, and gives 1.
local key, sid, ends, most, before = KEYS[1], 's:' .. ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
if (redis.call('HGET', key, 'epoch') or '0') ~= ARGV[1] then return {0} end
local own, place = redis.call('HGET', key, sid), nil
if own then
  local done = string.match(own, '^%d+') .. ':' .. ARGV[6]
  return {before ~= '' and redis.call('HGET', key, 'r:' .. before) == done and 1 or 0}
end
if before ~= '' then
  local old = redis.call('HGET', key, 's:' .. before)
  if not old then return {0} end
  place = string.match(old, '^%d+')
  redis.call('HDEL', key, 's:' .. before)
  redis.call('HSET', key, 'r:' .. before, place .. ':' .. ARGV[6])
end
place = place or string.format('%.0f', redis.call('HINCRBY', key, 'n', 1))
redis.call('HSET', key, sid, place .. ':' .. ARGV[3])
redis.call('HDEL', key, 'r:' .. ARGV[2])

local now, open, last, rotated = math.floor(tonumber(ARGV[6]) / 1000), {}, ends, {}
local all = redis.call('HGETALL', key)
for at = 1, #all, 2 do
  local kind = string.sub(all[at], 1, 2)
  local n, time = string.match(all[at + 1], '^(%d+):(%d+)$')
  if kind == 'r:' then
    rotated[#rotated + 1] = {tonumber(time or 0), all[at], tonumber(n or 0)}
  elseif kind == 's:' then
    -- A minute is left for callers whose clocks differ.
    if not n or tonumber(time) + 60 < now then
      redis.call('HDEL', key, all[at])
    else
      open[#open + 1] = {tonumber(n), all[at]}
      last = math.max(last, tonumber(time))
    end
  end
end
table.sort(open, function(a, b) return a[1] < b[1] end)
local reply, places = {1}, {}
for at, each in ipairs(open) do
  if at <= #open - most then
    redis.call('HDEL', key, each[2])
    reply[#reply + 1] = string.sub(each[2], 3)
  else
    places[each[1]] = true
  end
end
table.sort(rotated, function(a, b) return a[1] > b[1] or (a[1] == b[1] and a[2] > b[2]) end)
local kept = 0
for _, each in ipairs(rotated) do
  if places[each[3]] and kept < tonumber(ARGV[7]) then kept = kept + 1 else redis.call('HDEL', key, each[2]) end
end
redis.call('EXPIRE', key, string.format('%.0f', math.max(last - now, 0) + 86400))
return reply
