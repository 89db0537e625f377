-- Ends a reservation, or only those whose time is over: they have given back what they held.
-- KEYS: the count, its sorted set of reservations ("name units") with the millisecond that each ends in, 0: it has ended;
-- and its set of what was told.
-- ARGV: the reservation or an empty text, 1 where its units are used, 0 where they are given back; the limit or 0, the
-- percent of the threshold, and the milliseconds that the count lasts.
-- Gives what is used, and 1 where the threshold is to be told; -1 when there is no count, -2 when what is there is none.
local count, held, name = KEYS[1], KEYS[2], ARGV[1]
local text = redis.call('GET', count)
if not text then return {-1, 0} end
if not string.match(text, '^%d+$') or #text > 15 then return {-2, 0} end
local before = tonumber(text)
local used = before

local function units(each) return tonumber(string.match(each, '%d+$')) end
local ends = name ~= '' and redis.call('ZSCORE', held, name)
if ends then
  redis.call('ZREM', held, name)
  local over = tonumber(ends) == 0
  if ARGV[2] == '1' and over then used = used + units(name) end
  if ARGV[2] == '0' and not over then used = used - units(name) end
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
for _, each in ipairs(redis.call('ZRANGEBYSCORE', held, 1, now)) do
  used = used - units(each)
  redis.call('ZADD', held, 0, each)
end
used = math.max(0, used)
if used ~= before then redis.call('SET', count, string.format('%.0f', used), 'KEEPTTL') end
if redis.call('PTTL', count) < 0 then redis.call('PEXPIRE', count, ARGV[5]) end  -- others wrote it
local limit, threshold = tonumber(ARGV[3]), 0
if ARGV[2] == '1' and limit > 0 and used * 100 >= limit * tonumber(ARGV[4]) then
  threshold = redis.call('SADD', KEYS[3], 'threshold')
  redis.call('PEXPIRE', KEYS[3], math.max(tonumber(ARGV[5]), redis.call('PTTL', count)))
end
return {used, threshold}
