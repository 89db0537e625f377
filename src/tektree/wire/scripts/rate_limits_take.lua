-- Counts hits in every bucket, or in none when one has no room.
-- KEYS: of each bucket its count (for readers) and its log: a list of the instants of hits, the oldest first.
-- ARGV: how many hits, 1 to count them or 0 to look only, then limit and window (microseconds) of each bucket.
-- Gives, as one text, now, then of each bucket: hits in the window, the newest, and the microseconds until the hits
-- have room.
-- What calls are given is text already: Redis takes longer to write a number than to make most calls.
local cost, fits = tonumber(ARGV[1]), ARGV[2] == '1'
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local stamp = string.format('%d', now)
local counted, newest, wait = {}, {}, {}

for at = 1, #KEYS, 2 do
  local log, since = KEYS[at + 1], now - ARGV[at + 3]
  local last = redis.call('LINDEX', log, '-1')
  if last and tonumber(last) <= since then
    redis.call('DEL', log)
    last = false
  elseif last then
    while tonumber(redis.call('LINDEX', log, '0')) <= since do redis.call('LPOP', log) end
  end
  local used = last and redis.call('LLEN', log) or 0
  local over = used + cost - ARGV[at + 2]
  local rest = over > 0 and used > 0 and redis.call('LINDEX', log, over - 1) - since or 0
  if rest > 0 then fits = false end
  counted[at], newest[at], wait[at] = used, last or stamp, rest
end

local reply = stamp
for at = 1, #KEYS, 2 do
  local used, last = counted[at], newest[at]
  if fits then
    local log = KEYS[at + 1]
    if tonumber(last) < now then last = stamp end  -- a clock that goes back does not
    for _ = 1, cost do redis.call('RPUSH', log, last) end
    used = string.format('%d', used + cost)
    local rest = string.format('%d', math.ceil((last - now + ARGV[at + 3]) / 1000))
    redis.call('PEXPIRE', log, rest)
    redis.call('SET', KEYS[at], used, 'PX', rest)
  end
  reply = string.format('%s %s %s %d', reply, used, last, wait[at])
end
return reply
