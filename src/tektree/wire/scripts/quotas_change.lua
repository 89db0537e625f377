-- Takes units from a quota, for good or for a time, or gives them back.
-- KEYS: the count, its set of what was told, its sorted set of calls with the second each was made in, its sorted set of
-- reservations ("name units") with the millisecond that each ends in; 0: it has ended, and its holder is still awaited.
-- ARGV: the units (below 0: given back), the limit or an empty text, the percent of the threshold, the call's name, the
-- milliseconds that the count lasts at the least, and those that the units are reserved for, or an empty text.
-- Gives 1 and what is used, then 1 where threshold and excess are to be told; 0 when it was refused, -1 when there is no
-- count, -2 when what is there is none.
local count, told, calls, held = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local n, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local text = redis.call('GET', count)
if not text then return {-1, 0, 0, 0} end
if not string.match(text, '^%d+$') or #text > 15 then return {-2, 0, 0, 0} end
local used = tonumber(text)
local lasts = math.max(tonumber(ARGV[5]), redis.call('PTTL', count))  -- the caller may know of an earlier end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
for _, each in ipairs(redis.call('ZRANGEBYSCORE', held, 1, now)) do
  used = math.max(0, used - tonumber(string.match(each, '%d+$')))
  redis.call('ZADD', held, 0, each)
  redis.call('SET', count, string.format('%.0f', used), 'PX', lasts)
end
if redis.call('ZSCORE', calls, ARGV[4]) then return {1, used, 0, 0} end

local function first(word)
  local fresh = redis.call('SADD', told, word)
  redis.call('PEXPIRE', told, lasts)
  return fresh
end

if n > 0 and limit and used + n > limit then return {0, used, 0, first('exceeded')} end
used = math.max(0, used + n)
redis.call('SET', count, string.format('%.0f', used), 'PX', lasts)
local second = math.floor(now / 1000)
redis.call('ZREMRANGEBYSCORE', calls, '-inf', second - 60)
redis.call('ZADD', calls, second, ARGV[4])
redis.call('EXPIRE', calls, 60)
if ARGV[6] ~= '' then
  redis.call('ZADD', held, string.format('%.0f', now + tonumber(ARGV[6])), ARGV[4] .. ' ' .. ARGV[1])
  redis.call('PEXPIRE', held, lasts)
end
if n > 0 and limit and limit > 0 and used * 100 >= limit * tonumber(ARGV[3]) then
  return {1, used, first('threshold'), 0}
end
return {1, used, 0, 0}
