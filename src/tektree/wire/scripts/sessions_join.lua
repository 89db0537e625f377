-- Puts a session among those of its user, and ends the oldest ones beyond the most.
-- KEYS[1]: the user's hash: epoch, version, a counter n, and for each session its place and its end ("n:seconds").
-- ARGV: the epoch that is expected, the session's id, its end in seconds since 1970, the most, the id of the session that
-- it takes the place of, or an empty text; and what time it is for the caller, in seconds since 1970.
-- Gives 1 and the ids that were ended; 0 when epoch or predecessor are not there any more.
local key, sid, ends, most, before = KEYS[1], 's:' .. ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
if (redis.call('HGET', key, 'epoch') or '0') ~= ARGV[1] then return {0} end
if redis.call('HEXISTS', key, sid) == 1 then return {0} end
local place
if before ~= '' then
  local old = redis.call('HGET', key, 's:' .. before)
  if not old then return {0} end
  place = string.match(old, '^%d+')
  redis.call('HDEL', key, 's:' .. before)
end
place = place or string.format('%.0f', redis.call('HINCRBY', key, 'n', 1))
redis.call('HSET', key, sid, place .. ':' .. ARGV[3])

local now, open, last = tonumber(ARGV[6]), {}, ends
local all = redis.call('HGETALL', key)
for at = 1, #all, 2 do
  if string.sub(all[at], 1, 2) == 's:' then
    local n, over = string.match(all[at + 1], '^(%d+):(%d+)$')
    -- A minute is left for callers whose clocks differ.
    if not n or tonumber(over) + 60 < now then
      redis.call('HDEL', key, all[at])
    else
      open[#open + 1] = {tonumber(n), all[at]}
      last = math.max(last, tonumber(over))
    end
  end
end
table.sort(open, function(a, b) return a[1] < b[1] end)
local reply = {1}
for at = 1, #open - most do
  redis.call('HDEL', key, open[at][2])
  reply[#reply + 1] = string.sub(open[at][2], 3)
end
redis.call('EXPIRE', key, string.format('%.0f', math.max(last - now, 0) + 86400))
return reply
