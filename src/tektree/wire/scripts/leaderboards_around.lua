-- Who stands around a user.
-- KEYS: the order of a board, its rows. ARGV: the uid, and how many on either side.
-- Gives one text: how many stand before the first of them, then of each member and score; an empty one for who is not
-- on the board.
local row = redis.call('HGET', KEYS[2], ARGV[1])
if not row then return '' end
local rank = redis.call('ZRANK', KEYS[1], string.match(row, '^%-?%d+:%-?%d+:(%x+):') .. ARGV[1])
if not rank then return '' end
local first = math.max(0, rank - tonumber(ARGV[2]))
local reply = redis.call('ZRANGE', KEYS[1], first, rank + tonumber(ARGV[2]), 'WITHSCORES')
table.insert(reply, 1, first)
return table.concat(reply, ' ')
