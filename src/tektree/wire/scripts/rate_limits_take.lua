-- Counts hits in every bucket, or in none when one has no room.
-- KEYS: of each bucket its count (for readers) and its log: a list of the instants of hits, the oldest first.
-- ARGV: how many hits, 1 to count them or 0 to look only, then of each bucket its limit, its window, and for how long its
-- hits are kept, which is the window or longer (both in microseconds).
-- Gives, as one text, now, then of each bucket: hits in the window, the newest, and the microseconds until the hits
-- have room. Who looks writes nothing.
-- What calls are given is text already: Redis takes longer to write a number than to make most calls.
local cost, counts = tonumber(ARGV[1]), ARGV[2] == '1'
local fits = counts
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local stamp = string.format('%d', now)
local counted, newest, wait = {}, {}, {}

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

for at = 1, #KEYS / 2 do
  local log, limit, window, kept = KEYS[2 * at], ARGV[3 * at], ARGV[3 * at + 1], ARGV[3 * at + 2]
  local last, since, old = redis.call('LINDEX', log, '-1'), now - window, 0
  if counts and last then
    local forgotten = now - kept
    if tonumber(last) <= forgotten then
      redis.call('DEL', log)
      last = false
    else
      while tonumber(redis.call('LINDEX', log, '0')) <= forgotten do redis.call('LPOP', log) end
    end
  end
  if last and tonumber(last) <= since then
    last = false
  elseif last and not (counts and kept == window) then
    old = gone(log, since)
  end
  local used = last and redis.call('LLEN', log) - old or 0
  local over = used + cost - limit
  local rest = over > 0 and used > 0 and redis.call('LINDEX', log, old + over - 1) - since or 0
  if rest > 0 then fits = false end
  counted[at], newest[at], wait[at] = used, last or stamp, rest
end

local reply = stamp
for at = 1, #KEYS / 2 do
  local used, last = counted[at], newest[at]
  if fits then
    local log, window, kept = KEYS[2 * at], ARGV[3 * at + 1], ARGV[3 * at + 2]
    if tonumber(last) < now then last = stamp end  -- a clock that goes back does not
    for _ = 1, cost do redis.call('RPUSH', log, last) end
    used = string.format('%d', used + cost)
    redis.call('PEXPIRE', log, string.format('%d', math.ceil((last - now + kept) / 1000)))
    redis.call('SET', KEYS[2 * at - 1], used, 'PX', string.format('%d', math.ceil((last - now + window) / 1000)))
  end
  reply = string.format('%s %s %s %d', reply, used, last, wait[at])
end
return reply
