-- Counts hits in every bucket, or in none when one has no room.
-- KEYS: of each bucket its count (for readers) and its log: a list of the instants of hits, the oldest first.
-- ARGV: how many hits, 1 to count them or 0 to look only, then limit and window (microseconds) of each bucket.
-- Gives, as one text, now, then of each bucket: hits in the window, the newest, and the microseconds until the hits
-- have room.
local cost, counts = tonumber(ARGV[1]), ARGV[2] == '1'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local reply, fits = {now}, counts

for at = 1, #KEYS / 2 do
  local log = KEYS[2 * at]
  local limit, window = tonumber(ARGV[2 * at + 1]), tonumber(ARGV[2 * at + 2])
  local newest = tonumber(redis.call('LINDEX', log, -1) or now)
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
  local used = redis.call('LLEN', log)
  local over, wait = used + cost - limit, 0
  if over > 0 and used > 0 then
    wait = tonumber(redis.call('LINDEX', log, over - 1)) + window - now
  end
  if wait > 0 then fits = false end
  reply[3 * at - 1], reply[3 * at], reply[3 * at + 1] = used, newest, wait
end

if fits then
  for at = 1, #KEYS / 2 do
    local count, log, window = KEYS[2 * at - 1], KEYS[2 * at], tonumber(ARGV[2 * at + 2])
    local newest = math.max(now, reply[3 * at])  -- a clock that goes back does not
    local written = string.format('%.0f', newest)
    for _ = 1, cost do redis.call('RPUSH', log, written) end
    local used = reply[3 * at - 1] + cost
    local rest = string.format('%.0f', math.ceil((newest + window - now) / 1000))
    redis.call('PEXPIRE', log, rest)
    redis.call('SET', count, string.format('%.0f', used), 'PX', rest)
    reply[3 * at - 1], reply[3 * at] = used, newest
  end
end
for at = 1, #reply do reply[at] = string.format('%.0f', reply[at]) end
return table.concat(reply, ' ')
