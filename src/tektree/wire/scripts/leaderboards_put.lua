-- Puts what rows say of users on a board, and what their settings say.
-- KEYS: the board, for readers; its order: -score, and by member, "reached uid score" with nothing before the uid, who
-- reached it first, then uid (a space sorts before all that a uid holds); its rows: for each uid
-- "seq:score:reached:version:hidden", the newest row and the newest settings that were seen (seq -1: no row yet).
-- ARGV: the milliseconds that the board lasts, or an empty text; then of each entry uid, seq (-1: settings only), score,
-- reached (15 hex digits), version and hidden (0 or 1).
-- Gives for each entry 1 if its settings were news, else 0.
local board, order, rows, lasts = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local reply = {}

for at = 2, #ARGV, 6 do
  local uid, seq, score, reached, version, hidden = unpack(ARGV, at, at + 5)
  local old = redis.call('HGET', rows, uid)
  local known, news = '0', 0
  if old then
    local old_seq, old_score, old_reached, old_version, old_hidden =
      string.match(old, '^(%-?%d+):(%-?%d+):(%x+):(%d+):([01])$')
    redis.call('ZREM', order, old_reached .. uid .. ' ' .. old_score)
    if tonumber(seq) < tonumber(old_seq) then seq, score, reached = old_seq, old_score, old_reached end
    known = old_version
    if tonumber(version) <= tonumber(known) then version, hidden = old_version, old_hidden end
  elseif redis.call('EXISTS', rows) == 0 then
    redis.call('DEL', board, order)  -- without its rows nobody knows what there is to be taken off
  end
  if tonumber(version) > tonumber(known) then news = 1 end
  if version == '0' then hidden = '0' end
  local written = table.concat({seq, score, reached, version, hidden}, ':')
  if written ~= old then redis.call('HSET', rows, uid, written) end
  if hidden == '0' and tonumber(score) > 0 then
    redis.call('ZADD', order, '-' .. score, reached .. uid .. ' ' .. score)
    redis.call('ZADD', board, score, uid)
  else
    redis.call('ZREM', board, uid)
  end
  reply[#reply + 1] = news
end

if lasts ~= '' then
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, lasts) end
end
return reply
