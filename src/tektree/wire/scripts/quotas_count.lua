-- Counts units that were used, whatever the limit, or gives them back: once for each cause.
-- KEYS: the count, its set of what was told, its set of causes, its sorted set of reservations, as in quotas_change.
-- ARGV: the units (below 0: given back; 0: the cause is only remembered), the limit or an empty text, the percent of the
-- threshold, the cause, the milliseconds that the count lasts at the least.
-- Gives 1 and what is used, then 1 where threshold and excess are to be told; 0 when the cause was counted before, -1 when
-- there is no count, -2 when what is there is none.
local count, told, causes, held = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
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
if redis.call('SADD', causes, ARGV[4]) == 0 then return {0, used, 0, 0} end
redis.call('PEXPIRE', causes, lasts)

local function first(word)
  local fresh = redis.call('SADD', told, word)
  redis.call('PEXPIRE', told, lasts)
  return fresh
end

used = math.max(0, used + n)
redis.call('SET', count, string.format('%.0f', used), 'PX', lasts)
local threshold, exceeded = 0, 0
if n > 0 and limit then
  if limit > 0 and used * 100 >= limit * tonumber(ARGV[3]) then threshold = first('threshold') end
  if used > limit then exceeded = first('exceeded') end
end
return {1, used, threshold, exceeded}
